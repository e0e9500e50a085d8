"""Aliases of a world in memory, and what must be true of them whenever nobody is at work."""

from collections.abc import Sequence
from itertools import pairwise

from shoal.errors import NotFound
from shoal.model.aliases import Alias
from shoal.model.datasets import NATIVE_SCOPE
from shoal.services import aliases
from shoal.services.alias_items import parse_history, parse_name, parse_pointers
from shoal.services.aliases import Pointed
from shoal.storage.keys import ALIAS_PREFIX, NAME_PREFIX
from shoal.storage.memory.faulty import FaultyTable
from shoal.storage.ports import Item, Key, Ports
from tests.unit.services.world import World

LIVE = "live"


def point(
    world: World,
    dataset: str,
    *,
    alias: str = LIVE,
    if_dataset: str | None = None,
    ports: Ports | None = None,
    scope: str = NATIVE_SCOPE,
) -> Pointed:
    return aliases.point_alias(
        ports or world.ports,
        world.tenant_id,
        scope=scope,
        alias=alias,
        dataset=dataset,
        if_dataset=if_dataset,
    )


def roll_back(world: World, *, if_dataset: str | None = None, ports: Ports | None = None) -> Alias:
    return aliases.roll_back_alias(
        ports or world.ports, world.tenant_id, scope=NATIVE_SCOPE, alias=LIVE, if_dataset=if_dataset
    )


def drop(world: World, alias: str = LIVE, *, ports: Ports | None = None) -> None:
    aliases.drop_alias(ports or world.ports, world.tenant_id, scope=NATIVE_SCOPE, alias=alias)


def target(world: World, alias: str = LIVE, *, scope: str = NATIVE_SCOPE) -> str | None:
    """Where an alias points; None where there is none."""
    try:
        found, _ = aliases.get_alias(world.ports, world.tenant_id, scope=scope, alias=alias)
    except NotFound:
        return None
    return found.target.name


def consistent(world: World) -> None:
    """All that is said of aliases agrees: names, what is remembered, datasets, and what they know of them."""
    items = {Key(item["pk"], item["sk"]): item for item in world.table.items()}
    names = {key: item for key, item in items.items() if key.sk.startswith(NAME_PREFIX)}
    told: dict[str, set[str]] = {}
    remembered = set()
    for key, item in names.items():
        stored = parse_name(item)
        if stored is None:
            continue
        alias = stored.alias
        own = names[Key(key.pk, key.sk.removesuffix(alias.name) + alias.target.name)]
        assert (own["dataset_id"], own.get("alias")) == (alias.target.dataset_id, None)
        partition = f"D#{key.pk.removeprefix('T#')}#{alias.target.dataset_id}"
        assert items[Key(partition, "HEAD")]["state"] == "live"
        told.setdefault(partition, set()).add(alias.name)
        history_key = Key(key.pk, ALIAS_PREFIX + key.sk.removeprefix(NAME_PREFIX))
        remembered.add(history_key)
        history = parse_history(items[history_key])
        assert items[history_key]["revision"] == stored.revision
        assert history[0].after == alias.target
        assert all(later.before == earlier.after for later, earlier in pairwise(history))
        assert len(history) == min(alias.moves, 100)
    assert remembered == {key for key in items if key.sk.startswith(ALIAS_PREFIX)}
    known = {key.pk: set(parse_pointers(item).names) for key, item in items.items() if key.sk == "ALIASES"}
    assert known == told


class TornTable(FaultyTable):
    """Reads the items of a batch one by one, as DynamoDB may: between any two of them others write."""

    last_first = False

    def batch_get(self, keys: Sequence[Key]) -> list[Item]:
        ordered = reversed(keys) if self.last_first else keys
        return [item for item in map(self.get, ordered) if item is not None]
