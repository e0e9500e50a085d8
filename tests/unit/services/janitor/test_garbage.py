"""What is garbage: nothing that is needed, nothing that is young, nothing of an unknown sort, and all else."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from shoal.model.limits import GARBAGE_SECONDS, MANIFEST_KEPT_SECONDS
from shoal.services.janitor.garbage import (
    REASONS,
    SLACK_SECONDS,
    Needed,
    garbage_in,
    readable_versions,
)
from shoal.storage.keys import TenantKeys
from shoal.storage.ports import ObjectHead

OURS, OTHERS = TenantKeys("ten_" + "a" * 32), TenantKeys("ten_" + "b" * 32)
NOW = 1_800_000_000.0
SHARDS = [f"{number:032x}" for number in range(4)]
PATHS = st.one_of(
    st.tuples(st.sampled_from(SHARDS), st.sampled_from(["vectors.f32", "records.sqlite", "properties"])).map(
        lambda pair: f"shards/{pair[0]}/{pair[1]}"
    ),
    st.sampled_from(["log/d/1", "log/d/2", "manifests/d/1-a.json", "manifests/d/2-b.json", "parts/d/run-1"]),
    st.sampled_from(["tenant.json", "datasets/d.json", "cursors/x", "shardsx/1", "logs"]),
)
AGES = st.one_of(
    st.floats(0, 3 * GARBAGE_SECONDS),
    st.sampled_from([GARBAGE_SECONDS, GARBAGE_SECONDS - 0.5, GARBAGE_SECONDS + 0.5, -10.0]),
)
LISTINGS = st.dictionaries(st.tuples(st.sampled_from([OURS, OTHERS]), PATHS), AGES, max_size=12)


def listed(listing: Mapping[tuple[TenantKeys, str], float]) -> list[ObjectHead]:
    return [
        ObjectHead(tenant.objects + path, 10, "etag", None, NOW - age)
        for (tenant, path), age in listing.items()
    ]


@given(listing=LISTINGS, needed=st.sets(PATHS), shards=st.sets(st.sampled_from(SHARDS)))
def test_what_goes_is_old_ours_of_a_known_sort_and_not_needed_and_all_of_that_goes(
    listing: dict[tuple[TenantKeys, str], float], needed: set[str], shards: set[str]
) -> None:
    what = Needed(frozenset(OURS.objects + path for path in needed), frozenset(shards))
    found = listed(listing)
    gone = {each.key for each in garbage_in(OURS, found, what, now=NOW)}
    for each in found:
        path = each.key.removeprefix(OURS.objects)
        sort, _, rest = path.partition("/")
        may_go = (
            each.key.startswith(OURS.objects)
            and sort in REASONS
            and NOW - each.modified_at >= GARBAGE_SECONDS
            and path not in needed
            and not (sort == "shards" and rest.split("/")[0] in shards)
        )
        assert (each.key in gone) is may_go, each


@given(listing=LISTINGS)
def test_each_piece_of_garbage_is_described(listing: dict[tuple[TenantKeys, str], float]) -> None:
    sizes = {each.key: each.size for each in listed(listing)}
    for each in garbage_in(OURS, listed(listing), Needed(frozenset(), frozenset()), now=NOW):
        assert each.size == sizes[each.key]
        assert each.age_seconds >= GARBAGE_SECONDS
        assert each.reason in REASONS.values()


@given(
    ages=st.lists(st.floats(1, 4 * MANIFEST_KEPT_SECONDS), min_size=1, max_size=30),
    held_for=st.floats(0, MANIFEST_KEPT_SECONDS),
    orphans=st.lists(st.tuples(st.integers(1, 30), st.floats(0, 100)), max_size=5),
)
def test_every_version_that_was_current_within_a_day_is_kept(
    ages: list[float], held_for: float, orphans: list[tuple[int, float]]
) -> None:
    """Versions become current one after the other; some that were made lost their swap, or never tried."""
    stored_at = sorted(NOW - age for age in ages)
    stored = {f"v{number}": (number, at) for number, at in enumerate(stored_at, start=1)}
    for place, (version, before) in enumerate(orphans):
        if version <= len(stored_at) + 1:
            # Made of the version before it, while that was the current one.
            at = stored_at[version - 1] - before if version <= len(stored_at) else NOW - before
            made_of = stored_at[version - 2] if version > 1 else at
            stored[f"orphan{place}"] = (version, max(at, made_of))
    kept = readable_versions(stored, now=NOW) | {f"v{len(stored_at)}"}
    moment = NOW - held_for
    was_current = [number for number, at in enumerate(stored_at, start=1) if at <= moment]
    if was_current:
        assert f"v{was_current[-1]}" in kept


def test_a_dataset_at_rest_keeps_nothing_but_the_current_version() -> None:
    long_ago = NOW - MANIFEST_KEPT_SECONDS - SLACK_SECONDS - 1
    stored = {"v1": (1, long_ago - 100), "v2": (2, long_ago)}
    assert readable_versions(stored, now=NOW) == frozenset()
    assert readable_versions({**stored, "v3": (3, NOW)}, now=NOW) == {"v2", "v3"}
