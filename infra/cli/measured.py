"""Figures that the demo measured, kept beside the local stack's state; `shoal cost` computes with them."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

FILE = "measured.json"


@dataclass(frozen=True, slots=True)
class Measured:
    """What a write and a query took here. Times of requests are round trips, so upper bounds of what is billed.

    `upload_*` sum over all upload requests; `index_seconds` is from the first request to the last row queryable.
    """

    rows: int
    dimension: int
    upload_requests: int
    upload_bytes_sent: int
    upload_bytes_unpacked: int
    upload_seconds: float
    index_seconds: float
    query_ms: float
    answer_bytes: int
    where: str

    @property
    def rows_per_request(self) -> float:
        """How many rows one upload request carried."""
        return self.rows / self.upload_requests


ASSUMED = Measured(
    rows=19_796,
    dimension=256,
    upload_requests=8,
    upload_bytes_sent=28_000_000,
    upload_bytes_unpacked=65_000_000,
    upload_seconds=8.0,
    index_seconds=16.0,
    query_ms=25.0,
    answer_bytes=2_500,
    where="assumed: nothing was measured here yet; `shoal demo` does",
)


def read(state: Path) -> Measured:
    """What was measured last with this state folder, or the assumption."""
    try:
        body = json.loads((state / FILE).read_text(encoding="utf-8"))
        return Measured(**{each.name: body[each.name] for each in fields(Measured)})
    except (OSError, ValueError, KeyError, TypeError):
        return ASSUMED


def write(state: Path, measured: Measured) -> None:
    """Remember it."""
    state.mkdir(parents=True, exist_ok=True)
    draft = state / f"{FILE}.new"
    draft.write_text(json.dumps(asdict(measured), indent=2) + "\n", encoding="utf-8")
    draft.replace(state / FILE)
