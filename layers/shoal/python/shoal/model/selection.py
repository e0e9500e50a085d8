"""Which records a request is about: those of a namespace, with a beginning of their ids, that pass a filter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shoal.model.filters import Filter


@dataclass(frozen=True, slots=True)
class Selection:
    """What must be true of a record; what is None decides nothing. Equal selections have equal hashes.

    `namespace` "" means the records that are in none. `prefix` is how the id begins.
    """

    namespace: str | None = None
    prefix: str | None = None
    filter: Filter | None = None

    @property
    def everything(self) -> bool:
        """Whether no record is left out."""
        return self.namespace is None and self.prefix is None and self.filter is None

    def matches(self, *, record_id: str, namespace: str, metadata: Mapping[str, Any]) -> bool:
        """Whether a record is one of them; `metadata` is parsed JSON."""
        return (
            (self.namespace is None or namespace == self.namespace)
            and (self.prefix is None or record_id.startswith(self.prefix))
            and (self.filter is None or self.filter.matches(metadata))
        )


EVERYTHING = Selection()
