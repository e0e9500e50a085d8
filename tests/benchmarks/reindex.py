"""A reindex of real documents to another model: how long it takes, and what searches notice of it."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from infra.cli.client import ShoalClient
from infra.cli.collections.display import Lines
from infra.cli.collections.objects import batches
from infra.cli.collections.results import Found, TaskKind
from infra.cli.collections.running import upsert_all
from infra.cli.demo.asking import Asking
from infra.cli.demo.documents import NEW, OLD, TEMPLATE, document
from infra.cli.demo.questions import QUESTIONS
from infra.cli.imports.following import follow
from infra.cli.transport import Patience
from shoal.services.imports.steps import run_step
from shoal.services.reindex.deploying import deploy_step
from shoal.services.reindex.embed import embed_with
from shoal.services.reindex.failing import handle_failure
from shoal.services.reindex.plan import plan_with
from shoal.storage.memory import MemoryQueue
from tests.benchmarks.collecting import Collections, operations
from tests.benchmarks.deployment import answer_of
from tests.benchmarks.harness import Say, Table, Times, ms, rate, timed
from tests.benchmarks.stack import local_stack
from tests.workflow.machine import run_workflow
from tests.workflow.steps import reindex_definition, steps_of

_ASKED = 300
_PATIENCE_SECONDS = 120.0
_HEAD = ("queries", "how many", "p50", "p99", "slowest")


def run(say: Say, *, rows: int | None = None) -> list[Table]:
    """In this process, then over the local stack."""
    documents = [document(each) for each in operations()[:rows]]
    tables = _in_process(say, documents)
    with local_stack(say) as info:
        url, key = info.api_url, str(info.api_key)
        with (
            ShoalClient(url, key) as client,
            ShoalClient(url, key, patience=Patience(attempts=1)) as impatient,
        ):
            tables += _over_the_stack(say, client, impatient, documents)
    return tables


# --- in process ------------------------------------------------------------------------------------------------


def _in_process(say: Say, documents: Sequence[bytes]) -> list[Table]:
    site = Collections()
    source = site.collection(OLD)
    say("filling")
    site.accept(site.events(documents))
    site.work()
    site.drain(source)
    site.build(source)
    steps = _Steps(site)
    asking = Table(f"Searches by text beside it, in process: {len(documents):,} documents", _HEAD)
    with _Indexer(site):
        say("asking before")
        _row(asking, "before", _ask(site, None))
        say("reindexing, and asking meanwhile")
        task = site.reindex(OLD, NEW)
        thread = threading.Thread(target=steps.run)
        began = time.perf_counter()
        thread.start()
        during = _ask(site, thread.is_alive)
        thread.join()
        took = time.perf_counter() - began
        _row(asking, "during", during)
        say("asking after")
        _row(asking, "after", _ask(site, None))
    done = site.task(task)
    assert done["status"] == "done", done
    assert done["count"] == len(documents), done
    alone = _alone(say, documents)
    table = Table(
        f"Reindex of {len(documents):,} documents, {OLD} to {NEW}, in process",
        ("step", "time", "documents/s"),
    )
    for name, seconds in steps.seconds.items():
        table.add(name, ms(seconds), "")
    table.add("all of it, while searches go on", ms(took), rate(len(documents), took))
    table.add("all of it, with nothing beside it", ms(alone), rate(len(documents), alone))
    asking.notes.append(
        "All in one process: searches and the reindex take processor time and Python's lock from each other, "
        "which functions on Lambda do not."
    )
    return [table, asking]


def _alone(say: Say, documents: Sequence[bytes]) -> float:
    """The same without anybody who asks; seconds."""
    say("reindexing once more, alone")
    site = Collections()
    source = site.collection(OLD)
    site.accept(site.events(documents))
    site.work()
    site.drain(source)
    with _Indexer(site):
        site.reindex(OLD, NEW)
        return timed(_Steps(site).run)


class _Steps:
    """The reindex's workflow as deployed, and how long its steps take together."""

    def __init__(self, site: Collections) -> None:
        self._site = site
        self.seconds: dict[str, float] = defaultdict(float)

    def run(self) -> None:
        """Run the one that was started."""
        (given,) = self._site.reindexes.started.values()
        execution = run_workflow(
            reindex_definition(), self._site.ports, self._call, given, wait=lambda _: time.sleep(0.05)
        )
        assert execution.succeeded, (execution.error, execution.cause, execution.visits[-3:])

    def _call(self, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        began = time.perf_counter()
        try:
            return self._do(function, payload)
        finally:
            self.seconds[str(payload["step"])] += time.perf_counter() - began

    def _do(self, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the handlers do."""
        ports, name, import_id = self._site.ports, payload["step"], str(payload["import_id"])
        patience: dict[str, Any] = {"seconds": _PATIENCE_SECONDS, "pause": _pause}
        if name == "fail":
            return handle_failure(ports, payload, **patience)
        if name == "deploy":
            return deploy_step(ports, import_id, **patience)
        if function != "reindex":
            return run_step(ports, payload, steps_of(function))
        embedder = self._site.embedder
        mine = {"plan": plan_with(embedder.registry, **patience), "embed": embed_with(embedder)}
        return run_step(ports, payload, mine)


def _pause(seconds: float) -> None:
    time.sleep(min(seconds, 0.05))


class _Indexer:
    """The indexer's function, called with each wake-up."""

    def __init__(self, site: Collections) -> None:
        self._site = site
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        wakeups = self._site.ports.wakeups
        assert isinstance(wakeups, MemoryQueue)
        while not self._over.wait(0.005):
            if wakeups.receive():
                for dataset in self._site.datasets():
                    self._site.drain(dataset)


def _ask(site: Collections, while_true: Callable[[], bool] | None) -> Times:
    """Ask so many times, or again and again while something is true."""
    app = site.search_app()
    events = [site.search_event(question.text.lower()) for question in QUESTIONS]
    for event in events:
        answer_of(app, event)
    measured: list[float] = []
    while len(measured) < (1 if while_true else _ASKED) or (while_true is not None and while_true()):
        began = time.perf_counter()
        found = answer_of(app, events[len(measured) % len(events)])
        measured.append(time.perf_counter() - began)
        assert len(found["search_results"]) == 10, found
    return Times(tuple(measured))


# --- over the stack --------------------------------------------------------------------------------------------


def _over_the_stack(
    say: Say, client: ShoalClient, impatient: ShoalClient, documents: Sequence[bytes]
) -> list[Table]:
    """Functions in processes of their own; each search is tried once."""
    client.collections.create(OLD, template=TEMPLATE)
    client.collections.set_blue(OLD)
    say("filling the local stack")
    upsert_all(client, batches(documents), Lines(say=say), wait=True)

    def search(question: str, limit: int) -> Found:
        return impatient.collections.search(question, limit=limit)

    table = Table(f"The same over the local stack: {len(documents):,} documents", _HEAD)
    with Asking(search, [question.text.lower() for question in QUESTIONS]) as asking:
        asking.wait_for(20)
        asked = {"before": asking.wait_for(_ASKED)}
        say("reindexing over the local stack")
        place, began = asking.count, time.perf_counter()
        started = client.tasks.reindex(OLD, NEW, deploy_as_blue=True)
        *_, task = follow(lambda: client.tasks.get(TaskKind.REINDEX, started.task_id))
        took, asked["during"] = time.perf_counter() - began, asking.since(place)
        asked["after"] = asking.wait_for(_ASKED)
    assert (task.status, task.count) == ("done", len(documents)), task
    for when, some in asked.items():
        _row(table, when, Times(tuple(each.seconds for each in some)))
    failed = [each.error for some in asked.values() for each in some if each.error]
    table.notes.append(
        f"The reindex took {took:.1f} s ({len(documents) / took:,.0f} documents/s), from the request to the new "
        f"model's answering. {len(failed)} of {sum(map(len, asked.values())):,} searches failed."
    )
    return [table]


def _row(table: Table, when: str, times: Times) -> None:
    slowest = max(times.seconds)
    table.add(when, f"{len(times.seconds):,}", ms(times.median), ms(times.percentile(99)), ms(slowest))
