"""Content indexes: a build over many documents, and how long their changes take to be followed. In one process."""

import resource
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import batched, cycle, islice
from typing import Any

from shoal.embedding.models import Models
from shoal.embedding.text_models import TextModel
from shoal.model.content_documents import Document
from shoal.model.content_indexes import check_query
from shoal.model.embedding_models import ModelRegistry
from shoal.services.content.querying import query_index
from shoal.services.heads import keys_of
from shoal.storage.memory import MemoryInference, MemoryOutbound
from tests.benchmarks.collecting import operations
from tests.benchmarks.harness import Say, Table, timed
from tests.unit.services.content.content_world import NAME, ContentWorld
from tests.unit.services.reindex.models import FakeModels, Told

_ROWS = 100_000
_SENT = 2000
_CHANGED = 20_000
_FILTER = '_type == "operation" && service match "s*"'


class _RealModels(FakeModels):
    """The models of a deployment, in the place of fakes."""

    def __init__(self) -> None:
        Models.__init__(self, ModelRegistry(), inference=MemoryInference(), outbound=MemoryOutbound())
        self.told = Told()

    def open(self, model_id: str) -> TextModel:
        """A model."""
        return Models.open(self, model_id)


def run(say: Say, *, rows: int = _ROWS) -> list[Table]:
    """Documents sent, an index of all and one of some of them built, some changed and followed."""
    site = ContentWorld(models=_RealModels())
    documents = _documents(rows, version=1)
    table = Table(
        f"{rows:,} documents in memory, static-256",
        ("what", "documents", "s", "a second"),
        notes=[
            "Documents are descriptions of API operations, of about 700 bytes; each step of a build in turn."
        ],
    )

    def add(what: str, count: int, seconds: float) -> None:
        say(f"{what}: {count} in {seconds:.1f} s")
        table.add(what, f"{count:,}", f"{seconds:.1f}", f"{count / max(seconds, 1e-9):,.0f}")

    add("sent and applied", rows, timed(lambda: _send(site, documents)))
    for name, filter_text in (("all", ""), ("some", _FILTER)):
        steps: dict[str, float] = {}
        created = timed(partial(site.create_index, name, filter_text, "{title, description}"))
        add(f"index of {name} made", site.index(name).start_count, created)
        built = timed(partial(_build, site, name, steps))
        add(f"index of {name} built", site.index(name).start_count, built)
        table.notes.append(f"{name}: " + ", ".join(f"{step} {taken:.1f} s" for step, taken in steps.items()))
    changed = min(rows, _CHANGED)
    _send(site, _documents(changed, version=2))
    add("changes followed by both", changed, timed(lambda: site.follow(budget=1e9)))
    site.drain_all()
    _send(site, _documents(1, version=3))
    for place in range(1, site.head(site.documents).watermark + 1):
        site.table.delete(keys_of(site.documents).job(place))
    add("all compared, as the log is lost, by both", rows, timed(lambda: site.follow(budget=1e9)))
    add("one query", 1, timed(lambda: _ask(site)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    table.notes.append(f"At most {peak:,.0f} MB of memory, all that is stored included.")
    return [table]


def _documents(count: int, *, version: int) -> list[Document]:
    found: list[Document] = []
    for number, one in enumerate(islice(cycle(operations()), count)):
        body = {
            "_id": f"operation-{number}",
            "_type": "operation",
            "_rev": f"{number}-{version}",
            "title": one.name,
            "description": f"{one.description} ({version})",
            "service": one.service,
        }
        found.append(Document(body["_id"], body, version))
    return found


def _send(site: ContentWorld, documents: Sequence[Document]) -> None:
    for some in batched(documents, _SENT):
        site.put(*some)


def _build(site: ContentWorld, name: str, steps: dict[str, float]) -> None:
    def invoke(function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        answers: list[Mapping[str, Any]] = []
        step = str(payload["step"])
        taken = timed(lambda: answers.append(site.step(site.ports, function, payload)))
        steps[step] = steps.get(step, 0.0) + taken
        return answers[0]

    if not site.built(name, invoke=invoke).succeeded:
        raise RuntimeError("the build has failed")


def _ask(site: ContentWorld) -> None:
    query = check_query("delete a bucket and all that is in it")
    found = query_index(
        site.ports, site.searcher, site.embedder(), site.tenant_id, dataset_name=NAME, name="all", query=query
    )
    if len(found) != query.max_results:
        raise RuntimeError("too little was found")
