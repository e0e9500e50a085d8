"""What is shown of reindexes: stages, sub-tasks, counts; and what one would take before it begins."""

import pytest

from shoal.errors import InvalidInput, NotFound
from shoal.model.bindings import Family
from shoal.model.ids import new_import_id, new_tenant_id
from shoal.model.reindexes import Counted, ReindexSettings, estimated
from shoal.model.tasks import TaskStatus
from shoal.services.reindex.ending import cancel_reindex
from shoal.services.reindex.estimate import estimate
from shoal.services.reindex.progress import child_of, failed_of, progress_of
from shoal.storage.keys import DatasetKeys
from tests.unit.services.reindex.models import NEW, OLD, THIRD, FakeModels, spec
from tests.unit.services.reindex.test_ending import run_up_to
from tests.unit.services.reindex.world import TextWorld, numbered

DOCUMENTS = numbered(8, words=10)


@pytest.fixture
def world() -> TextWorld:
    world = TextWorld()
    world.source(DOCUMENTS)
    return world


@pytest.mark.parametrize(
    ("stage", "shown", "count"),
    [
        ("begun", "starting", 0),
        ("plan", "embedding", 0),
        ("embed", "embedding", 8),
        ("settle", "settling", 8),
        ("build_shard", "building", 8),
        ("commit", "deploying", 8),
    ],
)
def test_stages(world: TextWorld, stage: str, shown: str, count: int) -> None:
    world.reindex()
    run_up_to(world, stage)
    found = progress_of(world.ports, world.task())
    assert (found.stage, found.count, found.failed) == (shown, count, 0)
    assert found.total == (None if stage == "begun" else 8)
    assert len(found.children) == (0 if stage == "begun" else 1)


def test_one_that_waits_one_that_is_done_and_one_that_was_cancelled(world: TextWorld) -> None:
    world.reindex()
    waiting = world.reindex(THIRD, task_id="reindex-2", wait_on_conflict=True)
    assert progress_of(world.ports, waiting).stage == "waiting"
    world.run()
    done = progress_of(world.ports, world.task())
    assert (done.stage, done.count, done.total, len(done.children)) == ("done", 8, 8, 1)
    cancel_reindex(world.ports, world.tenant_id, "reindex-2")
    assert progress_of(world.ports, world.task("reindex-2")).stage == "canceled"


def test_sub_tasks(world: TextWorld) -> None:
    slow = spec("slow", 3, rate=7.5)  # pieces of three
    world = TextWorld(models=FakeModels(OLD, slow))
    world.source(DOCUMENTS)
    world.reindex(slow)
    run_up_to(world, "embed")  # the first piece
    children = progress_of(world.ports, world.task()).children
    assert len(children) == 3
    first, second, *_ = (child_of(world.ports, world.tenant_id, name) for name in children)
    assert first is not None
    assert (first.task_id, first.status, first.total, first.processed) == (children[0], TaskStatus.DONE, 3, 3)
    assert second is not None
    assert (second.status, second.processed) == (TaskStatus.PROCESSING, 0)
    cancel_reindex(world.ports, world.tenant_id, "reindex-1")
    ended = child_of(world.ports, world.tenant_id, children[1])
    assert ended is not None
    assert ended.status is TaskStatus.CANCELED


def test_names_that_are_of_no_sub_task(world: TextWorld) -> None:
    world.reindex()
    world.run()
    (child,) = progress_of(world.ports, world.task()).children
    assert child_of(world.ports, world.tenant_id, child) is not None
    assert child_of(world.ports, new_tenant_id(), child) is None
    nobodys = new_import_id(world.clock())
    for name in (
        "",
        "x",
        "reindex-1",
        f"{child}0",
        child[:-1] + "9",
        f"{nobodys}.000000",
        "../x.000000",
        child[:-7],
    ):
        assert child_of(world.ports, world.tenant_id, name) is None, name


def test_failures_are_not_listed_before_all_have_been_tried(world: TextWorld) -> None:
    world.reindex()
    assert failed_of(world.ports, world.task()) == []
    run_up_to(world, "embed")
    assert failed_of(world.ports, world.task()) == []


def test_settings_survive_being_stored() -> None:
    settings = ReindexSettings("old", "an alias", NEW, deploy_as_blue=True, max_failed_share=0.25, barrier=3)
    assert ReindexSettings.parse(settings.stored()) == settings
    assert ReindexSettings.parse(ReindexSettings("a", "b", OLD).stored()) == ReindexSettings("a", "b", OLD)


# --- estimates


def test_an_estimate() -> None:
    world = TextWorld()
    world.source(numbered(8))
    world.table.put(
        {
            **(world.table.get(DatasetKeys(world.tenant_id, world.found(OLD).dataset_id).collection) or {}),
            "documents": 10,
            "characters": 4000,
        }
    )
    found = estimate(world.ports, world.tenant_id, family=Family.ITEMS, source=OLD, dest=NEW)
    assert (found.documents, found.tokens, found.dollars) == (8, 800, 0.0016)
    assert found.minutes == pytest.approx(1.0, abs=0.1)


def test_what_cannot_be_estimated(world: TextWorld) -> None:
    with pytest.raises(NotFound):
        estimate(world.ports, world.tenant_id, family=Family.CATEGORIES, source=OLD, dest=NEW)
    with pytest.raises(InvalidInput):
        estimate(world.ports, world.tenant_id, family=Family.ITEMS, source=OLD, dest=OLD)


@pytest.mark.parametrize(
    ("counted", "documents", "tokens", "minutes"),
    [
        (Counted(0, many_parts=False, documents=0, characters=0), 0, 0, 0.0),
        (Counted(6000, many_parts=False, documents=6000, characters=24_000), 6000, 6000, 1.3),
        (Counted(6000, many_parts=True, documents=2000, characters=8000), 2000, 2000, 1.1),
        (Counted(6000, many_parts=True, documents=9000, characters=9000), 6000, 1500, 1.3),
        (Counted(6000, many_parts=False, documents=0, characters=0), 6000, 1_500_000, 11.4),
    ],
)
def test_estimates(counted: Counted, documents: int, tokens: int, minutes: float) -> None:
    found = estimated(counted, NEW, concurrency=3)
    assert (found.documents, found.tokens, found.minutes) == (documents, tokens, minutes)
    assert found.dollars == round(tokens * 2 / 1e6, 4)
