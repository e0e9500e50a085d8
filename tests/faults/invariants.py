"""What must be true after every step, and what must come to be true when nothing goes wrong any more."""

from typing import Any

import numpy as np

from shoal.errors import NotFound
from shoal.model.datasets import NATIVE_SCOPE
from shoal.model.jobs import JobKind
from shoal.model.queries import Match, QueryRequest
from shoal.model.selection import EVERYTHING
from shoal.services import datasets
from shoal.services.fetch import fetch
from shoal.services.heads import keys_of
from shoal.services.job_items import outcome_of
from shoal.services.listing import ListRequest, count_records, list_records
from shoal.services.matching import matching_rows
from shoal.services.parts import PartReader
from shoal.services.places import parse_job
from shoal.services.search import Searcher
from shoal.services.snapshot import Snapshot, manifest_part
from shoal.services.winners import Shelf, spots_of
from shoal.storage.keys import IMPORTS, PENDING, SNAPSHOT_PREFIX
from tests.faults.answers import FILTERS, NAMESPACES, check_answer, check_rows, chosen, selected
from tests.faults.oracle import Broken, State
from tests.faults.run import Known, Run

_VECTOR = np.array([1.0, -2.0, 3.0], dtype=np.float32)


def check(run: Run) -> None:
    """All of them.

    Raises:
        Broken: one does not hold.
    """
    if run.unexpected:
        raise Broken(f"an error that no bad luck explains: {run.unexpected[0]!r}") from run.unexpected[0]
    if run.stores.table.wrong:
        raise Broken("; ".join(run.stores.table.wrong))
    for known in run.known:
        if not known.ledger.deleted:
            check_dataset(run, known)


def check_dataset(run: Run, known: Known) -> None:
    """The log keeps what was acknowledged, and the version at hand is exactly what its log comes to."""
    head = run.head(known)
    if head["state"] != "live":
        known.ledger.deleted = True
        return
    jobs = run.stores.jobs(known.dataset)
    known.ledger.read(jobs)
    state = known.ledger.at(int(head["watermark"]))
    if int(head["row_count"]) != len(state.rows):
        raise Broken(f"{known.dataset.name}: row_count {head['row_count']}, and {len(state.rows)} rows")
    check_outcomes(known, jobs, int(head["watermark"]))
    version = int(head["version"])
    if version != known.checked:
        known.checked = version
        # Every other version as a container reads it that has just started, from storage alone.
        searcher = run.stores.searcher if version % 2 else run.stores.new_searcher()
        check_reads(searcher, run, known, state, thorough=version % 4 == 0)


def check_outcomes(known: Known, jobs: list[dict[str, Any]], watermark: int) -> None:
    """What each applied write says that it did is what it did."""
    for job in map(parse_job, jobs):
        expected = known.ledger.outcomes.get(job.sequence)
        if expected is None or job.sequence > watermark or job.kind is JobKind.RESTORE:
            continue
        told = outcome_of(job)
        if (told.to_json() if told else {}) != expected:
            raise Broken(f"place {job.sequence} says that it did {told}, and did {expected}")


def check_reads(searcher: Searcher, run: Run, known: Known, state: State, *, thorough: bool) -> None:
    """Every way to read a version tells the same, bit for bit."""
    name, metric = known.dataset.name, known.dataset.metric
    every = sorted(state.written.keys() | {"nobody"})
    fetched = fetch(
        searcher, run.stores.tenant_id, scope=NATIVE_SCOPE, name=name, ids=every, include_values=True
    )
    check_rows("fetch", fetched.records, state.rows, documents=False)
    if set(fetched.missing_ids) != set(every) - state.rows.keys() or fetched.unprocessed_ids:
        raise Broken(f"fetch: missing {fetched.missing_ids}, left {fetched.unprocessed_ids}")
    numbers = range(len(FILTERS) * len(NAMESPACES)) if thorough else (0, known.checked % 18)
    for number in numbers:
        selection, wanted = selected(number)
        rows = chosen(state, wanted)
        for top_k in (3, 100):
            request = QueryRequest(
                _VECTOR, top_k, filter=selection.filter, namespace=selection.namespace, nprobe=1024
            )
            answer = searcher.query(run.stores.tenant_id, scope=NATIVE_SCOPE, name=name, request=request)
            check_answer(f"query {number}, top {top_k}", metric, request, answer, rows)
        counted, _ = count_records(
            searcher, run.stores.tenant_id, scope=NATIVE_SCOPE, name=name, selection=selection
        )
        if counted != len(rows):
            raise Broken(f"count {number}: {counted}, and {len(rows)} rows match")
        asked = ListRequest(selection, b"asked", 4, include_values=True, include_document=True)
        check_rows(f"list {number}", listed(searcher, run, name, asked), rows)


def listed(searcher: Searcher, run: Run, name: str, asked: ListRequest) -> list[Match]:
    """All pages of a list."""
    found: list[Match] = []
    while True:
        page = list_records(
            run.stores.ports, searcher, run.stores.tenant_id, scope=NATIVE_SCOPE, name=name, request=asked
        )
        found += page.records
        if page.cursor is None:
            return found
        asked = ListRequest(
            asked.selection, asked.asked, asked.limit, page.cursor, include_values=True, include_document=True
        )


def check_settled(run: Run) -> None:
    """What is true once nobody is at work and nobody died lately: nothing waits, nothing is owed.

    Raises:
        Broken: one of them does not hold.
    """
    total = 0
    for known in run.known:
        if known.ledger.deleted:
            try:
                found = datasets.resolve(
                    run.stores.ports, run.stores.tenant_id, scope=NATIVE_SCOPE, name=known.dataset.name
                )
            except NotFound:
                continue
            if found.dataset_id == known.dataset.dataset_id:
                raise Broken(f"{known.dataset.name} was deleted, and is there")
            continue
        head = run.head(known)
        newest = known.ledger.newest()
        if known.ledger.at(int(head["watermark"])).rows != newest.rows:
            raise Broken(f"{known.dataset.name}: at rest at place {head['watermark']}, behind its log")
        total += len(newest.rows)
        check_named(run, known)
        if head.get("open_imports"):
            raise Broken(f"{known.dataset.name}: {head['open_imports']} imports are open for ever")
    (quota,) = [item for item in run.stores.table.items() if item["sk"] == "QUOTA"] or [{"used": 0}]
    if int(quota["used"]) != total:
        raise Broken(f"the quota says {quota['used']} rows, and there are {total}")
    if left := waiting(run):
        raise Broken(f"the sweep never gets done with {left}")


def check_named(run: Run, known: Known) -> None:
    """Every version that has a name is there whole, from storage alone."""
    for item in run.stores.table.query(keys_of(known.dataset).partition, prefix=SNAPSHOT_PREFIX).items:
        key, sha256 = str(item["manifest"]), str(item["manifest_sha256"])
        reader = PartReader(run.stores.ports.objects, cache_bytes=1 << 20)
        snapshot = Snapshot(known.dataset, reader.load(manifest_part(key, sha256)), reader, key, sha256)
        places = [
            (source, row) for source, some in matching_rows(snapshot, EVERYTHING) for row in some.tolist()
        ]
        spots = spots_of(snapshot, places)
        shelf = Shelf(reader)
        shelf.load(spots, include_values=True)
        records = zip(spots, shelf.records(spots), strict=True)
        found = [
            Match(one.id, 0.0, one.metadata, shelf.values(spot), one.namespace, one.document)
            for spot, one in records
        ]
        check_rows(f"version {item['sk']}", found, known.ledger.at(int(item["watermark"])).rows)


def waiting(run: Run) -> list[str]:
    """What the sweep still has on its lists."""
    items = run.stores.table.items()
    return [f"{item['pk']} {item['sk']}" for item in items if item.get("gsi1pk") in (PENDING, IMPORTS)]
