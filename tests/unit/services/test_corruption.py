"""Invariant 9: damage to any stored object is seen, is named, and is never answered as if it were data.

The kinds of objects are those that a world really stores: a new one that nobody tried to damage fails here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

import numpy as np
import pytest

from shoal.errors import CorruptObject, ObjectMissing
from shoal.model.datasets import NATIVE_SCOPE
from shoal.model.queries import QueryRequest
from shoal.services.fetch import fetch
from shoal.services.janitor.run import run_janitor
from shoal.services.listing import ListRequest, count_records
from shoal.services.recover import recover
from shoal.services.search import Searcher
from shoal.storage.memory import MemoryTable
from shoal.storage.ports import Ports
from tests.faults.answers import FILTERS, NAMESPACES, check_answer, check_rows, chosen, selected
from tests.faults.damage import DAMAGES, Damage, damage, gone, kind_of
from tests.faults.functions import Build, Commit, Compact
from tests.faults.imports import DeliverEvents, StartImport
from tests.faults.invariants import listed
from tests.faults.luck import GOOD
from tests.faults.oracle import Row, State
from tests.faults.perform import perform
from tests.faults.run import Doing, Known, Run
from tests.faults.steps import Alone, Operation
from tests.faults.workflows import advance, workflows_at_work
from tests.faults.writes import Delete, Upsert

READ: Final = {
    "t/ten/manifests/#/#-*.json",
    "t/ten/parts/#/cells-*",
    "t/ten/parts/#/dead-*",
    "t/ten/parts/#/run-*",
    "t/ten/shards/*/index.hnsw",
    "t/ten/shards/*/properties",
    "t/ten/shards/*/properties.front",
    "t/ten/shards/*/records.cells",
    "t/ten/shards/*/records.sqlite",
    "t/ten/shards/*/vectors.f32",
}
"""What readers read."""
LOG: Final = "t/ten/log/#/*"
DESCRIPTORS: Final = {"t/ten/datasets/#.json", "t/ten/tenant.json"}
UPLOAD: Final = "staging/t/ten/#/imp/upload"
_WORK: Final = {
    *("assign-N-blocks-*", "assign-N-table-*", "assign-N.json", "assign-items-*", "build-N-cells-*"),
    *("build-N-run-*", "build-N.json", "build-items-*", "cell-model-*", "grouped.json", "plan-N-*"),
    *("product.json", "trained.json"),
}
IMPORT_WORK: Final = _WORK | {
    *("chunk-N-columns-*", "chunk-N-hashes-*", "chunk-N-sample-*", "chunk-N.json", "items-*", "plan.json"),
    *("settled.json", "kept-N-*"),
}
COMPACTION_WORK: Final = _WORK | {
    *("extract-N-columns-*", "extract-N-hashes-*", "extract-N-sample-*", "extract-N.json"),
    *("extract-items-*", "planned.json"),
}


def rows_of(numbers: range, namespace: str = "") -> tuple[tuple[str, Row], ...]:
    return tuple(
        (
            f"id-{n:02}",
            Row(
                (float(n), 1.0, 2.0),
                {"n": n % 5, "even": n % 2 == 0, "tags": ["a"]},
                namespace,
                "text" * (n % 2),
            ),
        )
        for n in numbers
    )


def do(run: Run, *operations: Operation) -> None:
    for operation in operations:
        perform(run, Alone(operation))


def finish_workflows(run: Run, before: Callable[[], object] = lambda: None) -> list[str]:
    """Run all workflows to their ends; what their functions failed with. `before` is called before each call."""
    doing = Doing(run, GOOD)
    while names := workflows_at_work(run):
        before()
        advance(doing, names[0])
    visits = [
        visit
        for workflow in run.workflows.values()
        for visit in (workflow.ended.visits if workflow.ended else ())
    ]
    return [visit.error for visit in visits if visit.error is not None]


@contextmanager
def a_world(*, seed: int = 3) -> Iterator[tuple[Run, Known]]:
    """A dataset with a resident shard, cells, deltas and dead rows, and a write that waits in its log."""
    run = Run(seed, in_cells=True)
    try:
        do(run, Upsert(0, rows_of(range(8), "one")), Commit(0), Build(0))
        do(run, StartImport(0, (*rows_of(range(6, 14)), *rows_of(range(6, 7)))), DeliverEvents())
        finish_workflows(run)
        do(run, Upsert(0, rows_of(range(3, 5))), Delete(0, ("id-01", "id-09")), Commit(0))
        do(run, Delete(0, ("id-02",)), Commit(0), Upsert(0, rows_of(range(20, 22))))
        yield run, run.known[0]
    finally:
        run.close()


def state_now(run: Run, known: Known) -> State:
    return known.ledger.at(int(run.head(known)["watermark"]))


def readings(run: Run, known: Known, state: State) -> Iterator[Callable[[], object]]:
    """Every way to read: each compares what it is told, or fails."""
    tenant, name, metric = run.stores.tenant_id, known.dataset.name, known.dataset.metric
    vector = np.array([1.0, -2.0, 3.0], dtype=np.float32)

    def fetched() -> None:
        every = sorted(state.written)
        found = fetch(
            run.stores.new_searcher(), tenant, scope=NATIVE_SCOPE, name=name, ids=every, include_values=True
        )
        check_rows("fetch", found.records, state.rows, documents=False)

    yield fetched
    for number in range(len(FILTERS) * len(NAMESPACES)):
        selection, wanted = selected(number)
        rows = chosen(state, wanted)

        def asked(some: Any = selection, rows: dict[str, Row] = rows) -> None:
            request = QueryRequest(
                vector, 100, filter=some.filter, namespace=some.namespace, nprobe=1024, ef=64
            )
            answer = run.stores.new_searcher().query(tenant, scope=NATIVE_SCOPE, name=name, request=request)
            check_answer("query", metric, request, answer, rows)

        def seen(some: Any = selection, rows: dict[str, Row] = rows) -> None:
            request = ListRequest(some, b"", 100, include_values=True, include_document=True)
            check_rows("list", listed(run.stores.new_searcher(), run, name, request), rows)

        def counted(some: Any = selection, rows: dict[str, Row] = rows) -> None:
            searcher = run.stores.new_searcher()
            found, _ = count_records(searcher, tenant, scope=NATIVE_SCOPE, name=name, selection=some)
            assert found == len(rows)

        yield from (asked, seen, counted)


def test_every_kind_of_object_that_is_stored_is_damaged_somewhere_here() -> None:
    with a_world() as (run, _):
        do(run, Compact(0))
        finish_workflows(run)
        kinds = {kind_of(head.key) for head in run.stores.objects.list("")}
    staging = {f"staging/t/ten/#/imp/work/{name}" for name in IMPORT_WORK}
    staging |= {f"staging/t/ten/#/cmp/work/{name}" for name in COMPACTION_WORK}
    assert kinds == READ | {LOG, UPLOAD} | DESCRIPTORS | staging


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("kind", sorted(READ))
def test_damage_is_never_read_as_data_and_is_named(kind: str, how: str) -> None:
    with a_world() as (run, known):
        state = state_now(run, known)
        objects = run.stores.objects
        for reading in readings(run, known, state):
            reading()
        keys = [head.key for head in objects.list("") if kind_of(head.key) == kind]
        seen = 0
        unnamed: list[str] = []
        for key in keys:
            whole = objects.get(key)
            told: list[str] = []
            damage(objects, key, DAMAGES[how])
            for reading in readings(run, known, state):
                try:
                    reading()
                except (CorruptObject, ObjectMissing) as error:
                    told.append(str(error))
            objects.put(key, whole)
            seen += len(told)
            unnamed += [message for message in told if key not in message]
        # Of the index of properties only those blocks are read that a filter asks for.
        assert seen or (kind, how) == ("t/ten/shards/*/properties", "flipped"), f"nobody saw it: {keys}"
        assert not unnamed


@pytest.mark.parametrize("name", ["vectors.f32", "records.cells"])
@pytest.mark.parametrize("number", [0, 4], ids=["plain", "filtered"])
def test_a_damaged_cell_is_left_out_only_where_the_query_allows_it(name: str, number: int) -> None:
    with a_world() as (run, known):
        state, objects = state_now(run, known), run.stores.objects
        selection, wanted = selected(number)
        (cells,) = {
            head.key.rsplit("/", 1)[0] for head in objects.list("t/") if head.key.endswith("records.cells")
        }
        damage(objects, f"{cells}/{name}", DAMAGES["flipped"])

        def ask(*, allow: bool) -> Any:
            request = QueryRequest(
                np.array([1.0, 1.0, 1.0], dtype=np.float32), 100, filter=selection.filter, allow_partial=allow
            )
            searcher = Searcher(run.stores.ports, cache_bytes=1 << 26)
            return searcher.query(
                run.stores.tenant_id, scope=NATIVE_SCOPE, name=known.dataset.name, request=request
            )

        with pytest.raises(CorruptObject, match=name):
            ask(allow=False)
        answer = ask(allow=True)
        rows = chosen(state, wanted)
        assert answer.partial
        assert {match.id for match in answer.matches} < rows.keys()
        assert {name for name in rows if int(name[3:]) < 6} <= {match.id for match in answer.matches}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_write_fails_visibly_and_alone(how: str) -> None:
    with a_world() as (run, known):
        state = state_now(run, known)
        key = known.ledger.attempts[-1].log_keys[0]
        damage(run.stores.objects, key, DAMAGES[how])
        doing = Doing(run, GOOD)
        Commit(0).do(doing)
        (job,) = [job for job in run.stores.jobs(known.dataset) if job.get("log_key") == key]
        assert key in str(job["error"])
        assert int(run.head(known)["watermark"]) == int(job["sequence"])
        for reading in readings(run, known, state):
            reading()
        assert not run.unexpected


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("kind", sorted(DESCRIPTORS))
def test_a_damaged_descriptor_is_reported_by_a_recovery_and_mended_by_the_janitor(
    kind: str, how: str
) -> None:
    with a_world() as (run, _):
        objects = run.stores.objects
        (key,) = [head.key for head in objects.list("") if kind_of(head.key) == kind]
        whole = objects.get(key)
        damage(objects, key, DAMAGES[how])
        if DAMAGES[how] is not gone:
            ports = run.stores.ports
            empty = Ports(objects, MemoryTable(run.stores.clock), ports.wakeups, ports.builds, ports.clock)
            report = recover(empty, dry_run=True)
            assert not report.whole
            assert key in report.damaged
        run_janitor(run.stores.ports)
        assert objects.get(key) == whole


def damaged_once(run: Run, kind: str, how: Damage, named: list[str]) -> Callable[[], None]:
    """Damages the first object of a kind, as soon as there is one."""

    def look() -> None:
        if not named:
            found = [head.key for head in run.stores.objects.list("staging/") if kind_of(head.key) == kind]
            named.extend(found[:1])
            if found:
                damage(run.stores.objects, found[0], how)

    return look


@pytest.mark.parametrize("how", ["flipped", "gone"])
@pytest.mark.parametrize("name", sorted(IMPORT_WORK))
def test_an_import_of_damaged_work_ends_as_failed_or_whole(name: str, how: str) -> None:
    run = Run(3, in_cells=True)
    try:
        known = run.known[0]
        do(run, StartImport(0, (*rows_of(range(8)), *rows_of(range(1)))), DeliverEvents())
        named: list[str] = []
        errors = finish_workflows(
            run, damaged_once(run, f"staging/t/ten/#/imp/work/{name}", DAMAGES[how], named)
        )
        damaged = [str(error) for error in run.unexpected if isinstance(error, CorruptObject | ObjectMissing)]
        assert len(damaged) == len(run.unexpected), run.unexpected
        run.unexpected.clear()
        do(run, Commit(0))
        (job,) = [item for item in run.stores.table.items() if item["sk"].startswith("IMPORT#")]
        assert named
        if job["status"] == "completed":
            # Made anew by another attempt, read before it was damaged, or only a line feed less.
            assert len(state_now(run, known).rows) == 8
        else:
            assert job["status"] == "failed"
            assert errors
            assert any(named[0] in message for message in damaged) or DAMAGES[how] is gone, damaged
            assert state_now(run, known).rows == {}
        for reading in islice(readings(run, known, state_now(run, known)), 4):
            reading()
    finally:
        run.close()


@pytest.mark.parametrize("how", ["flipped", "gone"])
@pytest.mark.parametrize("name", sorted(COMPACTION_WORK))
def test_a_compaction_of_damaged_work_changes_no_record(name: str, how: str) -> None:
    with a_world() as (run, known):
        do(run, Commit(0), Compact(0))
        named: list[str] = []
        finish_workflows(run, damaged_once(run, f"staging/t/ten/#/cmp/work/{name}", DAMAGES[how], named))
        assert named
        for reading in islice(readings(run, known, state_now(run, known)), 4):
            reading()
