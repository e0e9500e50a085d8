"""Builds of content indexes by the deployed workflow: of any layout, and whoever dies."""

import pytest

from shoal.errors import ModelBusy
from shoal.services.content import build
from shoal.services.heads import keys_of
from shoal.services.imports.lookup import find_import
from shoal.storage.memory.faults import Faults
from tests.unit.services.content.content_world import ContentWorld, document
from tests.workflow.kills import KilledOnce, killing
from tests.workflow.machine import Invoke


def filled(*, in_cells: bool = False) -> ContentWorld:
    world = ContentWorld(in_cells=in_cells)
    world.put(
        *(document(f"m{n}", title=f"film number {n}", year=1990 + n, _key="x") for n in range(12)),
        document("bad", title="cannot", year=2000),
        document("drafts.m1", title="never", year=2000),
    )
    return world


@pytest.mark.parametrize("in_cells", [False, True], ids=["one shard", "cells"])
def test_a_build_of_any_layout(in_cells: bool) -> None:
    world = filled(in_cells=in_cells)
    index = world.made("movies", "year > 1992", '{title, "since": year}')
    world.check(index)
    assert (index.start_count, index.failed_count) == (10, 1)


def test_it_is_dealt_out_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_MOST_ROWS", 4)
    world = filled()
    world.create_index()
    (import_id,) = world.under_way()
    seen: list[int] = []

    def watched(function: str, payload: object) -> object:
        seen.append(world.index().remaining_count)
        return world.step(world.ports, function, payload)  # type: ignore[arg-type]

    execution = world.built(invoke=watched)  # type: ignore[arg-type]
    assert execution.succeeded
    pieces = [visit for visit in execution.visits if visit.state == "EmbedPiece"]
    assert len(pieces) == 4
    assert len(set(seen)) >= 4, "the counter moves"
    assert seen == sorted(seen, reverse=True)
    world.check(world.index())
    job = find_import(world.ports, import_id)
    assert job is not None
    assert job.objects == 13


def test_a_build_that_selects_nothing() -> None:
    world = filled()
    index = world.made("movies", "year > 3000")
    assert (index.status, index.start_count) == ("active", 0)
    assert world.records(index.dataset) == {}
    world.put(document("late", title="from the future", year=3001))
    assert world.follow()
    world.drain_all()
    world.check(world.index())


def test_a_model_that_is_busy_is_asked_again() -> None:
    world = filled()
    busy = iter([True] * 3)
    world.models.told.problem = lambda spec: (
        ModelBusy(spec.model_id, "too many requests") if next(busy, None) else None
    )
    world.check(world.made())


def test_what_the_text_of_a_document_is_is_stored_nowhere() -> None:
    world = filled()
    index = world.made()
    for _, metadata in world.records(index.dataset).values():
        assert set(metadata) == {"_type", "version"}
    assert "film number" not in str(world.table.get(keys_of(index.dataset).content))


@pytest.mark.parametrize("in_cells", [False, True], ids=["one shard", "cells"])
def test_a_kill_in_any_state_changes_nothing(in_cells: bool) -> None:
    worlds: list[ContentWorld] = []

    def make(number: int | None) -> KilledOnce:
        world = filled(in_cells=in_cells)
        world.create_index("movies", "year > 1992")
        worlds.append(world)
        return KilledOnce(world.process, world.step, number=number)

    def run(killer: Invoke) -> None:
        world = worlds[-1]
        execution = world.built(invoke=killer)
        message = f"killed in {getattr(killer, 'killed', None)}: {execution}"
        assert execution.succeeded, message
        world.check(world.index(), message)

    killed = {one.killed for one in killing(make, run, every=2 if not in_cells else 7)}
    assert {"plan", "embed", "settle", "commit", "deploy"} <= killed


def test_a_step_that_comes_again_does_nothing() -> None:
    world = filled()
    world.create_index()
    (import_id,) = world.under_way()
    assert world.built().succeeded
    before = world.index()
    assert world.step(world.process(Faults()), "reindex", {"step": "deploy", "import_id": import_id}) == {}
    told = world.step(
        world.ports, "reindex", {"step": "fail", "import_id": import_id, "error": {"Error": "Late"}}
    )
    assert told == {"outcome": "stopped"}
    assert world.index() == before
