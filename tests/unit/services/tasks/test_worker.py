"""What a worker makes of tasks: batches, failures, waiting, quotas, cancelling, and what it says of them."""

from collections.abc import Callable

import pytest

from shoal.errors import LimitReached, ModelBusy, ModelDenied, ModelError, ModelFailed
from shoal.model.bindings import Family
from shoal.model.embedding_models import EmbeddingModel, ModelRegistry
from shoal.model.tasks import FailureStage, Task, TaskKind, TaskStatus
from shoal.services.collections.blue import set_blue
from shoal.services.collections.catalog import delete_collection
from shoal.services.embedding import Embedder
from shoal.services.tasks import lookup
from shoal.services.tasks.batches import Sizes
from shoal.services.tasks.family import LEASE_SECONDS, WANTED_SECONDS, acquire, ask_for, release
from shoal.services.tasks.worker import work
from shoal.storage.keys import DatasetKeys, TenantKeys
from shoal.storage.memory.faults import Call, Fault, Faults
from shoal.storage.ports import Assign, Drop
from tests.unit.services.reindex.models import NEW, OLD, THIRD
from tests.unit.services.tasks.line_world import CANNOT, NOT_IN_THIRD, Asked, Attempt, LineWorld, PickyModels


@pytest.fixture
def world() -> LineWorld:
    world = LineWorld()
    world.source({})
    return world


def texts(*names: str, title: str = "three more words") -> Asked:
    return Asked("upsert", tuple((name, {"title": f"{name} {title}"}) for name in names))


def ask(world: LineWorld, asked: Asked, **more: object) -> Attempt:
    world.ask(asked, **more)  # type: ignore[arg-type]
    return world.attempts[-1]


def shown(world: LineWorld, attempt: Attempt) -> Task:
    return lookup.get_task(world.ports, world.tenant_id, [attempt.kind], attempt.task_id)


def messages(world: LineWorld) -> list[dict[str, str]]:
    return [dict(message.message) for message in world.tasks.receive()]


def told_to_raise(
    error: type[ModelError], model: EmbeddingModel
) -> Callable[[EmbeddingModel], ModelError | None]:
    return lambda asked: error(asked.model_id, "says so") if asked == model else None


def test_a_task_is_processing_until_what_it_wrote_can_be_found(world: LineWorld) -> None:
    attempt = ask(world, texts("a", "b"))
    assert shown(world, attempt).status is TaskStatus.PENDING
    world.work()
    stored = shown(world, attempt)
    assert (stored.status, stored.processed, stored.total) == (TaskStatus.PROCESSING, 2, 2)
    assert (stored.tokens, stored.failed, stored.truncated) == (8, 0, 0)
    world.drain_all()
    assert shown(world, attempt).status is TaskStatus.DONE


def test_a_task_without_objects_is_done_at_once(world: LineWorld) -> None:
    attempt = ask(world, Asked("upsert", ()))
    world.work()
    assert (shown(world, attempt).status, shown(world, attempt).sequences) == (TaskStatus.DONE, {})
    world.check()


def test_small_tasks_share_one_place_of_the_log_and_each_has_its_own_failures(world: LineWorld) -> None:
    first = ask(world, texts("a"))
    second = ask(world, Asked("upsert", (("b", {"title": ""}), ("a", {"title": "the later one"}))))
    third = ask(world, Asked("upsert", (("c", {"title": CANNOT}),)))
    world.work(sizes=Sizes())
    tasks = [world.task_of(one) for one in (first, second, third)]
    assert [task.sequences for task in tasks] == [{world.found(OLD).dataset_id: 1}] * 3
    failures = [lookup.failed_objects(world.ports, task) for task in tasks]
    assert [[(one.object_id, one.stage) for one in found] for found in failures] == [
        [],
        [("b", FailureStage.SPLITTING)],
        [("c", FailureStage.INFERENCE)],
    ]
    assert failures[1][0].payload == {"title": ""}
    world.check()


def test_a_large_task_moves_batch_by_batch_and_lists_all_its_failures(world: LineWorld) -> None:
    objects = tuple((f"o{n}", {"title": CANNOT if n % 4 == 0 else f"words {n}"}) for n in range(11))
    attempt = ask(world, Asked("upsert", objects))
    seen: list[tuple[str, int]] = []

    def luck(_call: Call) -> Fault | None:
        task = world.task_of(attempt)
        if (task.status.value, task.processed) not in seen:
            seen.append((task.status.value, task.processed))
        return None

    world.work(ports=world.process(Faults(luck)))
    assert seen == [
        (status, done)
        for status, done in zip(["pending", *["processing"] * 4, "done"], [0, 0, 3, 6, 9, 11], strict=True)
    ]
    task = world.task_of(attempt)
    failed = lookup.failed_objects(world.ports, task)
    assert (task.failed, [one.object_id for one in failed]) == (3, ["o0", "o4", "o8"])
    assert task.written == {world.found(OLD).dataset_id: 4}
    world.check()


def test_objects_that_shrink_and_grow_leave_no_part_behind(world: LineWorld) -> None:
    words = [f"w{n}" for n in range(400)]
    for count in (40, 8, 0, 100, 300, 9, 3):
        ask(world, Asked("upsert", (("a", {"title": " ".join(words[:count]) or CANNOT}),)))
        world.work()
        world.drain_all()
        expected = max(1, min(16, -(-count // 8))) if count else 1
        assert len(world.records(world.found(OLD))) == expected
    truncated = [world.task_of(attempt).truncated for attempt in world.attempts]
    assert truncated == [0, 0, 0, 0, 1, 0, 0]
    ask(world, Asked("delete", (("a", None),)))
    world.check()
    assert world.records(world.found(OLD)) == {}


def test_a_busy_model_holds_up_the_line_and_says_so(world: LineWorld) -> None:
    attempt = ask(world, texts("a"))
    world.models.told.problem = told_to_raise(ModelBusy, OLD)
    messages(world)
    world.work()
    task = world.task_of(attempt)
    assert (task.status, task.detail) == (TaskStatus.PENDING, "waiting: old: says so")
    assert messages(world) == []
    world.clock.pass_seconds(31)
    assert messages(world) == [{"tenant_id": world.tenant_id, "family": "items"}]
    world.models.told.problem = lambda _: None
    world.work()
    task = world.task_of(attempt)
    assert (task.status, task.detail) == (TaskStatus.DONE, None)
    world.check()


@pytest.mark.parametrize("error", [ModelDenied, ModelFailed])
def test_a_model_that_may_not_be_used_fails_the_tasks_that_need_it_and_no_other(
    world: LineWorld, error: type[ModelError]
) -> None:
    world.collection(NEW)
    first, second = ask(world, texts("a")), ask(world, texts("b"), model=NEW)
    deletion = ask(world, Asked("delete", (("a", None),)))
    world.models.told.problem = told_to_raise(error, OLD)
    world.work()
    assert [world.task_of(one).status for one in (first, second, deletion)] == [
        TaskStatus.FAILED,
        TaskStatus.DONE,
        TaskStatus.DONE,
    ]
    assert world.task_of(first).detail == "old: says so"
    world.check()


def test_a_task_that_one_of_its_neighbours_texts_is_refused_for_is_none_the_worse(world: LineWorld) -> None:
    """The model raises for a whole call where some text is in it: who shares the batch is asked alone."""
    attempts = [ask(world, texts(name)) for name in ("a", "poison", "c")]

    class Refusing(Embedder):
        def documents(self, tenant_id: str, model_id: str, texts: object) -> object:  # type: ignore[override]
            if any("poison" in text for text in texts):  # type: ignore[attr-defined]
                raise ModelFailed(model_id, "refused")
            return super().documents(tenant_id, model_id, texts)  # type: ignore[arg-type]

    embedder = Refusing(world.ports, world.models)
    work(world.ports, embedder, world.tenant_id, Family.ITEMS, owner="test", threads=1)
    statuses = [world.task_of(attempt).status.value for attempt in attempts]
    assert statuses == ["done", "failed", "done"]
    world.check()


def test_the_tokens_of_a_day_end_a_task_which_may_be_restarted(world: LineWorld) -> None:
    attempt = ask(world, texts(*"abcdef"))
    capped = Embedder(world.ports, world.models, tokens_a_day=20)
    work(world.ports, capped, world.tenant_id, Family.ITEMS, owner="test", threads=1, sizes=Sizes(objects=3))
    task = world.task_of(attempt)
    assert task.status is TaskStatus.FAILED
    assert task.detail is not None
    assert task.detail.endswith("restart the task then")
    world.clock.pass_seconds(86_400)
    world.restart(attempt)
    world.check()
    assert len(world.records(world.found(OLD))) == 6


def test_the_tokens_of_a_minute_have_the_line_wait(world: LineWorld) -> None:
    attempts = [ask(world, texts(*names)) for names in ("abc", "def")]
    slow = Embedder(
        world.ports, world.models, tokens_a_minute={OLD.model_id: 25}, pause=world.clock.pass_seconds
    )
    sizes = Sizes(shared_tasks=1)

    def do() -> list[str]:
        work(world.ports, slow, world.tenant_id, Family.ITEMS, owner="test", threads=1, sizes=sizes)
        return [world.task_of(attempt).status.value for attempt in attempts]

    assert do() == ["done", "pending"]
    assert str(world.task_of(attempts[1]).detail).startswith("waiting: old: the 25 tokens that it may read")
    world.clock.pass_seconds(65)
    assert do() == ["done", "done"]
    world.check()


def test_a_vector_quota_that_is_used_up_fails_the_task_that_has_no_room(world: LineWorld) -> None:
    world.quota = 4
    attempts = [ask(world, texts(*names)) for names in ("ab", "cd", "ef")]
    world.work()
    assert [world.task_of(attempt).status.value for attempt in attempts] == ["done", "done", "failed"]
    detail = world.task_of(attempts[2]).detail
    assert detail is not None
    assert "vector quota" in detail
    ask(world, Asked("delete", (("a", None), ("b", None))))
    world.work()
    world.drain_all()
    world.restart(attempts[2])
    world.check()
    assert world.records(world.found(OLD)).keys() == set("cdef")


def test_rows_that_replace_others_hold_quota_only_until_they_are_applied(world: LineWorld) -> None:
    """A collection that is full can be written anew: each batch waits until the one before it is indexed."""
    world.quota = 6
    for title in ("first words", "second words"):
        ask(world, Asked("upsert", tuple((name, {"title": f"{title} {name}"}) for name in "abc")))
    ask(world, Asked("upsert", tuple((name, {"title": f"third words {name}"}) for name in "abc")))
    world.work()
    assert [world.task_of(attempt).status.value for attempt in world.attempts] == ["done"] * 3
    world.check()


def test_a_log_without_room_is_waited_for(world: LineWorld) -> None:
    dataset = world.found(OLD)
    keys = DatasetKeys(world.tenant_id, dataset.dataset_id)
    world.table.update(keys.sequence, [Assign("bytes", 300_000_000)])
    attempt = ask(world, texts("a"))
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        world.clock.pass_seconds(seconds)
        if len(waited) == 3:
            world.table.update(keys.sequence, [Assign("bytes", 0)])

    embedder = world.embedder()
    more = work(world.ports, embedder, world.tenant_id, Family.ITEMS, owner="t", threads=1, pause=pause)
    assert (more, len(waited), world.task_of(attempt).status) == (False, 3, TaskStatus.DONE)


def test_a_log_without_room_for_longer_is_come_back_to(world: LineWorld) -> None:
    keys = DatasetKeys(world.tenant_id, world.found(OLD).dataset_id)
    world.table.update(keys.sequence, [Assign("bytes", 300_000_000)])
    attempt = ask(world, texts("a"))
    messages(world)
    world.work(budget=5)
    task = world.task_of(attempt)
    assert task.status is TaskStatus.PENDING
    assert task.detail is not None
    assert task.detail.startswith("waiting: the dataset has too many writes")
    world.clock.pass_seconds(3)
    assert len(messages(world)) == 1
    world.table.update(keys.sequence, [Assign("bytes", 0)])
    world.check()


def test_a_task_that_is_cancelled_half_way_keeps_what_it_wrote(world: LineWorld) -> None:
    attempt = ask(world, texts(*"abcdefgh"))

    def luck(_call: Call) -> Fault | None:
        if world.task_of(attempt).processed == 3:
            world.cancel(attempt)
        return None

    world.work(ports=world.process(Faults(luck)))
    task = world.task_of(attempt)
    assert (task.status, task.processed) == (TaskStatus.CANCELED, 3)
    world.check()
    assert world.records(world.found(OLD)).keys() == set("abc")


def test_a_restarted_task_has_one_place_the_last_one(world: LineWorld) -> None:
    first = ask(world, Asked("upsert", (("a", {"title": "of the first"}),)))
    world.cancel(first)
    ask(world, Asked("upsert", (("a", {"title": "of the second"}),)))
    world.restart(first)
    assert [attempt.place for attempt in world.attempts] == [1, 2, 3]
    world.check()
    (row,) = world.records(world.found(OLD)).values()
    assert row[1]["payload"] == {"title": "of the first"}
    again = world.task_of(first)
    assert (again.attempt, again.processed, again.status) == (1, 1, TaskStatus.DONE)


def test_a_task_that_is_done_does_everything_again_when_restarted(world: LineWorld) -> None:
    first = ask(world, texts("a", "b"))
    world.work()
    world.drain_all()
    ask(world, Asked("delete", (("a", None),)))
    world.work()
    world.restart(first)
    world.check()
    assert world.records(world.found(OLD)).keys() == {"a", "b"}


def test_public_tasks_go_to_what_is_active_when_they_begin_and_end_there(world: LineWorld) -> None:
    world.collection(NEW)
    attempt = ask(world, texts(*"abcdef"))
    later = ask(world, texts("g"))

    def luck(_call: Call) -> Fault | None:
        if world.task_of(attempt).processed == 3:
            set_blue(world.ports, world.tenant_id, Family.ITEMS, NEW.model_id)
        return None

    world.work(ports=world.process(Faults(luck)))
    world.check()
    assert (world.task_of(attempt).model_id, world.task_of(later).model_id) == ("old", "new")
    assert world.records(world.found(OLD)).keys() == set("abcdef")
    assert world.records(world.found(NEW)).keys() == {"g"}


@pytest.mark.parametrize("fault", [Fault.BUSY_BEFORE, Fault.BUSY_AFTER])
def test_storage_that_is_busy_for_longer_than_it_is_asked_loses_and_doubles_nothing(
    world: LineWorld, fault: Fault
) -> None:
    """Whether a batch was written is not known then: its place tells, or is closed."""
    attempt = ask(world, texts("a", "b", "c", "d"))
    calls = 0

    def luck(call: Call) -> Fault | None:
        nonlocal calls
        calls += call.operation == "table.transact"
        return fault if call.operation == "table.transact" and calls <= 7 else None

    world.work(ports=world.process(Faults(luck)))
    assert calls > 7
    world.check()
    assert world.task_of(attempt).processed == 4
    jobs = [item for item in world.table.items() if str(item["sk"]).startswith("JOB#")]
    assert sorted(job["kind"] for job in jobs if job["rows"]) == ["upsert", "upsert"]


def test_a_collection_that_is_deleted_half_way_fails_the_task(world: LineWorld) -> None:
    world.collection(NEW)
    attempt = ask(world, texts(*"abcdef"), model=NEW)
    following = ask(world, texts("a"))

    def luck(_call: Call) -> Fault | None:
        if world.task_of(attempt).processed == 3 and len(world.live()) == 2:
            delete_collection(world.ports, world.tenant_id, Family.ITEMS, NEW.model_id)
        return None

    world.work(ports=world.process(Faults(luck)))
    task = world.task_of(attempt)
    assert (task.status, task.processed) == (TaskStatus.FAILED, 3)
    assert task.detail == "there is no collection of items of new any more"
    world.drain_all()
    assert shown(world, following).status is TaskStatus.DONE
    quota = world.table.get(TenantKeys(world.tenant_id).quota)
    assert quota is not None
    assert quota["used"] == 1, "what was reserved for the deleted one is given back"


def test_what_a_reindex_makes_gets_what_its_source_gets_and_loses_what_it_cannot_hold(
    world: LineWorld,
) -> None:
    world.begin_pair(OLD, THIRD)
    ask(world, texts("a", "b", "c"))
    ask(world, Asked("set", (("d", {"title": "with vectors"}),)))
    attempt = ask(world, Asked("upsert", (("a", {"title": f"new {NOT_IN_THIRD}"}), ("b", {"title": CANNOT}))))
    ask(world, Asked("delete", (("c", None),)))
    world.check()
    assert world.records(world.found(OLD)).keys() == {"a", "b", "d", "d\x1f1"}
    assert world.records(world.found(THIRD)).keys() == {"b", "d"}
    details = [one.detail for one in lookup.failed_objects(world.ports, world.task_of(attempt))]
    assert details == ["not in the collection of third, which a reindex is making: not here", "not here"]


def test_parts_that_a_reindex_brought_go_with_what_replaces_their_object(world: LineWorld) -> None:
    world.begin_pair(OLD, THIRD)
    long = " ".join(f"w{n}" for n in range(40))
    ask(world, Asked("upsert", (("a", {"title": long}), ("b", {"title": long[:60]}), ("c", {"title": long}))))
    ask(world, Asked("upsert", (("c", {"title": "short"}),)), model=THIRD)
    world.work()
    world.end_pair()
    ask(world, Asked("upsert", (("a", {"title": "short"}),)), model=THIRD)
    ask(world, Asked("delete", (("b", None),)), model=THIRD)
    world.check()
    assert world.records(world.found(THIRD)).keys() == {"a", "c"}


def test_the_model_of_what_a_reindex_makes_holds_up_the_line_and_fails_nothing(world: LineWorld) -> None:
    world.begin_pair(OLD, THIRD)
    attempt = ask(world, texts("a"))
    world.models.told.problem = told_to_raise(ModelDenied, THIRD)
    world.work()
    assert world.task_of(attempt).status is TaskStatus.PROCESSING
    assert world.task_of(attempt).detail == "waiting: third: says so"
    world.end_pair()
    world.check()
    assert world.task_of(attempt).status is TaskStatus.DONE


def test_a_worker_gives_the_line_to_who_asks_for_it(world: LineWorld) -> None:
    attempt = ask(world, texts(*"abcdefgh"))
    messages(world)
    leases: list[object] = []

    def luck(_call: Call) -> Fault | None:
        if world.task_of(attempt).processed == 3 and not leases:
            ask_for(world.ports, world.family)
            leases.append(None)
        return None

    world.work(ports=world.process(Faults(luck)))
    assert world.task_of(attempt).processed in {3, 6}
    assert world.state().done == 0
    world.work()
    assert world.task_of(attempt).processed in {3, 6}, "somebody else is to have it"
    lease = acquire(world.ports, world.family, owner="deploy", wanted=True)
    assert lease is not None
    release(world.ports, world.family, lease)
    world.clock.pass_seconds(WANTED_SECONDS + 2)
    assert messages(world), "and the line goes on by itself"
    world.check()


def test_nothing_is_written_by_who_lost_the_lease(world: LineWorld) -> None:
    """Another took it, and has not begun: only the fence tells."""
    attempt = ask(world, texts("a"))
    taken: list[object] = []

    def luck(call: Call) -> Fault | None:
        if call.operation == "table.transact" and not taken:
            world.clock.pass_seconds(LEASE_SECONDS + 1)
            taken.append(acquire(world.ports, world.family, owner="another"))
        return None

    world.work(ports=world.process(Faults(luck)))
    assert taken[0] is not None
    assert world.task_of(attempt).status is TaskStatus.PENDING
    world.drain_all()
    assert world.records(world.found(OLD)) == {}
    world.clock.pass_seconds(LEASE_SECONDS + 1)
    world.check()


def test_a_reindex_that_begins_while_a_batch_is_made_gets_the_batch(world: LineWorld) -> None:
    ask(world, texts("a", "b"))

    def luck(call: Call) -> Fault | None:
        if call.operation == "table.transact" and world.pair is None:
            world.begin_pair(OLD, THIRD)
        return None

    world.work(ports=world.process(Faults(luck)))
    world.check()
    assert world.records(world.found(THIRD)).keys() == {"a", "b"}


def test_a_worker_short_of_time_stops_between_batches_and_keeps_the_order(world: LineWorld) -> None:
    first = ask(world, texts(*"abcdefgh"))
    ask(world, Asked("upsert", (("a", {"title": "the last one"}),)))
    rounds = 0
    while world.task_of(world.attempts[-1]).status is not TaskStatus.DONE:
        done = world.task_of(first).processed
        world.work(budget=2.0, tick=0.15)
        world.clock.pass_seconds(LEASE_SECONDS + 1)
        assert world.task_of(first).processed >= done
        rounds += 1
        assert rounds < 50
    assert rounds > 2
    world.check()
    assert world.records(world.found(OLD))["a"][1]["payload"] == {"title": "the last one"}


def test_a_task_whose_body_is_gone_fails_and_holds_up_no_other(world: LineWorld) -> None:
    gone, damaged, fine = ask(world, texts("a")), ask(world, texts("b")), ask(world, texts("c"))
    keys = [world.task_of(attempt).body_key for attempt in (gone, damaged)]
    assert keys[0] is not None
    assert keys[1] is not None
    world.objects.delete([keys[0]])
    world.objects.put(keys[1], b"{}")
    world.work()
    assert [world.task_of(attempt).status.value for attempt in (gone, damaged, fine)] == [
        "failed",
        "failed",
        "done",
    ]
    world.check()


def test_with_threads_it_comes_to_the_same(world: LineWorld) -> None:
    for number in range(30):
        ask(world, texts(*(f"{letter}{number % 7}" for letter in "abcdef"), title=f"words {number}"))
    ask(world, texts("a0", "a1", title="at last"))
    embedder = world.embedder()
    more = work(
        world.ports,
        embedder,
        world.tenant_id,
        Family.ITEMS,
        owner="t",
        sizes=Sizes(objects=5, shared_objects=2),
    )
    assert not more
    world.check()


def test_a_deployment_without_a_registered_model_says_so(world: LineWorld) -> None:
    attempt = ask(world, texts("a"))
    models = PickyModels()
    models.registry = ModelRegistry([NEW], default=NEW.model_id)
    work(world.ports, Embedder(world.ports, models), world.tenant_id, Family.ITEMS, owner="t", threads=1)
    task = world.task_of(attempt)
    assert task.status is TaskStatus.FAILED
    assert task.detail == "there is no embedding model 'old'; known are new"


def test_places_that_are_dealt_with_expire(world: LineWorld) -> None:
    for name in "abc":
        ask(world, texts(name))
    world.work()
    places = [item for item in world.table.items() if str(item["sk"]).startswith("TASKLOG#")]
    assert len(places) == 3
    assert all("expires_at" in place for place in places)
    task = world.table.get(TenantKeys(world.tenant_id).task(TaskKind.UPSERTION.value, "task-0"))
    assert task is not None
    assert int(task["expires_at"]) > world.clock() + 29 * 86_400
    world.drain_all()
    world.restart(world.attempts[0])
    again = world.table.get(TenantKeys(world.tenant_id).task(TaskKind.UPSERTION.value, "task-0"))
    assert again is not None
    assert "expires_at" not in again
    world.table.update(world.family.counter, [Drop("gsi1pk"), Drop("gsi1sk")])
    world.work()
    assert world.task_of(world.attempts[0]).status is TaskStatus.DONE


def test_a_full_line_takes_no_more(world: LineWorld) -> None:
    world.table.update(world.family.state, [Assign("bytes_done", -256_000_000)])
    with pytest.raises(LimitReached, match="too many tasks wait"):
        world.accept(texts("a"))
