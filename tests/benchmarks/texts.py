"""Documents/s from the request to the first answer, against what the embedding model alone does."""

import time
from collections.abc import Sequence
from statistics import median

import orjson

from infra.cli.client import ShoalClient
from infra.cli.collections.display import Lines
from infra.cli.collections.objects import batches
from infra.cli.collections.running import upsert_all
from infra.cli.demo.documents import TEMPLATE
from infra.cli.demo.operations import Operation
from infra.cli.demo.questions import QUESTIONS
from shoal.embedding.static_text import static_model
from tests.benchmarks.collecting import TASK_OBJECTS, Collections, operations
from tests.benchmarks.deployment import answer_of
from tests.benchmarks.harness import Say, Table, ms, rate, timed
from tests.benchmarks.stack import local_stack

ROUNDS = 5
MODEL, DIMENSION = "static-256", 256
_SHARE = 0.5
"""Of the bare model's rate: what is wanted end to end."""
_STEPS = ("accept", "embed and log", "index", "first search")


def run(say: Say, *, rows: int | None = None, rounds: int = ROUNDS) -> list[Table]:
    """In this process with short and with whole descriptions, then over the local stack."""
    chosen = operations()[:rows]
    short = [each.embedded_text for each in chosen]
    whole = [each.searched_text for each in chosen]
    tables = [
        _in_process(say, "two sentences each", chosen, short, rounds),
        _in_process(say, "whole descriptions", chosen, whole, rounds),
    ]
    with local_stack(say) as info, ShoalClient(info.api_url, str(info.api_key)) as client:
        tables.append(_over_the_stack(say, client, _documents(chosen, short), rounds))
    return tables


def _documents(chosen: Sequence[Operation], texts: Sequence[str]) -> list[bytes]:
    return [
        orjson.dumps({"object_id": each.id, "payload": {"text": text, **each.metadata}})
        for each, text in zip(chosen, texts, strict=True)
    ]


def _in_process(say: Say, what: str, chosen: Sequence[Operation], texts: Sequence[str], rounds: int) -> Table:
    """All steps one after the other, as functions on Lambda do not have to; in turns with the bare model."""
    documents = _documents(chosen, texts)
    model = static_model()
    bare: list[float] = []
    steps: dict[str, list[float]] = {name: [] for name in _STEPS}

    def alone() -> None:
        model.embed(texts, dimension=DIMENSION)

    def together() -> None:
        site = Collections()
        dataset = site.collection(MODEL)
        events = site.events(documents)
        steps["accept"].append(timed(lambda: site.accept(events)))
        steps["embed and log"].append(timed(site.work))
        steps["index"].append(timed(lambda: site.drain(dataset)))
        app, question = site.search_app(), QUESTIONS[0]
        began = time.perf_counter()
        found = answer_of(app, site.search_event(question.text.lower()))
        steps["first search"].append(time.perf_counter() - began)
        assert len(found["search_results"]) == min(10, len(documents)), found
        assert site.head(dataset).row_count == len(documents)

    alone()  # the model is loaded, and both kinds of work have been done once
    for number in range(rounds):
        say(f"{what}: round {number + 1} of {rounds}")
        turns = [lambda: bare.append(timed(alone)), together]
        for turn in turns if number % 2 else turns[::-1]:
            turn()
    characters = sum(map(len, texts)) / len(texts)
    about = f"{len(texts):,} documents ({what}, {characters:.0f} characters) with {MODEL}"
    table = Table(
        f"{about}, in process, medians of {rounds}",
        ("step", "time", "documents/s", "of the bare model"),
    )
    alone_s = median(bare)
    table.add("the bare model, texts ready", ms(alone_s), rate(len(texts), alone_s), "1.00 ×")
    for name, seconds in steps.items():
        each = median(seconds)
        table.add(name, ms(each), rate(len(texts), each) if name != "first search" else "", "")
    whole = median([sum(times) for times in zip(*steps.values(), strict=True)])
    share = alone_s / whole
    table.add("all of it, one step after the other", ms(whole), rate(len(texts), whole), f"{share:.2f} ×")
    met = "holds" if share >= _SHARE else "does not hold"
    table.notes.append(f"The target, {_SHARE} × the bare model's texts/s, {met}.")
    return table


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
