"""The operations as documents: their texts go to the API, which makes the vectors itself."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.cli.client import ShoalClient
from infra.cli.collections.display import Moment
from infra.cli.collections.objects import batches
from infra.cli.collections.results import CollectionInfo, TaskKind
from infra.cli.collections.running import Written, await_end, upsert_all
from infra.cli.demo.operations import Operation
from infra.cli.demo.steps import Steps
from infra.cli.failures import ApiError

OLD, NEW = "static-256", "static-128"
TEMPLATE = "{text}"
"""What of a document is embedded; the rest of its payload is for filters and for who reads the answer."""
_FILE = "demo-documents.json"
_LINE_SECONDS = 1.0
_CANCEL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Filled:
    """Which content was written into which collection."""

    digest: str
    collection_id: str


class Told:
    """Progress of tasks as lines of the demo: a line a stage, and one a second."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._stage = ""
        self._last = 0.0

    def state(self, now: Moment) -> None:
        """Say where it is."""
        moment = time.monotonic()
        if now.over or (now.stage == self._stage and moment - self._last < _LINE_SECONDS):
            return
        self._stage, self._last = now.stage, moment
        total = f" of {now.total:,}" if now.total else ""
        counted = f": {now.count:,}{total} documents" if now.count or total else ""
        pieces = {0: "", 1: ", in 1 piece"}.get(now.children, f", in {now.children} pieces")
        self._steps.begin(f"{now.stage}{counted}{pieces}")


def document(operation: Operation) -> bytes:
    """An operation as an object of the API, in JSON."""
    import orjson

    payload = {"text": operation.embedded_text, **operation.metadata}
    return orjson.dumps(
        {"object_id": operation.id, "payload": payload, "item_info": {"source_name": "botocore"}}
    )


def fill(
    client: ShoalClient, operations: Sequence[Operation], digest: str, *, state: Path, steps: Steps
) -> Written | None:
    """The blue collection, of the old model, with exactly these documents; None where it was so already."""
    _end_reindexes(client)
    there = _old_one(client)
    if there is not None and _read(state) == _Filled(digest, there.collection_id):
        client.collections.set_blue(OLD)
        if client.collections.count() == len(operations):
            steps.say(f"{len(operations):,} documents are in the collection of {OLD} from an earlier run")
            return None
    made = _made_anew(client, there)
    steps.begin(f"sending {len(operations):,} documents, 1,000 a task; their vectors are made by {OLD} there")
    done = upsert_all(client, batches(map(document, operations)), Told(steps), wait=True)
    steps.say(
        f"{done.objects:,} documents in {len(done.tasks)} tasks, all to be found after {done.seconds:.1f} s: "
        f"{done.objects / done.seconds:,.0f} documents/s from text to answer"
    )
    bad = [f"{task.task_id} is {task.status}: {task.detail}" for task in done.tasks if task.status != "done"]
    steps.check(
        "every task is done, and no document failed", not bad and not done.failed, "; ".join(bad) or "none"
    )
    count = client.collections.count()
    steps.check("the count of documents is exact", count == len(operations), f"{count:,}")
    _write(state, _Filled(digest, made.collection_id))
    return done


def _old_one(client: ShoalClient) -> CollectionInfo | None:
    return next((each for each in client.collections.list() if each.embedding_model_id == OLD), None)


def _made_anew(client: ShoalClient, there: CollectionInfo | None) -> CollectionInfo:
    """An empty collection of the old model, blue. What is blue cannot be deleted: another is for a moment."""
    if there is not None:
        if not any(each.embedding_model_id == NEW for each in client.collections.list()):
            client.collections.create(NEW, template=TEMPLATE)
        client.collections.set_blue(NEW)
        client.collections.delete(OLD)
    made = client.collections.create(OLD, template=TEMPLATE)
    client.collections.set_blue(OLD)
    return made


def _end_reindexes(client: ShoalClient) -> None:
    """End what a run that was interrupted has left."""
    for task in client.tasks.newest(TaskKind.REINDEX):
        if not task.over:
            try:
                ended = client.tasks.cancel(TaskKind.REINDEX, task.task_id)
            except ApiError as error:
                if error.status != 409:  # it ended by itself at this moment
                    raise
                continue
            await_end(client, ended, timeout_seconds=_CANCEL_SECONDS)


def _read(state: Path) -> _Filled | None:
    try:
        return _Filled(**json.loads((state / _FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write(state: Path, filled: _Filled) -> None:
    state.mkdir(parents=True, exist_ok=True)
    draft = state / f"{_FILE}.new"
    draft.write_text(json.dumps(asdict(filled)) + "\n", encoding="utf-8")
    draft.replace(state / _FILE)
