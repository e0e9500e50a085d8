"""What is counted of a collection: what was embedded for it, and whether any object of it has several parts."""

from dataclasses import dataclass

from shoal.model.bindings import MAX_PARTS
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Action, Add, Assign, Item, Ports, UpdateItem


@dataclass(frozen=True, slots=True)
class Counts:
    """`documents` and `characters` were embedded, counting an object that was replaced each time.

    No object has more than `most_parts` parts; what replaces or deletes one must name them all. What is not known
    to have fewer has `MAX_PARTS`.
    """

    documents: int = 0
    characters: int = 0
    most_parts: int = MAX_PARTS


def parse_counts(item: Item | None) -> Counts:
    """The counts as stored."""
    found = item or {}
    several = bool(found.get("many_parts", True))
    return Counts(
        documents=int(found.get("documents", 0)),
        characters=int(found.get("characters", 0)),
        most_parts=int(found.get("most_parts", MAX_PARTS)) if several else 1,
    )


def read_counts(ports: Ports, keys: DatasetKeys) -> Counts:
    """The counts as they are now."""
    return parse_counts(retry_busy(lambda: ports.table.get(keys.collection)))


def counting(
    keys: DatasetKeys, *, documents: int, characters: int, most_parts: int | None = None
) -> UpdateItem:
    """What counts some more documents; `most_parts` where they have more parts than any before."""
    actions: tuple[Action, ...] = (Add("documents", documents), Add("characters", characters))
    if most_parts is not None:
        actions += (Assign("many_parts", True), Assign("most_parts", most_parts))
    return UpdateItem(keys.collection, actions)


def mark_many_parts(ports: Ports, keys: DatasetKeys) -> None:
    """Say that objects of any number of parts may come, before the first of them does."""
    actions = [Assign("many_parts", True), Assign("most_parts", MAX_PARTS)]
    retry_busy(lambda: ports.table.update(keys.collection, actions))
