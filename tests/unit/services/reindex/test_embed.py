"""Embedding the pieces of a source: what fails, what is kept, and every object once however it is cut."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import ImportStopped, ModelBusy, ModelDenied, ModelError, ModelFailed
from shoal.model.embedding_models import EmbeddingModel
from shoal.model.reindex_work import RowPart, RowSource, cut, grouped, rows_an_item
from shoal.model.tasks import FailureStage, TaskStatus
from shoal.services.collections.embedding import SourceObject
from shoal.services.embedding import Embedder
from shoal.services.imports.steps import run_step
from shoal.services.parts import PartReader
from shoal.services.reindex.embed import batches, embed_with
from shoal.services.reindex.ending import cancel_reindex
from shoal.services.reindex.plan import items_of
from shoal.services.reindex.progress import failed_of
from shoal.services.reindex.version import objects_of
from shoal.services.snapshot import open_snapshot
from shoal.services.write import delete_ids
from tests.unit.services.reindex.models import CANNOT, NEW, OLD, THIRD, FakeModels, spec
from tests.unit.services.reindex.world import Documents, TextWorld, numbered

DOCUMENTS = numbered(30)


@pytest.fixture
def world() -> TextWorld:
    return TextWorld()


def with_bad(count: int, *, of: int) -> Documents:
    bad = {f"bad-{number}": {"title": f"{CANNOT} {number}"} for number in range(count)}
    return numbered(of - count) | bad


def fill_with_bad(world: TextWorld, documents: Documents) -> None:
    """A source whose model could embed them all."""
    world.models.told.cannot = frozenset({NEW.model_id})
    world.source(documents)


def test_objects_that_fail_do_not_sink_it(world: TextWorld) -> None:
    documents = with_bad(3, of=30)
    fill_with_bad(world, documents)
    world.reindex(max_failed_share=0.1)
    world.run()
    task = world.task()
    assert (task.status, task.processed, task.failed) == (TaskStatus.DONE, 30, 3)
    good = {name: payload for name, payload in documents.items() if name.startswith("doc")}
    dest = world.found(NEW)
    assert world.records(dest) == world.expected(dest, good)
    failed = failed_of(world.ports, task)
    assert [one.object_id for one in failed] == ["bad-0", "bad-1", "bad-2"]
    assert {(one.detail, one.stage) for one in failed} == {("this model cannot", FailureStage.INFERENCE)}


def test_too_many_that_fail_do(world: TextWorld) -> None:
    fill_with_bad(world, with_bad(4, of=30))
    world.reindex(max_failed_share=0.1)
    assert world.run().succeeded  # its owner is told
    task = world.task()
    assert task.status is TaskStatus.FAILED
    assert task.detail == (
        "4 objects could not be embedded, and 3 may fail: nothing was indexed (one failed for: this model cannot)"
    )
    assert task.failed == 4
    assert len(failed_of(world.ports, task)) == 4
    world.settle_down()
    assert [dataset.name for dataset in world.live()] == ["old"]


def test_no_more_is_embedded_once_too_many_have_failed(world: TextWorld) -> None:
    slow = spec("slow", 3, rate=1.0)
    world = TextWorld(models=FakeModels(OLD, slow))
    world.models.told.cannot = frozenset({"slow"})
    world.source(with_bad(200, of=200))
    world.reindex(slow, max_failed_share=0.01)
    world.run()
    assert world.task().status is TaskStatus.FAILED
    assert world.models.told.asked["slow"] < 100


def test_an_object_without_text_fails_as_such(world: TextWorld) -> None:
    made = world.collection(OLD, template="{body}{title}")
    world.fill(made, {"a": {"title": "text"}, "b": {"body": "other"}})
    world.collection(NEW, template="{title}")
    world.reindex(max_failed_share=0.5)
    world.run()
    (failed,) = failed_of(world.ports, world.task())
    assert (failed.object_id, failed.stage) == ("b", FailureStage.SPLITTING)


# --- what is wrong with the model


@pytest.mark.parametrize("problem", [ModelDenied("new", "no access"), ModelFailed("new", "nonsense")])
def test_a_model_that_may_not_be_asked_fails_it(world: TextWorld, problem: ModelError) -> None:
    world.source(DOCUMENTS)
    world.reindex()
    world.models.told.problem = lambda model: problem if model.model_id == "new" else None
    execution = world.run()
    assert sum(visit.state == "EmbedPiece" for visit in execution.visits) == 1
    assert (world.task().status, world.task().detail) == (TaskStatus.FAILED, problem.message)


def test_a_model_that_is_busy_is_asked_again(world: TextWorld) -> None:
    world.source(DOCUMENTS)
    world.reindex()
    times = iter(range(40))

    def problem(model: EmbeddingModel) -> ModelError | None:
        return (
            ModelBusy("new", "throttled")
            if model.model_id == "new" and next(times, None) is not None
            else None
        )

    world.models.told.problem = problem
    execution = world.run()
    assert sum(visit.error == "ModelBusy" for visit in execution.visits) == 40
    assert world.task().status is TaskStatus.DONE


def test_no_tokens_left(world: TextWorld) -> None:
    world.source(DOCUMENTS)
    world.reindex()
    world.tokens_a_day = 20
    world.run()
    task = world.task()
    assert task.status is TaskStatus.FAILED
    assert "tokens" in (task.detail or "")


def test_a_model_that_is_gone(world: TextWorld) -> None:
    world.source(DOCUMENTS)
    world.reindex()
    world.models = FakeModels(OLD, THIRD)
    world.run()
    assert world.task().status is TaskStatus.FAILED
    assert "new" in (world.task().detail or "")


# --- what is kept


def test_what_is_embedded_is_not_embedded_again(world: TextWorld) -> None:
    slow = spec("slow", 3, rate=5.0)  # batches of 50
    world = TextWorld(models=FakeModels(OLD, slow))
    documents = numbered(120)
    world.source(documents)
    world.reindex(slow)
    calls = iter(range(100))

    def problem(model: EmbeddingModel) -> ModelError | None:
        return ModelBusy("slow", "throttled") if model is slow and next(calls) % 2 else None

    world.models.told.problem = problem
    world.run()
    assert world.task().status is TaskStatus.DONE
    assert world.models.told.asked["slow"] == 120
    assert world.records(world.found(slow)) == world.expected(world.found(slow), documents)


def test_a_model_that_is_slower_than_it_says_gets_done_in_several_calls() -> None:
    slow = spec("slow", 3, rate=5.0)  # pieces of 75, batches of 50
    world = TextWorld(models=FakeModels(OLD, slow))
    documents = numbered(1500)
    world.source(documents)
    world.reindex(slow)
    asked = world.models.told.asked

    def seconds() -> float:
        return float(asked.get("slow", 0))

    world.embed_step = lambda embedder: embed_with(embedder, seconds=49, timer=seconds)
    execution = world.run()
    assert sum(visit.error == "ModelBusy" for visit in execution.visits) == 20
    assert world.task().status is TaskStatus.DONE
    assert asked["slow"] == 1500


def test_a_piece_of_a_reindex_that_has_ended_stops() -> None:
    world = TextWorld()
    world.source(DOCUMENTS)
    world.reindex()
    job = world.job()
    answer = world.step(world.ports, "reindex", {"step": "plan", "import_id": job.import_id})
    (item, *_) = world.lines(str(answer["items_key"]))

    class Cancelling(Embedder):
        def documents(self, *given: object, **more: object) -> object:  # type: ignore[override]
            if world.task().status is TaskStatus.PROCESSING:
                cancel_reindex(world.ports, world.tenant_id, "reindex-1")
            return super().documents(*given, **more)  # type: ignore[arg-type]

    embed = embed_with(Cancelling(world.ports, world.models))
    with pytest.raises(ImportStopped):
        run_step(world.ports, {"step": "embed", "import_id": job.import_id, "item": item}, {"embed": embed})


# --- how it is cut


@settings(max_examples=15, deadline=None)
@given(
    count=st.integers(0, 60),
    words=st.sampled_from([2, 20]),
    gone=st.sets(st.integers(0, 59), max_size=20),
    in_cells=st.booleans(),
    rate=st.sampled_from([0.1, 1.0, 1000.0]),
    most_bytes=st.sampled_from([300, 3000, 1 << 20]),
)
def test_every_object_is_in_one_piece(
    count: int, words: int, gone: set[int], in_cells: bool, rate: float, most_bytes: int
) -> None:
    world = TextWorld(in_cells=in_cells)
    documents = numbered(count, words=words)
    dataset = world.source(documents)
    if in_cells:
        world.reindex(THIRD)
        world.run()
        dataset = world.found(THIRD)
    else:
        world.build(dataset)
    lost = [f"doc-{number}" for number in gone if number < count]
    if lost:
        delete_ids(world.ports, dataset, lost)
    more = {f"more-{number}": {"title": f"{number}"} for number in range(3)}
    world.fill(dataset, more)
    left = {name for name in documents if name not in lost} | more.keys()
    snapshot = open_snapshot(PartReader(world.objects, cache_bytes=1 << 24), dataset, world.head(dataset))
    assert snapshot is not None
    model = spec("any", 7, rate=rate)
    items = items_of(snapshot, len(left), model, model.dimension, most_bytes=most_bytes)
    assert [item.number for item in items] == list(range(len(items)))
    found = [source.object_id for item in items for source in objects_of(snapshot, item.sources)]
    assert sorted(found) == sorted(left)


@given(
    rows=st.integers(1, 5000),
    size=st.integers(1, 10**7),
    most_rows=st.integers(1, 2000),
    most=st.integers(1, 10**6),
)
def test_a_shard_is_cut_without_gaps(rows: int, size: int, most_rows: int, most: int) -> None:
    whole = RowPart(RowSource(shard_id="s", start=0, stop=rows), rows, size)
    parts = list(cut(whole, most_rows, most_bytes=most))
    assert (parts[0].source.start, parts[-1].source.stop) == (0, rows)
    assert all(one.source.stop == other.source.start for one, other in pairwise(parts))
    assert all(part.rows <= most_rows for part in parts)
    groups = list(grouped(parts, most_rows, most_bytes=most))
    assert [part for group in groups for part in group] == parts
    assert all(sum(part.rows for part in group) <= most_rows for group in groups)


def test_pieces_fit_the_model() -> None:
    fast, slow = spec("fast", 3, rate=10_000.0), spec("slow", 3, rate=20.0)
    assert rows_an_item(19_796, fast) == 4_000  # five pieces of four tenths of a second
    assert rows_an_item(1_000_000, fast) == 50_000
    assert rows_an_item(19_796, slow) == 990  # twenty pieces of 50 s
    assert rows_an_item(1_000_000, slow) == 3600  # of three minutes
    assert rows_an_item(10, slow) == 8


def test_batches_are_bounded_by_number_and_by_bytes() -> None:
    objects = [SourceObject(f"{n}", {"text": "x" * (n * 10)}) for n in range(20)]
    found = list(batches(objects, 6, most_bytes=500))
    assert [one for some in found for one in some] == objects
    assert [len(some) for some in found] == [6, 6, 4, 3, 1]
    assert list(batches([], 6)) == []
