"""The second act: documents in, and their embedding model changed while they are searched and written."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.cli.client import ShoalClient
from infra.cli.collections.display import moment_of
from infra.cli.collections.results import Found, TaskInfo, TaskKind
from infra.cli.collections.running import await_end
from infra.cli.demo.asking import Asked, Asking, Model, Search, Switch, percentile
from infra.cli.demo.documents import NEW, OLD, Told, fill
from infra.cli.demo.operations import Operation
from infra.cli.demo.questions import QUESTIONS
from infra.cli.demo.sentence import QUESTION, SENTENCE
from infra.cli.demo.steps import Steps
from infra.cli.imports.following import follow

_ASKED_BEFORE, _ASKED_AFTER = 100, 100
_TASK_SECONDS = 120.0
_WRITTEN, _DELETED = "demo/written meanwhile", "demo/deleted meanwhile"


def act(
    client: ShoalClient,
    impatient: ShoalClient,
    operations: Sequence[Operation],
    digest: str,
    *,
    state: Path,
    steps: Steps,
) -> None:
    """All of it; `impatient` is a client that tries nothing again, so that no failure is hidden."""
    steps.plain(
        f"\nSecond act: the same operations as documents, and from {OLD} to {NEW} while they are searched"
    )
    steps.begin("looking for what an earlier run has left")
    fill(client, operations, digest, state=state, steps=steps)
    questions = [question.text.lower() for question in QUESTIONS]

    def search(question: str, limit: int) -> Found:
        return impatient.collections.search(question, limit=limit)

    doomed = _upsert(client, _DELETED, "this is deleted while the model changes")
    await_end(client, doomed, timeout_seconds=_TASK_SECONDS)
    _check_answers(search, OLD, steps)
    old = Model.of(search, questions)
    with Asking(search, questions) as asking:
        steps.begin(f"asking {_ASKED_BEFORE} times before anything changes")
        before = asking.wait_for(_ASKED_BEFORE)
        first, began = asking.count, time.monotonic()
        done = _reindex(client, steps)
        during, took = asking.since(first), time.monotonic() - began
        steps.begin(f"asking {_ASKED_AFTER} times more")
        after = asking.wait_for(_ASKED_AFTER)
    new = Model.of(search, questions)
    _check_reindex(client, done, took, steps)
    _check_asked({"before": before, "during": during, "after": after}, steps)
    _check_switch(Switch.of((*before, *during, *after), old, new), began, steps)
    _check_answers(search, NEW, steps)
    _check_written(client, search, len(operations), steps)


def _reindex(client: ShoalClient, steps: Steps) -> TaskInfo:
    """Change the model; meanwhile one document is written and one deleted."""
    steps.begin(f"reindex {OLD} → {NEW}, to be blue when it is ready")
    task = client.tasks.reindex(OLD, NEW, deploy_as_blue=True, wait_on_conflict=True, replace=True)
    shown, last = Told(steps), task
    meanwhile: list[TaskInfo] = []
    for state in follow(lambda: client.tasks.get(TaskKind.REINDEX, task.task_id)):
        last = state
        shown.state(moment_of(state))
        if not meanwhile and (state.status == "processing" or state.over):
            steps.say("meanwhile one document is written, and one is deleted")
            meanwhile = [_upsert(client, _WRITTEN, SENTENCE), client.tasks.delete([_DELETED])]
    for each in meanwhile:
        await_end(client, each, timeout_seconds=_TASK_SECONDS)
    return last


def _check_reindex(client: ShoalClient, done: TaskInfo, took: float, steps: Steps) -> None:
    steps.check(
        "the reindex is done",
        done.status == "done" and not done.failed,
        f"{done.count:,} documents in {took:.1f} s: {done.count / took:,.0f} documents/s"
        if done.status == "done"
        else f"{done.status}: {done.detail}",
    )
    blue = client.collections.blue()
    steps.check(
        f"{NEW} is blue", blue is not None and blue.embedding_model_id == NEW, "searches go there now"
    )
    kept = [each.embedding_model_id for each in client.collections.list() if not each.blue]
    steps.check(
        f"the collection of {OLD} is kept, to go back to", OLD in kept, ", ".join(kept) or "it is not there"
    )


def _check_asked(asked: Mapping[str, Sequence[Asked]], steps: Steps) -> None:
    """The times, and that no question was left without its ten answers."""
    for when, some in asked.items():
        if some:
            p50, p99 = percentile(some, 50), percentile(some, 99)
            steps.say(f"  {when:<6} {len(some):>5,} queries, p50 {p50:6.1f} ms, p99 {p99:6.1f} ms")
    everything = [each for some in asked.values() for each in some]
    failed = [each.error for each in everything if each.error is not None]
    steps.check(
        "no query failed, before, during and after",
        not failed and all(asked.values()),
        f"{len(everything):,} queries"
        if not failed
        else f"{len(failed)} of {len(everything):,}: {failed[0]}",
    )
    short = sum(each.found is not None and len(each.found.hits) != 10 for each in everything)
    steps.check("none was answered in part", not short, f"{short} with fewer than ten objects")


def _check_switch(switch: Switch, began: float, steps: Steps) -> None:
    """Each answer is of one model, and the new one's come after the old one's."""
    at = f", from {switch.at - began:.1f} s on" if switch.at is not None else ""
    steps.check(
        "each answer was of one model, and the switch came at one moment",
        bool(switch.old and switch.new) and not switch.neither and not switch.back,
        f"{switch.old:,} of {OLD}, then {switch.new:,} of {NEW}{at}; {switch.neither} of neither, "
        f"{switch.back} of the old one after the new one",
    )


def _check_answers(search: Search, model: str, steps: Steps) -> None:
    """The five questions, as in the first act."""
    places = []
    for question in QUESTIONS:
        found = [hit.object_id for hit in search(question.text.lower(), 10).hits]
        place = found.index(question.expected) + 1 if question.expected in found else None
        places.append(place is not None and place <= question.within)
        where = f"number {place}" if place else "not among ten"
        steps.say(
            f'  "{question.text}" → {found[0] if found else "nothing"} ({question.expected} is {where})'
        )
    steps.check(f"{model} answers the five questions", all(places), f"{sum(places)} of {len(places)}")


def _check_written(client: ShoalClient, search: Search, rows: int, steps: Steps) -> None:
    """What was written to the old collection during the reindex is in the new one, and what was deleted is not."""
    found = [hit.object_id for hit in search(QUESTION, 10).hits]
    steps.check(
        f'what was written meanwhile is found by "{QUESTION}"', found[:1] == [_WRITTEN], ", ".join(found[:1])
    )
    count = client.collections.count()
    steps.check(
        "what was deleted meanwhile is gone, and the count is exact",
        count == rows + 1,
        f"{count:,} documents",
    )
    for model in (OLD, NEW):
        ended = await_end(
            client, client.tasks.delete([_WRITTEN, _DELETED], model_id=model), timeout_seconds=_TASK_SECONDS
        )
        if ended.status != "done":
            steps.check(f"deleted from {model} again", False, f"{ended.status}: {ended.detail}")


def _upsert(client: ShoalClient, object_id: str, text: str) -> TaskInfo:
    """Send one document."""
    import orjson

    return client.tasks.upsert([orjson.dumps({"object_id": object_id, "payload": {"text": text}})])
