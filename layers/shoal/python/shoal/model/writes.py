"""Writes that depend on what is there: their conditions, and what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from shoal.errors import InvalidInput
from shoal.model.conditions import Path
from shoal.model.limits import MAX_FILTER_DEPTH, MAX_ID_CHARACTERS


@dataclass(frozen=True, slots=True)
class WriteCondition:
    """When a record of an upsert is stored; otherwise it is skipped, and what is there stays.

    `if_absent`: there is no record of its id. `if_newer_than`: there is none, or the value that its metadata has
    at `path` is greater than the one stored there: a number than a number, a string than a string. Where the
    stored record has no such value the new one is stored; where only the new one has none it is skipped.
    """

    kind: Literal["if_absent", "if_newer_than"]
    path: str = ""

    def stores(self, new: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
        """Whether a record is stored in place of one that is there; both are metadata, as parsed JSON."""
        if self.kind == "if_absent":
            return False
        before, after = _orderable(self._place.value(stored)), _orderable(self._place.value(new))
        if before is None:
            return True
        if after is None or isinstance(before, str) is not isinstance(after, str):
            return False
        return bool(after > before)

    @property
    def _place(self) -> Path:
        return Path(self.path, tuple(self.path.split(".")))


def newer_than(path: str) -> WriteCondition:
    """The condition `if_newer_than` on a path from outside, written as in filters.

    Raises:
        InvalidInput: code `invalid_request`: no path that metadata can have.
    """
    if not path or len(path) > MAX_ID_CHARACTERS or path.count(".") >= MAX_FILTER_DEPTH:
        raise InvalidInput(
            "invalid_request",
            f"if_newer_than must be a path of 1-{MAX_ID_CHARACTERS} characters, at most {MAX_FILTER_DEPTH} parts",
        )
    return WriteCondition("if_newer_than", path)


def _orderable(value: Any) -> Any:
    """A number or a string; None for anything else."""
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one write did, in records: known once it is applied.

    `missing` counts ids of a delete or a patch that did not exist; `skipped` the records of an upsert that their
    condition kept out, and those that a patch had to leave alone, the first of which `reason` explains.
    """

    upserted: int = 0
    skipped: int = 0
    patched: int = 0
    deleted: int = 0
    missing: int = 0
    reason: str | None = None

    def to_json(self) -> dict[str, int | str]:
        """What is not as it is by default, by name."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name))}

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> "Outcome":
        """As `to_json` wrote it."""
        counts = {name: int(value) for name, value in said.items() if name != "reason"}
        return cls(**counts, reason=said.get("reason"))
