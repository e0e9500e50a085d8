"""UPDATE_INDEX against a model: however rows came to be, the index ends as a dictionary says."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.model.derivations import Condition, Lineage
from shoal.model.openverse import Action
from shoal.services.derived.items import lineage_item
from shoal.services.heads import keys_of
from shoal.services.openverse import batch, update
from tests.unit.services.openverse.world import OpenverseWorld
from tests.unit.services.world import Record, record

MOMENTS = st.sampled_from(
    [None, "2023-01-01", "2024-01-01", "2024-06-01 00:00:00+00", 1_704_067_199, 1_704_067_200, "?"]
)
SINCE, CHANGED = "2024-01-01", {"2024-01-01", "2024-06-01 00:00:00+00", 1_704_067_200}
IDS = st.sampled_from([f"r{n}" for n in range(12)])
TITLES = st.sampled_from(["a bird", "a stone"])


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Record]:
    names = draw(st.sets(IDS, min_size=1, max_size=6))
    found = {}
    for name in sorted(names):
        moment = draw(MOMENTS)
        metadata: dict[str, Any] = {"title": draw(TITLES), "n": draw(st.integers(0, 99))}
        if moment is not None:
            metadata["updated_on"] = moment
        found[name] = record(float(draw(st.integers(0, 9))), 1, 2, 3, **metadata)
    return found


WRITES = st.lists(
    st.one_of(rows(), st.sets(IDS, min_size=1, max_size=4), st.just("build")), min_size=1, max_size=8
)


def written(world: OpenverseWorld, writes: list[Any]) -> dict[str, Record]:
    """What the dataset holds after these writes."""
    there: dict[str, Record] = {}
    for one in writes:
        if one == "build":
            world.build(world.dataset)
        elif isinstance(one, set):
            world.delete(world.dataset, sorted(one))
            there = {name: value for name, value in there.items() if name not in one}
        else:
            world.upsert(world.dataset, one)
            there |= one
        world.drain(world.dataset)
    return there


@settings(max_examples=40, deadline=None)
@given(WRITES, rows(), st.integers(1, 7), st.integers(1, 5), st.booleans(), st.booleans())
def test_the_index_is_what_was_there_and_what_changed(
    writes: list[Any], before: dict[str, Record], batch_rows: int, looked_at: int, hasty: bool, filtered: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "BATCH_ROWS", batch_rows)
        patch.setattr(update, "_LOOKED_AT_ONCE", looked_at)
        world = OpenverseWorld(budget_seconds=-1.0 if hasty else 300.0)
        there = written(world, writes)
        index = world.index("image-a")
        if filtered:
            condition = Condition(terms=("bird",), term_fields=("title",), list_name="sensitive")
            lineage = Lineage(world.dataset.dataset_id, "image", "native", condition)
            world.table.put(lineage_item(keys_of(index).derivation, lineage))
        world.fill(before, index)
        ended = world.done(world.accept(Action.UPDATE_INDEX, index_suffix="a", since_date=SINCE))
        changed = {n: r for n, r in there.items() if r[1].get("updated_on") in CHANGED}
        left_out = {n for n, r in changed.items() if filtered and r[1]["title"] == "a bird"}
        expected = {n: r for n, r in (before | changed).items() if n not in left_out}
        assert world.stored(index, [f"r{n}" for n in range(12)]) == expected
        assert world.indexes() == {"image-a": len(expected)}
        assert str(ended.detail).startswith(f"{len(changed) - len(left_out)} of {len(there)} records")
