"""Exports in a World: the deployed definition, run in this process."""

from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
from pyarrow import parquet

from functions.export.handler import STEPS
from shoal.index.checksums import sha256_hex
from shoal.model.datasets import Dataset
from shoal.model.exports import MANIFEST_NAME, Export, ExportManifest
from shoal.services.exports.finish import handle_failure
from shoal.services.exports.items import keys_of_export
from shoal.services.exports.lifecycle import create_export, get_export
from shoal.services.exports.run import open_export
from shoal.services.pipeline.steps import do_step
from shoal.storage.memory import MemoryWorkflows
from shoal.storage.ports import Ports
from tests.unit.services.world import Record, World
from tests.workflow.definition import States, read_definition
from tests.workflow.machine import Execution, Invoke, Runner

FILE: Final = Path(__file__).parents[4] / "infra/statemachines/export.asl.json"
NAMES: Final = {"Partition": "aws", "Bucket": "bucket", "ExportFunctionArn": "export"}


def definition() -> States:
    """The state machine of exports, as deployed."""
    return read_definition(FILE, NAMES)


def call(ports: Ports, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the handler does with an event."""
    assert function == "export"
    if payload["step"] == "fail":
        return handle_failure(ports, payload)
    return do_step(payload, STEPS, lambda: open_export(ports, payload["run_id"]))


def ports_of(world: World) -> Ports:
    """The world's ports, with a workflow of exports."""
    return replace(world.ports, exports=MemoryWorkflows())


def begun(world: World, dataset: Dataset, *, snapshot: str | None = None) -> Export:
    """An export whose workflow has not begun."""
    return create_export(ports_of(world), dataset, snapshot=snapshot)


def run(world: World, job: Export, invoke: Invoke | None = None) -> Execution:
    """The workflow of an export, from its first state to its last."""
    return run_export(world.ports, job.export_id, invoke)


def run_export(ports: Ports, export_id: str, invoke: Invoke | None = None) -> Execution:
    """The workflow of an export over these ports."""
    runner = Runner(ports.objects, invoke or (lambda name, given: call(ports, name, given)))
    return runner.run(definition(), {"run_id": export_id}, {})


def completed(world: World, dataset: Dataset, *, snapshot: str | None = None) -> Export:
    """A whole export."""
    job = begun(world, dataset, snapshot=snapshot)
    execution = run(world, job)
    assert execution.succeeded, (execution.error, execution.cause)
    return get_export(ports_of(world), dataset, job.export_id)


def manifest_of(world: World, job: Export) -> ExportManifest:
    """What an export says it consists of."""
    return ExportManifest.parse(world.objects.get(keys_of_export(job).exported(MANIFEST_NAME)))


def exported(world: World, job: Export) -> dict[str, Record]:
    """The records of a completed export, each file compared with its checksum."""
    found: dict[str, Record] = {}
    manifest = manifest_of(world, job)
    for file in manifest.files:
        data = world.objects.get(keys_of_export(job).exported(file.name))
        assert (len(data), sha256_hex(data)) == (file.size, file.sha256)
        table = parquet.read_table(BytesIO(data))
        assert table.num_rows == file.rows
        for row in table.to_pylist():
            assert row["id"] not in found, "no record comes twice"
            values = tuple(np.array(row["values"], dtype=np.float32).tolist())
            found[row["id"]] = (values, orjson.loads(row["metadata"]))
    assert len(found) == manifest.row_count == job.rows
    return found
