"""The deployed workflow over a real file, in process: good and bad lines, and kills in every state."""

import gzip
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
import pytest

from shoal.model.datasets import Dataset
from shoal.model.imports import ErrorMode, Import, ImportFormat, ImportStatus
from shoal.model.limits import BUILD_LEASE_SECONDS, GAP_SECONDS
from shoal.services.imports.finish import commit_with
from shoal.services.imports.items import keys_of_import
from shoal.services.imports.lifecycle import complete_import, create_import, get_import
from shoal.services.imports.settle import settle_with
from shoal.services.imports.steps import run_step
from shoal.storage.ports import Ports
from tests.unit.services.imports.small import uploaded
from tests.unit.services.world import Record, World, used
from tests.workflow.kills import KilledOnce, killing
from tests.workflow.machine import Execution, Invoke, run_workflow
from tests.workflow.steps import call, import_definition, steps_of

DIMENSION = 4
BAD = {
    2: (b'{"id":"bad","values":[1,2,3]}', "dimension mismatch: got 3 expected 4"),
    5: (b'{"id":"","values":[1,2,3,4]}', "id must be a non-empty string"),
    6: (b'{"id":"nan","values":[1,NaN,3,4]}', "values must be finite and within float4 range"),
    9: (b"not json", "invalid json"),
}


def a_file(rows: int, seed: int = 3) -> tuple[bytes, dict[str, Record]]:
    """Lines with the bad ones in their places, a blank one, some ids twice; and what must be stored."""
    vectors = np.random.default_rng(seed).normal(size=(rows, DIMENSION)).astype(np.float32)
    lines: list[bytes] = []
    stored: dict[str, Record] = {}
    for row, vector in enumerate(vectors):
        while len(lines) + 1 in BAD:
            lines.append(BAD[len(lines) + 1][0])
        if len(lines) == 11:
            lines.append(b"")
        name = f"id-{row % (rows - 2)}"
        values = tuple(vector.tolist())
        lines.append(orjson.dumps({"id": name, "values": values, "metadata": {"row": row}}))
        stored[name] = (values, {"row": row})
    return b"\n".join(lines), stored


def begun(world: World, dataset: Dataset, body: bytes, **more: Any) -> Import:
    options = {"error_mode": ErrorMode.CONTINUE, "max_bad_records": None, "vector_quota": 1000, **more}
    job, _ = create_import(world.ports, dataset, file_format=ImportFormat.NDJSON, multipart=False, **options)
    uploaded(world, job, body)
    return complete_import(world.ports, dataset, job.import_id, parts=None)


def in_cells(ports: Ports, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Calls steps as `call` does, but makes cells of the smallest import, and never waits for a lease."""
    if payload["step"] == "fail":
        return call(ports, function, payload)
    steps = {**steps_of(function), "settle": settle_with(0), "commit": commit_with(0.0)}
    return run_step(ports, payload, steps)


def in_one_shard(ports: Ports, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Calls steps as `call` does, but never waits for a lease."""
    if payload["step"] == "commit":
        return run_step(ports, payload, {"commit": commit_with(0.0)})
    return call(ports, function, payload)


LAYOUTS = pytest.mark.parametrize("invoke", [in_one_shard, in_cells], ids=["one shard", "cells"])


def execute(world: World, job: Import, invoke: Invoke) -> Execution:
    """Run the workflow; retries find the leases of dead processes expired."""

    def wait(_seconds: float) -> None:
        world.clock.pass_seconds(BUILD_LEASE_SECONDS + GAP_SECONDS)

    return run_workflow(import_definition(), world.ports, invoke, {"import_id": job.import_id}, wait=wait)


def rejects(world: World, job: Import) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in world.objects.get(keys_of_import(job).rejects).splitlines()]


def check(
    world: World, dataset: Dataset, job: Import, stored: dict[str, Record], bad: int = len(BAD)
) -> None:
    done = get_import(world.ports, dataset, job.import_id)
    assert (done.status, done.error_message) == (ImportStatus.COMPLETED, None)
    assert (done.records_accepted, done.records_rejected) == (len(stored) + 2, bad)
    assert world.stored(dataset, stored) == stored
    head = world.head(dataset)
    assert (head.row_count, head.open_imports, used(world)) == (len(stored), 0, len(stored))
    if bad:
        assert [(entry["line"], entry["reason"]) for entry in rejects(world, job)] == [
            (line, reason) for line, (_, reason) in BAD.items()
        ]


@LAYOUTS
@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_file_with_bad_lines(invoke: Any, compress: Any) -> None:
    world = World()
    dataset = world.create()
    body, stored = a_file(60)
    job = begun(world, dataset, compress(body))
    execution = execute(world, job, lambda function, payload: invoke(world.ports, function, payload))
    assert execution.succeeded
    check(world, dataset, job, stored)
    wanted = next(iter(stored))
    answer = world.query(dataset, stored[wanted][0], top_k=3)
    assert (answer.matches[0].id, answer.matches[0].score) == (wanted, 0.0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"error_mode": ErrorMode.ABORT}, "line 2: dimension mismatch: got 3 expected 4"),
        ({"max_bad_records": 3}, "4 bad records, and max_bad_records is 3"),
    ],
)
def test_too_many_bad_lines_fail_it_and_the_rejects_file_is_there(options: dict[str, Any], says: str) -> None:
    world = World()
    dataset = world.create()
    job = begun(world, dataset, a_file(20)[0], **options)
    execution = execute(world, job, lambda function, payload: in_one_shard(world.ports, function, payload))
    assert execution.succeeded  # it ended for a reason that its owner was told
    failed = get_import(world.ports, dataset, job.import_id)
    assert failed.status is ImportStatus.FAILED
    assert says in (failed.error_message or "")
    assert failed.has_rejects
    assert rejects(world, job)[0]["line"] == 2
    world.drain(dataset)
    assert (world.head(dataset).row_count, world.head(dataset).open_imports, used(world)) == (0, 0, 0)


def test_max_bad_records_that_is_just_met_does_not_fail_it() -> None:
    world = World()
    dataset = world.create()
    body, stored = a_file(20)
    job = begun(world, dataset, body, max_bad_records=4)
    execute(world, job, lambda function, payload: in_one_shard(world.ports, function, payload))
    check(world, dataset, job, stored)


@LAYOUTS
def test_a_kill_in_any_state_changes_nothing(invoke: Any) -> None:
    body, stored = a_file(12)
    worlds: list[tuple[World, Dataset, Import]] = []

    def make(number: int | None) -> KilledOnce:
        world = World()
        dataset = world.create()
        worlds.append((world, dataset, begun(world, dataset, body)))
        return KilledOnce(world.process, invoke, number=number)

    def run(killer: Invoke) -> None:
        world, dataset, job = worlds[-1]
        execution = execute(world, job, killer)
        message = f"killed in {getattr(killer, 'killed', None)}: {execution}"
        assert execution.succeeded, message
        check(world, dataset, job, stored)

    # All of them take half a minute each way; a third of them still dies in every state.
    killed = {one.killed for one in killing(make, run, every=3)}
    wanted = {"inspect", "plan", "validate", "settle", "commit"}
    wanted |= (
        {"build_shard"} if invoke is in_one_shard else {"train", "assign", "group", "build", "calibrate"}
    )
    assert wanted <= killed
