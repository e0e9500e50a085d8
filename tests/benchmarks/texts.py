"""Documents/s from the request to the first answer, against what the embedding model alone does."""

import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import orjson

from infra.cli.client import ShoalClient
from infra.cli.collections.display import Lines
from infra.cli.collections.objects import batches
from infra.cli.collections.running import upsert_all
from infra.cli.demo.documents import TEMPLATE
from infra.cli.demo.operations import Operation
from infra.cli.demo.questions import QUESTIONS
from shoal.embedding.static_text import static_model
from shoal.model.datasets import Dataset
from tests.benchmarks.collecting import TASK_OBJECTS, Collections, operations
from tests.benchmarks.deployment import answer_of
from tests.benchmarks.harness import Say, Table, ms, rate
from tests.benchmarks.stack import local_stack

ROUNDS = 5
_PAUSE_SECONDS = 0.05
MODEL, DIMENSION = "static-256", 256
_SHARE = 0.5
"""Of the bare model's rate: what is wanted end to end."""
_STEPS = ("accept", "embed and log", "index", "first search")
_TOKENIZER_THREADS = "TOKENIZERS_PARALLELISM"
"""Variable of the environment that its tokenizer looks at with every call."""


@dataclass(frozen=True, slots=True)
class _Cost:
    """Wall-clock seconds, and those of the processor in all threads."""

    seconds: float
    processor: float


def run(say: Say, *, rows: int | None = None, rounds: int = ROUNDS) -> list[Table]:
    """In this process with short and with whole descriptions: first with one core for the model as for all else,
    which is what the function has that embeds, then with all for its tokenizer. Then over the local stack.
    """
    chosen = operations()[:rows]
    short = [each.embedded_text for each in chosen]
    whole = [each.searched_text for each in chosen]
    tables = [
        _in_process(say, what, chosen, texts, rounds, one_core=one_core)
        for one_core in (True, False)
        for what, texts in (("two sentences each", short), ("whole descriptions", whole))
    ]
    with local_stack(say) as info, ShoalClient(info.api_url, str(info.api_key)) as client:
        tables.append(_over_the_stack(say, client, _documents(chosen, short), rounds))
    return tables


def _documents(chosen: Sequence[Operation], texts: Sequence[str]) -> list[bytes]:
    return [
        orjson.dumps({"object_id": each.id, "payload": {"text": text, **each.metadata}})
        for each, text in zip(chosen, texts, strict=True)
    ]


@contextmanager
def _measured(*, one_core: bool) -> Iterator[None]:
    """A model with one core, or with all; and a process whose own data the garbage collector leaves alone, as no
    function has it.
    """
    before = os.environ.get(_TOKENIZER_THREADS)
    os.environ[_TOKENIZER_THREADS] = "false" if one_core else "true"
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        del os.environ[_TOKENIZER_THREADS]
        if before is not None:
            os.environ[_TOKENIZER_THREADS] = before


def _in_process(
    say: Say, what: str, chosen: Sequence[Operation], texts: Sequence[str], rounds: int, *, one_core: bool
) -> Table:
    """All steps, one after the other, and side by side as functions are; in turns with the bare model."""
    documents = _documents(chosen, texts)
    model = static_model()
    bare: list[_Cost] = []
    beside: list[_Cost] = []
    steps: dict[str, list[_Cost]] = {name: [] for name in _STEPS}

    def alone() -> None:
        model.embed(texts, dimension=DIMENSION)

    def together() -> None:
        site = Collections()
        dataset = site.collection(MODEL)
        events = site.events(documents)
        app, question = site.search_app(), QUESTIONS[0]
        search = site.search_event(question.text.lower())
        answers: list[dict[str, Any]] = []
        calls: tuple[Callable[[], object], ...] = (
            lambda: site.accept(events),
            site.work,
            lambda: site.drain(dataset),
            lambda: answers.append(answer_of(app, search)),
        )
        for name, call in zip(_STEPS, calls, strict=True):
            steps[name].append(_cost(call))
        assert len(answers[0]["search_results"]) == min(10, len(documents)), answers
        assert site.head(dataset).row_count >= len(documents)  # long ones have several parts

    def at_once() -> None:
        site = Collections()
        dataset = site.collection(MODEL)
        events = site.events(documents)
        beside.append(_cost(lambda: _side_by_side(site, dataset, events)))
        assert site.head(dataset).row_count >= len(documents)

    alone()  # the model is loaded
    turns = [lambda: bare.append(_cost(alone)), together]
    if not one_core:
        turns.append(at_once)
    with _measured(one_core=one_core):
        for number in range(rounds):
            say(f"{what}: round {number + 1} of {rounds}")
            first = number % len(turns)
            for turn in turns[first:] + turns[:first]:
                turn()
    characters = sum(map(len, texts)) / len(texts)
    about = f"{len(texts):,} documents ({what}, {characters:.0f} characters) with {MODEL}"
    cores = "one core" if one_core else "all cores for the tokenizer"
    table = Table(
        f"{about}, in process, {cores}, medians of {rounds}",
        ("step", "time", "documents/s", "of the bare model", "processor time"),
    )
    model_alone = _median(bare)
    table.add(
        "the bare model, texts ready",
        ms(model_alone.seconds),
        rate(len(texts), model_alone.seconds),
        "1.00 ×",
        ms(model_alone.processor),
    )
    for name, costs in steps.items():
        each = _median(costs)
        per_second = rate(len(texts), each.seconds) if name != _STEPS[-1] else ""
        table.add(name, ms(each.seconds), per_second, "", ms(each.processor))
    sums = [
        _Cost(sum(each.seconds for each in some), sum(each.processor for each in some))
        for some in zip(*steps.values(), strict=True)
    ]
    shares = []
    wholes = [("all of it, one step after the other", _median(sums))]
    if beside:
        wholes.append(("all of it, each function in a thread of its own", _median(beside)))
    for name, whole in wholes:
        share = model_alone.seconds / whole.seconds
        shares.append(share)
        per_second = rate(len(texts), whole.seconds)
        table.add(name, ms(whole.seconds), per_second, f"{share:.2f} ×", ms(whole.processor))
    met = "holds" if max(shares) >= _SHARE else "does not hold"
    table.notes.append(
        f"The target, {_SHARE} × the bare model's texts/s, {met}; "
        f"in processor time all of it is {model_alone.processor / _median(sums).processor:.2f} × the bare model."
    )
    return table


def _side_by_side(site: Collections, dataset: Dataset, events: Sequence[dict[str, Any]]) -> None:
    """Requests come one by one; meanwhile the worker does what is in the line, and the indexer the log."""
    with ThreadPoolExecutor(2) as pool:
        accepting = pool.submit(site.accept, events)

        def work() -> None:
            over = False
            while not over:
                over = accepting.done()  # looked at before: nothing comes after it
                site.work()

        working = pool.submit(work)
        while not working.done():
            site.drain(dataset)
            time.sleep(_PAUSE_SECONDS)
        accepting.result()
        working.result()
    site.drain(dataset)
    answer_of(site.search_app(), site.search_event(QUESTIONS[0].text.lower()))


def _cost(call: Callable[[], object]) -> _Cost:
    began, before = time.perf_counter(), time.process_time()
    call()
    return _Cost(time.perf_counter() - began, time.process_time() - before)


def _median(costs: Sequence[_Cost]) -> _Cost:
    return _Cost(median(each.seconds for each in costs), median(each.processor for each in costs))


def _over_the_stack(say: Say, client: ShoalClient, documents: Sequence[bytes], rounds: int) -> Table:
    """One client, a thousand documents a task, until the last one can be found."""
    table = Table(
        f"{len(documents):,} documents over HTTP into the local stack, one client, {TASK_OBJECTS:,} a task",
        ("round", "time to the last one found", "documents/s"),
    )
    client.collections.create(MODEL, template=TEMPLATE)
    client.collections.set_blue(MODEL)
    for number in range(rounds):
        say(f"local stack: round {number + 1} of {rounds}")
        done = upsert_all(client, batches(documents, most=TASK_OBJECTS), Lines(say=say), wait=True)
        assert all(task.status == "done" for task in done.tasks), done.tasks
        assert client.collections.count() == len(documents)
        what = "first, into an empty collection" if not number else "again, each document replaced"
        table.add(what, f"{done.seconds:.1f} s", rate(len(documents), done.seconds))
    return table
