"""API keys as stored and recognised: the cache, the reads it spares, `last_used_at`."""

from collections.abc import Sequence

import pytest

from shoal.errors import InvalidInput, NotFound, StorageBusy, Unauthenticated
from shoal.model.tenants import DEFAULT_SCOPES, Scope
from shoal.services.api_keys import (
    CACHE_ENTRIES,
    KeyCache,
    authenticate,
    create_key,
    list_keys,
    revoke_key,
)
from shoal.services.tenants import create_tenant, get_tenant, list_tenants, set_quota
from shoal.storage.keys import TenantKeys, api_key_by_id
from shoal.storage.memory import MemoryObjects, MemoryQueue, MemoryTable
from shoal.storage.ports import Action, Condition, Item, Key, Ports

START = 1_780_000_000.0


class CountingTable(MemoryTable):
    """A table that counts single reads and updates, and whose updates can be made to fail."""

    reads = 0
    updates = 0
    busy = False

    def get(self, key: Key, *, consistent: bool = True) -> Item | None:
        self.reads += 1
        return super().get(key, consistent=consistent)

    def update(self, key: Key, actions: Sequence[Action], *, condition: Condition | None = None) -> Item:
        if self.busy:
            raise StorageBusy("throttled")
        self.updates += 1
        return super().update(key, actions, condition=condition)


class World:
    """A tenant with a key, and time that moves when told."""

    def __init__(self) -> None:
        self.now = START
        self.table = CountingTable(self.clock)
        queues = (MemoryQueue(self.clock), MemoryQueue(self.clock))
        self.ports = Ports(MemoryObjects(self.clock), self.table, *queues, self.clock)
        self.tenant_id = create_tenant(self.ports, name="ours").tenant_id
        self.cache = KeyCache()

    def clock(self) -> float:
        return self.now

    def new_key(self, expires_at: float | None = None) -> tuple[str, str]:
        key, text = create_key(
            self.ports, tenant_id=self.tenant_id, name="k", scopes=DEFAULT_SCOPES, expires_at=expires_at
        )
        return key.key_id, text

    def refuses(self, text: str) -> bool:
        try:
            authenticate(self.ports, self.cache, text)
        except Unauthenticated as error:
            return error.code == "unauthorized"
        return False


@pytest.fixture
def world() -> World:
    return World()


def test_only_a_salted_digest_is_stored(world: World) -> None:
    key_id, text = world.new_key()
    item = world.table.get(api_key_by_id(key_id))
    assert item is not None
    assert text.split("_", 2)[2] not in repr(item)
    other, _ = world.new_key()
    assert item["salt"] != (world.table.get(api_key_by_id(other)) or {})["salt"]
    # The TTL attribute of the table would delete an expired key, and lists show it.
    assert "expires_at" not in item


def test_a_malformed_key_never_reaches_the_table(world: World) -> None:
    before = world.table.reads
    for text in (
        "",
        "shl_",
        "shl_" + "g" * 16 + "_" + "a" * 43,
        "a" * 64,
        "shl_" + "0" * 16 + "_" + "é" * 43,
    ):
        assert world.refuses(text)
    assert world.table.reads == before


def test_a_known_key_costs_no_read_for_60_seconds(world: World) -> None:
    _, text = world.new_key()
    authenticate(world.ports, world.cache, text)
    before = world.table.reads
    world.now += 59.9
    authenticate(world.ports, world.cache, text)
    assert world.table.reads == before
    world.now += 0.1
    authenticate(world.ports, world.cache, text)
    assert world.table.reads == before + 2


def test_revocation_holds_within_60_seconds_and_at_once_without_a_cache(world: World) -> None:
    key_id, text = world.new_key()
    authenticate(world.ports, world.cache, text)
    revoke_key(world.ports, world.tenant_id, key_id)
    with pytest.raises(Unauthenticated):
        authenticate(world.ports, KeyCache(), text)
    world.now += 60
    assert world.refuses(text)
    revoked = list_keys(world.ports, world.tenant_id)[0].revoked_at
    revoke_key(world.ports, world.tenant_id, key_id)
    assert list_keys(world.ports, world.tenant_id)[0].revoked_at == revoked == START


def test_expiry_comes_before_the_cache(world: World) -> None:
    _, text = world.new_key(expires_at=START + 30)
    authenticate(world.ports, world.cache, text)
    world.now += 30
    assert world.refuses(text)


def test_refusals_are_not_cached_and_wrong_secrets_do_not_hit(world: World) -> None:
    _, text = world.new_key()
    authenticate(world.ports, world.cache, text)
    wrong = text[:-1] + ("A" if text[-1] != "A" else "B")
    assert world.refuses(wrong)
    before = world.table.reads
    assert world.refuses(wrong)
    assert world.table.reads == before + 1


def test_quotas_of_the_tenant_come_with_the_principal(world: World) -> None:
    set_quota(world.ports, world.tenant_id, vector_quota=5, query_quota=None)
    _, text = world.new_key()
    principal = authenticate(world.ports, world.cache, text)
    assert (principal.tenant_id, principal.vector_quota, principal.query_quota) == (world.tenant_id, 5, None)


def test_a_key_of_a_tenant_that_is_gone(world: World) -> None:
    _, text = world.new_key()
    world.table.delete(TenantKeys(world.tenant_id).meta)
    assert world.refuses(text)


def test_last_use_is_noted_at_most_every_5_minutes(world: World) -> None:
    _, text = world.new_key()

    def use() -> float | None:
        authenticate(world.ports, world.cache, text)
        return list_keys(world.ports, world.tenant_id)[0].last_used_at

    assert use() == START
    updates = world.table.updates
    for _ in range(4):
        world.now += 61
        assert use() == START
    assert world.table.updates == updates
    world.now += 61
    assert use() == world.now


def test_a_request_never_fails_for_noting_its_time(world: World) -> None:
    _, text = world.new_key()
    world.table.busy = True
    assert authenticate(world.ports, world.cache, text).tenant_id == world.tenant_id
    assert list_keys(world.ports, world.tenant_id)[0].last_used_at is None


def test_the_cache_is_bounded(world: World) -> None:
    _, text = world.new_key()
    principal = authenticate(world.ports, world.cache, text)
    cache = KeyCache()
    for number in range(CACHE_ENTRIES + 1):
        cache.put(str(number).encode(), principal, until=START + 1)
    assert cache.get(b"0", START) is None
    assert cache.get(b"1", START) == principal
    assert cache.get(b"1", START + 1) is None


def test_keys_need_a_tenant_a_name_and_scopes(world: World) -> None:
    for tenant_id in ("ten_" + "0" * 32,):
        with pytest.raises(NotFound):
            create_key(world.ports, tenant_id=tenant_id, name="k", scopes=DEFAULT_SCOPES, expires_at=None)
    with pytest.raises(InvalidInput):
        create_key(world.ports, tenant_id=world.tenant_id, name="", scopes=DEFAULT_SCOPES, expires_at=None)
    with pytest.raises(ValueError):
        create_key(
            world.ports, tenant_id=world.tenant_id, name="k", scopes=frozenset[Scope](), expires_at=None
        )


def test_nobody_revokes_another_tenants_key(world: World) -> None:
    key_id, text = world.new_key()
    stranger = create_tenant(world.ports, name="theirs")
    for wanted in (key_id, "0" * 16, "no key id at all"):
        with pytest.raises(NotFound):
            revoke_key(world.ports, stranger.tenant_id, wanted)
    assert not world.refuses(text)


def test_tenants(world: World) -> None:
    world.now += 1
    other = create_tenant(world.ports, name=" b ")
    assert other.name == "b"
    assert [tenant.tenant_id for tenant in list_tenants(world.ports)] == [world.tenant_id, other.tenant_id]
    changed = set_quota(world.ports, other.tenant_id, vector_quota=1, query_quota=2)
    assert get_tenant(world.ports, other.tenant_id) == changed
    assert (changed.vector_quota, changed.query_quota) == (1, 2)
    assert set_quota(world.ports, other.tenant_id, vector_quota=None, query_quota=None) == other
    with pytest.raises(ValueError):
        set_quota(world.ports, other.tenant_id, vector_quota=-1, query_quota=None)
    for unknown in ("ten_" + "0" * 32, "nonsense", "#"):
        with pytest.raises(NotFound):
            get_tenant(world.ports, unknown)
        with pytest.raises(NotFound):
            set_quota(world.ports, unknown, vector_quota=None, query_quota=None)
