"""The API's calls that look over many records: lists, counts, figures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.cli.paths import read_of
from infra.cli.results import Json, Recall, Record
from infra.cli.transport import Transport

_PAGE_ROWS = 1000
_PAGE_ROWS_WITH_VALUES = 200
"""An answer holds 5 MB: more rows than fit are not sent, but read."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which records: those that pass the filter, whose id begins so, in the namespace ("": in none)."""

    where: Mapping[str, Any] | None = None
    prefix: str | None = None
    namespace: str | None = None

    def body(self) -> dict[str, Any]:
        """As the API wants it."""
        named = {"filter": self.where, "prefix": self.prefix, "namespace": self.namespace}
        return {name: value for name, value in named.items() if value is not None}


EVERYTHING = Chosen()


@dataclass(frozen=True, slots=True)
class Page:
    """Some records of one version, and where the next page begins; None after the last."""

    records: tuple[Record, ...]
    next_cursor: str | None
    version: int


@dataclass(frozen=True, slots=True)
class DatasetStats:
    """A dataset in figures, field by field as the API describes them. Times are ISO 8601 in UTC."""

    name: str
    status: str
    version: int
    row_count: int
    stored_rows: int
    dead_share: float
    shards: int
    deltas: int
    cell_sets: int
    cell_shards: int
    cells: int
    id_index_runs: int
    bytes: int
    vector_bytes: int
    tail_writes: int
    tail_bytes: int
    last_compacted_at: str | None
    last_indexed_at: str | None
    recall: Recall | None

    @classmethod
    def of(cls, body: Json) -> "DatasetStats":
        """Read the API's object."""
        known = {name: body[name] for name in cls.__dataclass_fields__ if name != "recall"}
        return cls(**known, recall=Recall.of(body["recall"]) if body.get("recall") else None)


class ListingCalls:
    """Lists and counts of one API; made by `ShoalClient.listing`."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def page(
        self,
        dataset: str,
        chosen: Chosen = EVERYTHING,
        *,
        limit: int = 100,
        cursor: str | None = None,
        include_values: bool = False,
        include_document: bool = False,
    ) -> Page:
        """One page; 400 `cursor_expired` where the version that it pages through is no longer kept."""
        body = chosen.body() | {"limit": limit}
        if cursor is not None:
            body["cursor"] = cursor
        body |= {"include_values": include_values, "include_document": include_document}
        path, named = read_of(dataset, "vectors/list", "list")
        answer = self._http.send("POST", path, json=body | named).json()
        records = tuple(Record.of(each) for each in answer["vectors"])
        return Page(records, answer["next_cursor"], answer["version"])

    def records(
        self,
        dataset: str,
        chosen: Chosen = EVERYTHING,
        *,
        limit: int | None = None,
        include_values: bool = False,
        include_document: bool = False,
    ) -> Iterator[Record]:
        """Up to `limit` records of one version, page after page; all of them where it is None."""
        most = _PAGE_ROWS_WITH_VALUES if include_values or include_document else _PAGE_ROWS
        left, cursor = limit, None
        while left is None or left > 0:
            page = self.page(
                dataset,
                chosen,
                limit=most if left is None else min(left, most),
                cursor=cursor,
                include_values=include_values,
                include_document=include_document,
            )
            yield from page.records
            cursor = page.next_cursor
            if cursor is None:
                return
            left = None if left is None else left - len(page.records)

    def count(self, dataset: str, chosen: Chosen = EVERYTHING) -> int:
        """How many records are meant, exactly."""
        path, named = read_of(dataset, "count", "count")
        answer = self._http.send("POST", path, json=chosen.body() | named).json()
        return int(answer["count"])

    def stats(self, dataset: str) -> DatasetStats:
        """The dataset in figures."""
        path, named = read_of(dataset, "stats", "stats")
        answer = self._http.send("POST", path, json=named) if named else self._http.send("GET", path)
        return DatasetStats.of(answer.json())
