"""Aliases as items of the table. Each is told in three places, which one transaction changes at once:

its name, which says where it points, as that of a dataset does; what is remembered of its moves, apart from the
name because every query reads that one; and, at the dataset, which aliases point there: so that a dataset is
deleted with none left behind, and without a search for them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shoal.model.aliases import Alias, Move, Target
from shoal.model.ids import new_token
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys, TenantKeys
from shoal.storage.ports import (
    Absent,
    CheckItem,
    Compare,
    Condition,
    DeleteItem,
    Item,
    Key,
    Ports,
    PutItem,
    Write,
)


@dataclass(frozen=True, slots=True)
class StoredAlias:
    """An alias as read once; `revision` is another one after each change, also where it was made anew."""

    alias: Alias
    revision: str

    @property
    def unchanged(self) -> Condition:
        """That it is still as it was read."""
        return Compare("revision", "=", self.revision)


@dataclass(frozen=True, slots=True)
class Pointers:
    """The aliases that point at a dataset, as read once; without a revision where there is no item."""

    names: tuple[str, ...] = ()
    revision: str | None = None

    @property
    def unchanged(self) -> Condition:
        """That they are still as they were read."""
        return Absent("pk") if self.revision is None else Compare("revision", "=", self.revision)


def name_item(tenant: TenantKeys, scope: str, alias: Alias, *, revision: str) -> Item:
    """The name of an alias, in place of what the name was."""
    key = tenant.name(scope, alias.name)
    return {
        "pk": key.pk,
        "sk": key.sk,
        "dataset_id": alias.target.dataset_id,
        "alias": True,
        "scope": scope,
        "name": alias.name,
        "target": alias.target.name,
        "moves": alias.moves,
        "created_at": alias.created_at,
        "moved_at": alias.moved_at,
        "revision": revision,
    }


def parse_name(item: Item) -> StoredAlias | None:
    """The alias whose name it is; None for a dataset's own name, and for an active collection's."""
    if not item.get("alias") or "revision" not in item:
        return None
    alias = Alias(
        name=str(item["name"]),
        target=Target(str(item["target"]), str(item["dataset_id"])),
        moves=int(item["moves"]),
        created_at=float(item["created_at"]),
        moved_at=float(item["moved_at"]),
    )
    return StoredAlias(alias, str(item["revision"]))


def history_item(
    tenant: TenantKeys, scope: str, alias: str, history: Sequence[Move], *, revision: str
) -> Item:
    """What is remembered of the moves of an alias, up to the revision that its name has, too."""
    key = tenant.alias_history(scope, alias)
    return {
        "pk": key.pk,
        "sk": key.sk,
        "scope": scope,
        "name": alias,
        "revision": revision,
        "history": [{"at": move.at, "from": _told(move.before), "to": _told(move.after)} for move in history],
    }


def parse_history(item: Item | None) -> tuple[Move, ...]:
    """What is remembered, newest first."""
    if item is None:
        return ()
    return tuple(
        Move(float(move["at"]), _target(move["from"]) if move["from"] else None, _target(move["to"]))
        for move in item["history"]
    )


def read_pointers(ports: Ports, datasets: Iterable[DatasetKeys]) -> dict[str, Pointers]:
    """Which aliases point at datasets, by dataset id."""
    wanted = list(dict.fromkeys(datasets))
    found = retry_busy(lambda: ports.table.batch_get([keys.aliases for keys in wanted]))
    items = {item["pk"]: item for item in found}
    return {keys.dataset_id: parse_pointers(items.get(keys.partition)) for keys in wanted}


def parse_pointers(item: Item | None) -> Pointers:
    """Which aliases point at a dataset."""
    return Pointers(tuple(item["names"]), str(item["revision"])) if item else Pointers()


def with_pointer(keys: DatasetKeys, read: Pointers, alias: str) -> Write:
    """What tells a dataset of an alias that points at it."""
    return _pointing(keys, read, {*read.names, alias})


def without_pointer(keys: DatasetKeys, read: Pointers, alias: str) -> Write:
    """What tells a dataset that an alias points elsewhere, or is gone."""
    return _pointing(keys, read, {*read.names} - {alias})


def without_any(
    ports: Ports, tenant: TenantKeys, scope: str, keys: DatasetKeys, read: Pointers
) -> list[Write]:
    """What takes all aliases of a dataset away, so long as no other one comes to point at it.

    Where there are none, it sees to it that there are none.
    """
    if read.revision is None:
        return [CheckItem(keys.aliases, read.unchanged)]
    wanted = [tenant.name(scope, name) for name in read.names]
    writes: list[Write] = [DeleteItem(keys.aliases, condition=read.unchanged)]
    for item in retry_busy(lambda: ports.table.batch_get(wanted)):
        stored = parse_name(item)
        if stored is not None and stored.alias.target.dataset_id == keys.dataset_id:
            writes.append(DeleteItem(Key(item["pk"], item["sk"]), condition=stored.unchanged))
            writes.append(DeleteItem(tenant.alias_history(scope, stored.alias.name)))
    return writes


def _pointing(keys: DatasetKeys, read: Pointers, names: set[str]) -> Write:
    if not names:
        return DeleteItem(keys.aliases, condition=read.unchanged)
    item: Item = {
        "pk": keys.aliases.pk,
        "sk": keys.aliases.sk,
        "names": sorted(names),
        "revision": new_token(),
    }
    return PutItem(item, condition=read.unchanged)


def _told(target: Target | None) -> dict[str, str] | None:
    return {"name": target.name, "dataset_id": target.dataset_id} if target else None


def _target(told: Any) -> Target:
    return Target(str(told["name"]), str(told["dataset_id"]))
