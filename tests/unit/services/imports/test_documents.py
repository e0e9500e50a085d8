"""Imports of documents: content exports through the deployed workflow, among other writes."""

import gzip
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.model.content_documents import Change, Deletion
from shoal.model.datasets import Dataset
from shoal.model.document_lines import DocumentParser
from shoal.model.imports import ErrorMode, Import, ImportFormat, ImportStatus
from shoal.services.content.documents import put_versions
from shoal.services.content.reading import Cursor, changed_since
from shoal.services.imports.finish import commit_with
from shoal.services.imports.items import keys_of_import
from shoal.services.imports.lifecycle import complete_import, create_import, get_import
from shoal.services.imports.settle import settle_with
from shoal.services.imports.steps import run_step
from tests.unit.services.content.documents_world import (
    document,
    documents_of,
    put,
    scanned,
    snapshot_of,
    stored,
)
from tests.unit.services.imports.small import uploaded
from tests.unit.services.world import World
from tests.workflow.machine import Invoke, run_workflow
from tests.workflow.steps import call, import_definition, steps_of

NOON = 1_700_000_000_000
"""In epoch milliseconds: 2023-11-14T22:13:20Z."""


def line(name: str, minute: int = 13, **fields: Any) -> bytes:
    """A document as an export has it, changed at this minute after 22 o'clock."""
    said = {"_id": name, "_type": "movie", "_updatedAt": f"2023-11-14T22:{minute:02d}:20Z", **fields}
    return orjson.dumps(said)


def begun(world: World, dataset: Dataset, body: bytes, **more: Any) -> Import:
    options = {"error_mode": ErrorMode.CONTINUE, "max_bad_records": None, "vector_quota": 1000, **more}
    job, _ = create_import(
        world.ports, dataset, file_format=ImportFormat.DOCUMENTS, multipart=False, **options
    )
    uploaded(world, job, body)
    return complete_import(world.ports, dataset, job.import_id, parts=None)


def invoking(
    world: World, dataset: Dataset, *, one_shard_bytes: int, before: Mapping[str, Callable[[], object]]
) -> Invoke:
    """Calls steps, each after what happens `before` it, as if an indexer were at work all the time."""

    def invoke(function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        step = str(payload["step"])
        if step in before:
            before[step]()
        world.drain(dataset)
        if step == "fail":
            return call(world.ports, function, payload)
        steps = {
            **steps_of(function),
            "settle": settle_with(one_shard_bytes),
            "commit": commit_with(0.0),
        }
        return run_step(world.ports, payload, steps)

    return invoke


def imported(
    world: World,
    dataset: Dataset,
    *lines: bytes,
    one_shard_bytes: int = 1 << 30,
    before: Mapping[str, Callable[[], object]] | None = None,
    **more: Any,
) -> Import:
    """An import, done."""
    job = begun(world, dataset, b"\n".join(lines), **more)
    invoke = invoking(world, dataset, one_shard_bytes=one_shard_bytes, before=before or {})
    run_workflow(
        import_definition(),
        world.ports,
        invoke,
        {"import_id": job.import_id},
        wait=world.clock.pass_seconds,
    )
    world.drain(dataset)
    return get_import(world.ports, dataset, job.import_id)


def rejects(world: World, job: Import) -> list[tuple[int, str]]:
    found = world.objects.get(keys_of_import(job).rejects).splitlines()
    return [(each["line"], each["reason"]) for each in map(orjson.loads, found)]


@pytest.mark.parametrize("one_shard_bytes", [1 << 30, 0], ids=["one shard", "cells"])
def test_good_lines_are_documents_and_bad_ones_are_told(one_shard_bytes: int) -> None:
    world = World()
    dataset = documents_of(world)
    lines = [
        line("a", title="One"),
        b'{"_id":"b"}',
        b'{"_type":"movie"}',
        b'{"_id":"c","_type":"movie"',
        b"",
        b"[1]",
        line("-d"),
        line("e" * 129),
        b'{"_id":7,"_type":"movie"}',
        line("drafts.a", title="Draft"),
        line("versions.r1.a", title="Version"),
        line("big", text="x" * 262_144),
        line("f", title="Six"),
        b'{"_id":"g","_type":""}',
    ]
    job = imported(world, dataset, *lines, one_shard_bytes=one_shard_bytes)
    assert (job.status, job.error_message) == (ImportStatus.COMPLETED, None)
    assert (job.records_accepted, job.records_rejected, job.skipped, job.outdated) == (2, 9, 2, 0)
    assert scanned(world, dataset) == {
        "a": orjson.loads(lines[0]),
        "f": orjson.loads(lines[12]),
    }
    told = rejects(world, job)
    assert [number for number, _ in told] == [2, 3, 4, 6, 7, 8, 9, 12, 14]
    reasons = [reason for _, reason in told]
    assert reasons[0] == "the document b: _type must be a string of 1 to 256 characters"
    assert reasons[1] == "the document has no _id"
    assert reasons[2:4] == ["invalid json", "record must be a JSON object"]
    assert reasons[4].startswith("_id: '-d' cannot be an id: 1 to 128 of a-z")
    assert reasons[6] == "_id must be a non-empty string"
    assert reasons[7].startswith("document big has 262")


def test_a_packed_export() -> None:
    world = World()
    dataset = documents_of(world)
    job = imported(world, dataset, gzip.compress(line("a") + b"\n" + line("b")))
    assert job.status is ImportStatus.COMPLETED
    assert sorted(scanned(world, dataset)) == ["a", "b"]


def test_a_file_of_another_format_is_told() -> None:
    world = World()
    dataset = documents_of(world)
    job = imported(world, dataset, b"PAR1 and more")
    assert job.status is ImportStatus.FAILED
    assert job.error_message == (
        "the file is Parquet: send documents as NDJSON in UTF-8, plain or as gzip or zstd"
    )


def test_nothing_but_drafts_is_no_failure() -> None:
    world = World()
    dataset = documents_of(world)
    job = imported(world, dataset, line("drafts.a"))
    assert (job.status, job.skipped, job.records_accepted) == (ImportStatus.COMPLETED, 1, 0)


def test_abort_mode_imports_nothing_of_a_file_with_a_bad_line() -> None:
    world = World()
    dataset = documents_of(world)
    job = imported(world, dataset, line("a"), b'{"_id":"b"}', error_mode=ErrorMode.ABORT)
    assert job.status is ImportStatus.FAILED
    assert "line 2: the document b: _type" in str(job.error_message)
    assert scanned(world, dataset) == {}


@pytest.mark.parametrize("one_shard_bytes", [1 << 30, 0], ids=["one shard", "cells"])
def test_what_the_dataset_knows_better_stays(one_shard_bytes: int) -> None:
    world = World()
    dataset = documents_of(world)
    put(
        world,
        dataset,
        document("newer", NOON + 1, title="kept"),
        document("older", NOON - 1, title="replaced"),
        document("same", NOON, title="kept", _rev="r"),
        Deletion("deleted later", NOON + 1),
        Deletion("deleted before", NOON - 1),
    )
    names = ("newer", "older", "deleted later", "deleted before", "new")
    renamed = {name: name.replace(" ", "-") for name in names}
    put(world, dataset, Deletion("deleted-later", NOON + 1), Deletion("deleted-before", NOON - 1))
    lines = [line(renamed[name], title="imported") for name in names]
    lines.append(line("same", title="kept", _rev="r"))
    job = imported(world, dataset, *lines, one_shard_bytes=one_shard_bytes)
    assert (job.status, job.records_accepted, job.outdated) == (ImportStatus.COMPLETED, 6, 3)
    assert {name: body["title"] for name, body in sorted(scanned(world, dataset).items())} == {
        "deleted-before": "imported",
        "new": "imported",
        "newer": "kept",
        "older": "imported",
        "same": "kept",
    }


def test_the_same_file_again_changes_nothing() -> None:
    world = World()
    dataset = documents_of(world)
    imported(world, dataset, line("a"), line("b"))
    before = scanned(world, dataset)
    again = imported(world, dataset, line("a"), line("b"))
    assert (again.status, again.outdated) == (ImportStatus.COMPLETED, 2)
    assert scanned(world, dataset) == before
    assert world.head(dataset).row_count == 2


@pytest.mark.parametrize("moment", ["validate", "settle", "commit"])
@pytest.mark.parametrize("one_shard_bytes", [1 << 30, 0], ids=["one shard", "cells"])
def test_what_comes_meanwhile_counts_by_its_version(moment: str, one_shard_bytes: int) -> None:
    """Webhooks that come while the file is being worked on, late ones and new ones."""
    world = World()
    dataset = documents_of(world)
    put(world, dataset, document("there", NOON - 9, title="there"))

    def webhooks() -> None:
        put_versions(
            world.ports,
            dataset,
            [
                document("a", NOON - 1, title="late"),
                document("b", NOON + 1, title="new"),
                Deletion("c", NOON - 1),
                Deletion("d", NOON + 1),
                document("there", NOON - 1, title="late"),
            ],
            vector_quota=None,
        )

    job = imported(
        world,
        dataset,
        *(line(name, title="imported") for name in ("a", "b", "c", "d", "there", "x")),
        one_shard_bytes=one_shard_bytes,
        before={moment: webhooks},
    )
    assert job.status is ImportStatus.COMPLETED
    assert {name: body["title"] for name, body in sorted(scanned(world, dataset).items())} == {
        "a": "imported",
        "b": "new",
        "c": "imported",
        "there": "imported",
        "x": "imported",
    }
    assert stored(world, dataset, ["d"]) == {"d": None}


@pytest.mark.parametrize("one_shard_bytes", [1 << 30, 0], ids=["one shard", "cells"])
def test_what_an_import_has_changed_is_told(one_shard_bytes: int) -> None:
    world = World()
    dataset = documents_of(world)
    imported(world, dataset, *(line(f"d{n}") for n in range(7)), one_shard_bytes=one_shard_bytes)
    put(world, dataset, document("d3", NOON + 1))
    snapshot = snapshot_of(world, dataset)
    assert snapshot is not None
    changed = changed_since(world.ports, snapshot, Cursor(0), most=5)
    assert changed is not None
    rest = changed_since(world.ports, snapshot, changed.cursor, most=5)
    assert rest is not None
    # d3 is another one by now, and comes with the write that made it so.
    assert (changed.ids, rest.ids) == (("d0", "d1", "d2", "d4", "d5"), ("d6", "d3"))


@pytest.mark.parametrize("step", ["settle", "commit"])
def test_a_process_that_dies_is_made_up_for(step: str) -> None:
    world = World()
    dataset = documents_of(world)
    put(world, dataset, document("newer", NOON + 1, title="kept"))
    job = begun(world, dataset, line("a") + b"\n" + line("newer"))
    invoke = invoking(world, dataset, one_shard_bytes=1 << 30, before={})
    died: list[str] = []

    def killed(function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        found = invoke(function, payload)
        if payload["step"] == step and not died:
            died.append(step)
            raise ConnectionError("the answer was lost")
        return found

    run_workflow(
        import_definition(),
        world.ports,
        killed,
        {"import_id": job.import_id},
        wait=world.clock.pass_seconds,
    )
    world.drain(dataset)
    assert died
    done = get_import(world.ports, dataset, job.import_id)
    assert (done.status, done.outdated) == (ImportStatus.COMPLETED, 1)
    assert sorted(scanned(world, dataset)) == ["a", "newer"]


def test_a_hundred_thousand_documents_are_judged_in_bounded_time() -> None:
    block = b"\n".join(line(f"document-{n}", title="Lorem ipsum " * 20, n=n) for n in range(20_000))
    parser = DocumentParser(now=0.0)
    started = time.perf_counter()
    for turn in range(5):
        assert len(parser.parse(block, first_line=1 + turn * 20_000)) == 20_000
    assert time.perf_counter() - started < 20


_MOMENTS = st.sampled_from(("before", "validate", "settle", "commit", "after"))
_WRITES = st.lists(st.tuples(_MOMENTS, st.sampled_from("abc"), st.integers(-2, 2), st.booleans()), max_size=8)


@settings(max_examples=40, deadline=None)
@given(writes=_WRITES, minutes=st.dictionaries(st.sampled_from("abc"), st.integers(11, 15), min_size=1))
def test_an_import_among_webhooks_leaves_the_latest(
    writes: list[tuple[str, str, int, bool]], minutes: dict[str, int]
) -> None:
    """Versions from a file and from webhooks, whenever they come: the one of the latest moment is left."""
    world = World()
    dataset = documents_of(world)
    versions: dict[str, list[tuple[int, bool, str | None]]] = defaultdict(list)
    at: dict[str, list[Change]] = defaultdict(list)
    for number, (moment, name, offset, deleted) in enumerate(writes):
        ms = NOON + offset * 60_000 + 1 + number  # a millisecond apart: no two are of one moment
        change = Deletion(name, ms) if deleted else document(name, ms, title=f"webhook {number}")
        at[moment].append(change)
        versions[name].append((ms, deleted, None if deleted else f"webhook {number}"))
    for name, minute in minutes.items():
        versions[name].append((NOON + (minute - 13) * 60_000, False, "imported"))

    def sending(moment: str) -> Callable[[], object]:
        def send() -> None:
            changes, at[moment] = at[moment], []
            if changes:
                put_versions(world.ports, dataset, changes, vector_quota=None)

        return send

    sending("before")()
    steps = {moment: sending(moment) for moment in ("validate", "settle", "commit")}
    lines = [line(name, minute, title="imported") for name, minute in minutes.items()]
    assert imported(world, dataset, *lines, before=steps).status is ImportStatus.COMPLETED
    sending("after")()
    world.drain(dataset)
    latest = {name: max(found) for name, found in sorted(versions.items())}
    assert {name: body and body["title"] for name, body in stored(world, dataset, "abc").items()} == {
        name: title for name, (_, _, title) in latest.items()
    }
