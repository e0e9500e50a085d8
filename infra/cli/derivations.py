"""The API's calls about derived datasets: made of another one, made anew, and where they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.cli.paths import dataset_path, segment
from infra.cli.results import Json
from infra.cli.transport import Transport


@dataclass(frozen=True, slots=True)
class DerivationInfo:
    """A run that makes a derived dataset, or makes it anew. `progress` goes from 0 to 100; times are ISO 8601."""

    derivation_id: str
    dataset: str
    source: str
    status: str
    stage: str
    progress: float
    rows_total: int
    rows_removed: int
    removed_by_term: tuple[tuple[str, int], ...]
    strategy: str | None
    source_version: int | None
    follow: bool
    rebuild: bool
    created_at: str
    completed_at: str | None
    error_message: str | None

    @classmethod
    def of(cls, body: Json) -> "DerivationInfo":
        """Read the API's object."""
        known = {name: body[name] for name in cls.__dataclass_fields__}
        return cls(**{**known, "removed_by_term": _pairs(body["removed_by_term"])})

    @property
    def over(self) -> bool:
        """Terminal: it will not change any more."""
        return self.status != "running"

    @property
    def shown(self) -> object:
        """What makes a state another one."""
        return self


@dataclass(frozen=True, slots=True)
class Origin:
    """What a dataset is made of; it is behind its source where `source_newest` is another version, because of
    `error_message` where it follows.
    """

    source: str
    source_version: int | None
    source_newest: int | None
    filter: Mapping[str, Any] | None
    terms: Mapping[str, Any] | None
    follow: bool
    built_at: str | None
    rows_removed: int
    removed_by_term: tuple[tuple[str, int], ...]
    strategy: str | None
    error_message: str | None

    @classmethod
    def of(cls, body: Json) -> "Origin":
        """Read the API's object."""
        known = {name: body[name] for name in cls.__dataclass_fields__}
        return cls(**{**known, "removed_by_term": _pairs(body["removed_by_term"])})


@dataclass(frozen=True, slots=True)
class DerivedChild:
    """A dataset that is made of another one; one that `follows` holds all of `synced_version`."""

    dataset: str
    kind: str
    follows: bool
    synced_version: int


@dataclass(frozen=True, slots=True)
class LineageInfo:
    """Where a dataset comes from, the run that began last, and what is made of the dataset."""

    dataset: str
    derived_from: Origin | None
    last_run: DerivationInfo | None
    derived: tuple[DerivedChild, ...]

    @classmethod
    def of(cls, body: Json) -> "LineageInfo":
        """Read the API's object."""
        origin, run = body["derived_from"], body["last_run"]
        children = tuple(
            DerivedChild(**{name: each[name] for name in DerivedChild.__dataclass_fields__})
            for each in body["derived"]
        )
        return cls(
            body["dataset"],
            Origin.of(origin) if origin else None,
            DerivationInfo.of(run) if run else None,
            children,
        )


class DerivationCalls:
    """Derived datasets of one API; made by `ShoalClient.derivations`."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def derive(
        self,
        source: str,
        name: str,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the API's name
        terms: str | None = None,
        fields: Sequence[str] = (),
        follow: bool = False,
    ) -> DerivationInfo:
        """Begin to make a dataset; 409 `dataset_exists`. Not repeated where it may have worked.

        `terms` names a list of terms, which are looked for in the `fields`.
        """
        body: dict[str, Any] = {"name": name, "follow": follow}
        if filter is not None:
            body["filter"] = filter
        if terms is not None:
            body["terms"] = {"list": terms, "fields": list(fields)}
        path = f"{dataset_path(source)}/derive"
        return DerivationInfo.of(self._http.send("POST", path, json=body, repeatable=False).json())

    def get(self, derivation_id: str) -> DerivationInfo:
        """One run; 404 `derivation_not_found`."""
        return DerivationInfo.of(self._http.send("GET", _run(derivation_id)).json())

    def cancel(self, derivation_id: str) -> DerivationInfo:
        """End a run; one that has ended stays as it is."""
        return DerivationInfo.of(self._http.send("DELETE", _run(derivation_id)).json())

    def lineage(self, dataset: str) -> LineageInfo:
        """Where a dataset comes from, and what is made of it."""
        return LineageInfo.of(self._http.send("GET", _lineage(dataset)).json())

    def rebuild(self, dataset: str) -> DerivationInfo:
        """Begin to make one anew; 409 `derivation_running`. Not repeated where it may have worked."""
        answer = self._http.send("POST", f"{_lineage(dataset)}/rebuild", repeatable=False)
        return DerivationInfo.of(answer.json())


def _run(derivation_id: str) -> str:
    return f"/v1/derivations/{segment(derivation_id, 'derivation id')}"


def _lineage(dataset: str) -> str:
    return f"{dataset_path(dataset)}/derivation"


def _pairs(told: Sequence[Json]) -> tuple[tuple[str, int], ...]:
    return tuple((str(each["term"]), int(each["records"])) for each in told)
