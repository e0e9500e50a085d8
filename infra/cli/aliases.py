"""The API's calls about aliases of datasets: point, look, go back, drop."""

from dataclasses import dataclass

from infra.cli.paths import segment
from infra.cli.results import Json
from infra.cli.transport import Transport

_ALIASES = "/v1/aliases"


@dataclass(frozen=True, slots=True)
class MoveInfo:
    """That an alias was moved; `from_dataset` is None for the one that made it."""

    at: str
    from_dataset: str | None
    to_dataset: str

    @classmethod
    def of(cls, body: Json) -> "MoveInfo":
        """Read the API's object."""
        return cls(body["at"], body["from_dataset"], body["to_dataset"])


@dataclass(frozen=True, slots=True)
class AliasInfo:
    """An alias, and where it points. Times are ISO 8601 in UTC; `history` is there where it was asked for."""

    alias: str
    dataset: str
    moves: int
    created_at: str
    moved_at: str
    history: tuple[MoveInfo, ...] = ()

    @classmethod
    def of(cls, body: Json) -> "AliasInfo":
        """Read the API's object."""
        return cls(
            alias=body["alias"],
            dataset=body["dataset"],
            moves=body["moves"],
            created_at=body["created_at"],
            moved_at=body["moved_at"],
            history=tuple(MoveInfo.of(move) for move in body.get("history", ())),
        )


class AliasCalls:
    """Aliases of one API; made by `ShoalClient.aliases`."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self) -> tuple[AliasInfo, ...]:
        """All aliases, by name."""
        body = self._http.send("GET", _ALIASES).json()
        return tuple(AliasInfo.of(each) for each in body["aliases"])

    def get(self, alias: str) -> AliasInfo:
        """One alias with its last moves; 404 `alias_not_found`."""
        return AliasInfo.of(self._http.send("GET", _path(alias)).json())

    def point(self, alias: str, dataset: str, *, if_dataset: str | None = None) -> AliasInfo:
        """Have an alias point at a dataset; 409 `alias_moved` where it does not point at `if_dataset` now."""
        body = {"dataset": dataset} if if_dataset is None else {"dataset": dataset, "if_dataset": if_dataset}
        return AliasInfo.of(self._http.send("PUT", _path(alias), json=body).json())

    def roll_back(self, alias: str, *, if_dataset: str) -> AliasInfo:
        """Have an alias that points at `if_dataset` point where it did before; 409 where it cannot.

        Not repeated where it may have worked: a second one would take it back.
        """
        path = f"{_path(alias)}/rollback"
        answer = self._http.send("POST", path, json={"if_dataset": if_dataset}, repeatable=False)
        return AliasInfo.of(answer.json())

    def drop(self, alias: str) -> None:
        """Take an alias away; the dataset stays. Not repeated where it may have worked."""
        self._http.send("DELETE", _path(alias), repeatable=False)


def _path(alias: str) -> str:
    return f"{_ALIASES}/{segment(alias, 'name of an alias')}"
