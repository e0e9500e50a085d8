"""What is garbage: decided for each object of a tenant by what is needed and by age, and by nothing else.

Only objects of known sorts can be garbage. Whatever else lies under a tenant is left alone: descriptors, and what
another release may put there.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from shoal.model.limits import GARBAGE_SECONDS, MANIFEST_KEPT_SECONDS
from shoal.storage.keys import TenantKeys
from shoal.storage.ports import ObjectHead

REASONS = {
    "log": "its write is applied, or was never accepted",
    "manifests": "no reader can hold this version any more",
    "parts": "no version that can be read names it",
    "shards": "no version that can be read names its shard",
}
"""The sorts of objects that can be garbage, and why one is."""
SLACK_SECONDS = 3600.0
"""A manifest is stored a while before it becomes the current one, and clocks differ."""


@dataclass(frozen=True, slots=True)
class Needed:
    """What must stay: single objects, and shards with all of their files."""

    keys: AbstractSet[str]
    shards: AbstractSet[str]


@dataclass(frozen=True, slots=True)
class Garbage:
    """An object that goes, its age, and why."""

    key: str
    size: int
    age_seconds: float
    reason: str


def garbage_in(
    tenant: TenantKeys, listing: Iterable[ObjectHead], needed: Needed, *, now: float
) -> Iterator[Garbage]:
    """The garbage among objects, in their order.

    Args:
        tenant: whose objects they are; those of others are none of its garbage.
        listing: the objects.
        needed: what must stay.
        now: epoch seconds.
    """
    for found in listing:
        sort, _, rest = found.key.removeprefix(tenant.objects).partition("/")
        age = now - found.modified_at
        if not found.key.startswith(tenant.objects) or sort not in REASONS or age < GARBAGE_SECONDS:
            continue
        shard_id = rest.partition("/")[0] if sort == "shards" else None
        if found.key not in needed.keys and shard_id not in needed.shards:
            yield Garbage(found.key, found.size, age, REASONS[sort])


def readable_versions(stored: Mapping[str, tuple[int, float]], *, now: float) -> frozenset[str]:
    """The manifests of one dataset that somebody may still read beside the current one, of those that are stored.

    These are the ones stored lately, and the one that was current when the oldest of them was made: it ceased to
    be so within the same time. Its number is one less, because a version is made of the one before it.

    Args:
        stored: by key, the version that a manifest is of, and when it was stored (epoch seconds).
        now: epoch seconds.
    """
    since = now - MANIFEST_KEPT_SECONDS - SLACK_SECONDS
    lately = [version for version, modified_at in stored.values() if modified_at >= since]
    if not lately:
        return frozenset()
    oldest = min(lately) - 1
    return frozenset(key for key, (version, _) in stored.items() if version >= oldest)
