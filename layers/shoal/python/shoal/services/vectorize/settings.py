"""What an index has beyond its dataset: a description, a preset, and the properties that filters may name.

It is one item beside the dataset's own, which only this dialect reads. A dataset that was made elsewhere has none
until somebody gives it one: it is an index without a description and without metadata indexes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from shoal.errors import ConditionFailed, TryAgain
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Absent, Compare, Condition, Item, Ports

_ATTEMPTS = 10


class PropertyKind(StrEnum):
    """What values of a property a metadata index holds: those of one type."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class MetadataIndex:
    """A property of the metadata that filters may name; dots in its name lead into objects."""

    name: str
    kind: PropertyKind


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """As stored. `modified_at` (epoch seconds) is None before the first change; `revision` counts changes."""

    description: str = ""
    preset: str | None = None
    indexes: tuple[MetadataIndex, ...] = ()
    modified_at: float | None = None
    revision: int = 0

    def with_index(self, wanted: MetadataIndex) -> "IndexSettings":
        """With that one among the metadata indexes, in place of another on the same property."""
        others = tuple(index for index in self.indexes if index.name != wanted.name)
        return replace(self, indexes=(*others, wanted))

    def without_index(self, name: str) -> "IndexSettings":
        """Without the metadata index on a property."""
        return replace(self, indexes=tuple(index for index in self.indexes if index.name != name))


def settings_item(keys: DatasetKeys, settings: IndexSettings) -> Item:
    """The settings as an item of the table."""
    return {
        "pk": keys.vectorize.pk,
        "sk": keys.vectorize.sk,
        "description": settings.description,
        "preset": settings.preset,
        "indexes": [[index.name, index.kind.value] for index in settings.indexes],
        "modified_at": settings.modified_at,
        "revision": settings.revision,
    }


def read_settings(ports: Ports, keys: DatasetKeys) -> IndexSettings:
    """The settings of an index; those of none where it has no item."""
    return _parse(ports.table.get(keys.vectorize))


def read_all_settings(ports: Ports, datasets: Sequence[DatasetKeys]) -> list[IndexSettings]:
    """The settings of several indexes, in their order."""
    found = {item["pk"]: item for item in ports.table.batch_get([keys.vectorize for keys in datasets])}
    return [_parse(found.get(keys.partition)) for keys in datasets]


def add_index(ports: Ports, keys: DatasetKeys, wanted: MetadataIndex, *, most: int) -> bool:
    """Let filters name a property; whether there was room for it among `most`. One that is there already is fine.

    Raises:
        TryAgain: others change the settings all the time; nothing has changed.
    """
    for _ in range(_ATTEMPTS):
        settings = read_settings(ports, keys)
        if wanted in settings.indexes:
            return True
        changed = settings.with_index(wanted)
        if len(changed.indexes) > most:
            return False
        if _put(ports, keys, settings, changed):
            return True
    raise _busy()


def drop_index(ports: Ports, keys: DatasetKeys, name: str) -> bool:
    """Let filters name a property no more; whether they could.

    Raises:
        TryAgain: others change the settings all the time; nothing has changed.
    """
    for _ in range(_ATTEMPTS):
        settings = read_settings(ports, keys)
        changed = settings.without_index(name)
        if changed == settings:
            return False
        if _put(ports, keys, settings, changed):
            return True
    raise _busy()


def _put(ports: Ports, keys: DatasetKeys, read: IndexSettings, changed: IndexSettings) -> bool:
    """Whether the settings were still as read, and are changed now."""
    unchanged: Condition = Compare("revision", "=", read.revision) if read.revision else Absent("pk")
    changed = replace(changed, modified_at=ports.clock(), revision=read.revision + 1)
    item = settings_item(keys, changed)
    try:
        retry_busy(lambda: ports.table.put(item, condition=unchanged))
    except ConditionFailed as lost:
        return lost.item is not None and dict(lost.item) == dict(item)  # an attempt whose answer was lost
    return True


def _parse(item: Item | None) -> IndexSettings:
    if item is None:
        return IndexSettings()
    modified_at: Any = item.get("modified_at")
    return IndexSettings(
        description=item["description"],
        preset=item.get("preset"),
        indexes=tuple(MetadataIndex(name, PropertyKind(kind)) for name, kind in item["indexes"]),
        modified_at=None if modified_at is None else float(modified_at),
        revision=int(item["revision"]),
    )


def _busy() -> TryAgain:
    return TryAgain("the index's settings are changed too quickly; send the request again")
