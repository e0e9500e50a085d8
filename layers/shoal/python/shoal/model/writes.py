"""Writes that depend on what is there: their conditions, and what became of them."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class WriteCondition:
    """When a record of an upsert is stored; otherwise it is skipped, and what is there stays.

    `if_absent`: there is no record of its id. `if_newer_than`: there is none, or the value that its metadata has
    at `path` is greater than the one stored there: a number than a number, a string than a string. Where the
    stored record has no such value the new one is stored; where only the new one has none it is skipped.
    """

    kind: Literal["if_absent", "if_newer_than"]
    path: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one write did, in records: known once it is applied.

    `missing` counts ids of a delete or a patch that did not exist, `skipped` records of an upsert that their
    condition kept out.
    """

    upserted: int = 0
    skipped: int = 0
    patched: int = 0
    deleted: int = 0
    missing: int = 0
