"""What is counted of a collection: what was embedded for it, and whether any object of it has several parts."""

from dataclasses import dataclass

from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Action, Add, Assign, Item, Ports, UpdateItem


@dataclass(frozen=True, slots=True)
class Counts:
    """`documents` and `characters` were embedded, counting an object that was replaced each time.

    `many_parts`: some object may have several parts, so that what replaces or deletes one must name them all. What
    is not known to be otherwise has many.
    """

    documents: int = 0
    characters: int = 0
    many_parts: bool = True


def parse_counts(item: Item | None) -> Counts:
    """The counts as stored."""
    found = item or {}
    return Counts(
        documents=int(found.get("documents", 0)),
        characters=int(found.get("characters", 0)),
        many_parts=bool(found.get("many_parts", True)),
    )


def read_counts(ports: Ports, keys: DatasetKeys) -> Counts:
    """The counts as they are now."""
    return parse_counts(retry_busy(lambda: ports.table.get(keys.collection)))


def counting(keys: DatasetKeys, *, documents: int, characters: int, many_parts: bool) -> UpdateItem:
    """What counts some more documents; `many_parts`: one of them has several."""
    actions: tuple[Action, ...] = (Add("documents", documents), Add("characters", characters))
    if many_parts:
        actions += (Assign("many_parts", True),)
    return UpdateItem(keys.collection, actions)


def mark_many_parts(ports: Ports, keys: DatasetKeys) -> None:
    """Say that objects of several parts may come, before the first of them does."""
    retry_busy(lambda: ports.table.update(keys.collection, [Assign("many_parts", True)]))
