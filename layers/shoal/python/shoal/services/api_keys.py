"""API keys: made, listed, revoked, and recognised when a request presents one.

A key is two items: `KEY#<id>/META` holds everything (looked up before the tenant is known), and the tenant's
partition holds a pointer to it, for listing. Both are written in one transaction.
"""

import hashlib
import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass

from shoal.errors import ConditionFailed, NotFound, StorageBusy, TransactionCancelled, Unauthenticated
from shoal.model.ids import transaction_token
from shoal.model.tenants import (
    ApiKey,
    Principal,
    Scope,
    check_label,
    format_key,
    matches,
    new_key_id,
    new_salt,
    new_secret,
    parse_key,
)
from shoal.model.tenants import digest as secret_digest
from shoal.services.descriptors import describe_tenant
from shoal.services.paging import every_item
from shoal.services.retry import retry_busy
from shoal.services.tenants import parse_tenant
from shoal.storage.keys import KEY_PREFIX, TenantKeys, api_key_by_id
from shoal.storage.ports import (
    Absent,
    AllOf,
    AnyOf,
    Assign,
    AssignIfAbsent,
    CheckItem,
    Compare,
    Exists,
    Item,
    Ports,
    PutItem,
    Write,
)

_log = logging.getLogger(__name__)
CACHE_SECONDS = 60.0
"""How long a key that was valid once is believed: revocation holds everywhere within this time."""
CACHE_ENTRIES = 1000
LAST_USED_SECONDS = 300.0
"""`last_used_at` is written at most this often, so that a busy key costs no write a request."""
_NOBODY_SALT = bytes(16)
_NOBODY_DIGEST = bytes(32)


@dataclass(frozen=True, slots=True)
class _Entry:
    principal: Principal
    until: float


class KeyCache:
    """Principals of keys that were valid less than 60 seconds ago; one for each container.

    Only valid keys are kept, under a hash of the whole key, so that neither secrets nor guesses stay in memory.
    """

    def __init__(self) -> None:
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, fingerprint: bytes, now: float) -> Principal | None:
        """Who the key belongs to, if that is known and fresh."""
        with self._lock:
            entry = self._entries.get(fingerprint)
            if entry is None:
                return None
            if now >= entry.until:
                del self._entries[fingerprint]
                return None
            return entry.principal

    def put(self, fingerprint: bytes, principal: Principal, *, until: float) -> None:
        """Remember a valid key; the oldest entry makes room."""
        with self._lock:
            self._entries[fingerprint] = _Entry(principal, until)
            self._entries.move_to_end(fingerprint)
            while len(self._entries) > CACHE_ENTRIES:
                self._entries.popitem(last=False)


def create_key(
    ports: Ports, *, tenant_id: str, name: str, scopes: frozenset[Scope], expires_at: float | None
) -> tuple[ApiKey, str]:
    """Make a key. The second value is the key itself: it is stored nowhere and cannot be shown again.

    Raises:
        NotFound: code `tenant_not_found`.
        InvalidInput: the name is empty or too long.
        ValueError: no scopes.
    """
    if not scopes:
        raise ValueError("a key needs at least one scope")
    key = ApiKey(new_key_id(), tenant_id, check_label(name, "name"), scopes, ports.clock(), expires_at)
    secret = new_secret()
    salt = new_salt()
    tenant = TenantKeys(tenant_id)
    meta = api_key_by_id(key.key_id)
    pointer = tenant.api_key(key.key_id)
    item: dict[str, object] = {
        "pk": meta.pk,
        "sk": meta.sk,
        "key_id": key.key_id,
        "tenant_id": tenant_id,
        "name": key.name,
        "scopes": sorted(scopes),
        "salt": salt,
        "digest": secret_digest(salt, secret),
        "created_at": key.created_at,
    }
    if expires_at is not None:
        # Not `expires_at`: that is the table's TTL attribute, and an expired key is still listed.
        item["valid_until"] = expires_at
    writes: list[Write] = [
        CheckItem(tenant.meta, Exists("pk")),
        PutItem(item, condition=Absent("pk")),
        PutItem({"pk": pointer.pk, "sk": pointer.sk, "key_id": key.key_id}, condition=Absent("pk")),
    ]
    token = transaction_token("key", key.key_id)
    try:
        retry_busy(lambda: ports.table.transact(writes, token=token))
    except TransactionCancelled as lost:
        if lost.failed[0]:
            raise NotFound("tenant_not_found", "tenant not found") from lost
        raise
    describe_tenant(ports, tenant_id)
    return key, format_key(key.key_id, secret)


def list_keys(ports: Ports, tenant_id: str) -> list[ApiKey]:
    """The tenant's keys, revoked and expired ones too, oldest first."""
    tenant = TenantKeys(tenant_id)
    ids = [str(item["key_id"]) for item in every_item(ports, tenant.partition, prefix=KEY_PREFIX)]
    items = retry_busy(lambda: ports.table.batch_get([api_key_by_id(key_id) for key_id in ids]))
    return sorted((_parse(item) for item in items), key=lambda key: (key.created_at, key.key_id))


def revoke_key(ports: Ports, tenant_id: str, key_id: str) -> None:
    """Revoke a key for good; it stays listed. Revoking it again changes nothing.

    Raises:
        NotFound: code `not_found`: no such key, or another tenant's.
    """
    try:
        meta = api_key_by_id(key_id)
    except ValueError as error:
        raise _no_such_key() from error
    ours = Compare("tenant_id", "=", tenant_id)
    revoke = [AssignIfAbsent("revoked_at", ports.clock())]
    try:
        retry_busy(lambda: ports.table.update(meta, revoke, condition=ours))
    except ConditionFailed as lost:
        raise _no_such_key() from lost
    describe_tenant(ports, tenant_id)


def authenticate(ports: Ports, cache: KeyCache, presented: str) -> Principal:
    """Who presents this key. What is not even shaped like a key is refused without a look at the table.

    Raises:
        Unauthenticated: code `unauthorized`: unknown, wrong, expired or revoked; the caller is not told which.
    """
    parts = parse_key(presented)
    if parts is None:
        raise unauthorized()
    now = ports.clock()
    fingerprint = hashlib.sha256(presented.encode()).digest()
    known = cache.get(fingerprint, now)
    if known is not None:
        return known
    item = retry_busy(lambda: ports.table.get(api_key_by_id(parts.key_id)))
    if item is None:
        # The same work as for a key that exists, so that time tells nothing.
        matches(_NOBODY_DIGEST, _NOBODY_SALT, parts.secret)
        raise unauthorized()
    if not matches(bytes(item["digest"]), bytes(item["salt"]), parts.secret):
        raise unauthorized()
    key = _parse(item)
    if not key.valid_at(now):
        raise unauthorized()
    tenant_item = retry_busy(lambda: ports.table.get(TenantKeys(key.tenant_id).meta))
    if tenant_item is None:
        raise unauthorized()
    tenant = parse_tenant(tenant_item)
    principal = Principal(
        key.tenant_id,
        key.key_id,
        key.scopes,
        vector_quota=tenant.vector_quota,
        query_quota=tenant.query_quota,
    )
    until = now + CACHE_SECONDS
    cache.put(fingerprint, principal, until=until if key.expires_at is None else min(until, key.expires_at))
    _touch(ports, key, now)
    return principal


def unauthorized() -> Unauthenticated:
    """The one answer to a missing, malformed, unknown, expired or revoked key."""
    return Unauthenticated("unauthorized", "a valid API key is required")


def _touch(ports: Ports, key: ApiKey, now: float) -> None:
    """Note that the key is used. Best effort: a request never fails for it."""
    if key.last_used_at is not None and now - key.last_used_at < LAST_USED_SECONDS:
        return
    older = AnyOf((Absent("last_used_at"), Compare("last_used_at", "<=", now - LAST_USED_SECONDS)))
    still_there = AllOf((Exists("pk"), older))
    try:
        ports.table.update(api_key_by_id(key.key_id), [Assign("last_used_at", now)], condition=still_there)
    except (ConditionFailed, StorageBusy):
        _log.info("last use of a key not noted", extra={"key_id": key.key_id})


def _parse(item: Item) -> ApiKey:
    return ApiKey(
        key_id=item["key_id"],
        tenant_id=item["tenant_id"],
        name=item["name"],
        scopes=frozenset(Scope(scope) for scope in item["scopes"]),
        created_at=float(item["created_at"]),
        expires_at=_optional_float(item.get("valid_until")),
        revoked_at=_optional_float(item.get("revoked_at")),
        last_used_at=_optional_float(item.get("last_used_at")),
    )


def _optional_float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _no_such_key() -> NotFound:
    return NotFound("not_found", "key not found")
