"""The API's calls about lists of terms."""

from collections.abc import Sequence
from dataclasses import dataclass

from infra.cli.paths import segment
from infra.cli.results import Json
from infra.cli.transport import Transport

_LISTS = "/v1/term-lists"


@dataclass(frozen=True, slots=True)
class TermListInfo:
    """A list of terms. `updated_at` is None where it was never set; `terms` are there where asked for."""

    name: str
    count: int
    updated_at: str | None
    terms: tuple[str, ...] = ()

    @classmethod
    def of(cls, body: Json) -> "TermListInfo":
        """Read the API's object."""
        return cls(body["name"], body["count"], body["updated_at"], tuple(body.get("terms", ())))


class TermListCalls:
    """Lists of terms of one API; made by `ShoalClient.term_lists`."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self) -> tuple[TermListInfo, ...]:
        """The lists that were set, by name."""
        body = self._http.send("GET", _LISTS).json()
        return tuple(TermListInfo.of(each) for each in body["term_lists"])

    def get(self, name: str) -> TermListInfo:
        """One list with its terms; 404 `term_list_not_found`."""
        return TermListInfo.of(self._http.send("GET", _path(name)).json())

    def put(self, name: str, terms: Sequence[str]) -> TermListInfo:
        """Set a list, in place of what it was; 400 names a term that cannot be."""
        return TermListInfo.of(self._http.send("PUT", _path(name), json={"terms": terms}).json())

    def drop(self, name: str) -> None:
        """Forget a list. Not repeated where it may have worked."""
        self._http.send("DELETE", _path(name), repeatable=False)


def _path(name: str) -> str:
    return f"{_LISTS}/{segment(name, 'name of a list')}"
