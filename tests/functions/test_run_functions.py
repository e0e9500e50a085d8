"""Every sample event of the functions that export and compact, replayed step by step, also twice."""

import json
from io import BytesIO
from typing import Any

import pytest
from pyarrow import parquet

from shoal.errors import RunStopped
from shoal.model.compactions import CompactionStatus
from shoal.model.exports import MANIFEST_NAME, ExportManifest, ExportStatus
from shoal.model.merge_policy import Compact
from shoal.services import datasets
from shoal.services.compaction.items import newest_compaction
from shoal.services.compaction.starting import start
from shoal.services.exports.items import keys_of_export
from shoal.services.exports.lifecycle import get_export
from shoal.services.heads import keys_of, read_head
from shoal.services.parts import PartReader
from shoal.services.snapshot import open_snapshot
from tests.functions.world import EVENTS, World

EXPORT = ("plan", "write", "finish")
COMPACTION = ("plan", "extract", "build_shard", "commit")
"""What the workflow does of a small dataset, in order. The steps of cells need many rows, and have tests of their
own."""


@pytest.fixture
def exporting(world: World) -> World:
    """The run is the export that has begun."""
    world.values["RUN_ID"] = world.values["EXPORT_ID"]
    return world


@pytest.fixture
def compacting(world: World) -> World:
    """The run is a compaction of what is indexed, which has begun."""
    head = read_head(world.ports, keys_of(world.dataset))
    assert head is not None
    version = open_snapshot(PartReader(world.ports.objects, cache_bytes=10**6), world.dataset, head)
    assert version is not None
    job = start(world.ports, version, head, Compact())
    assert job is not None
    world.values["RUN_ID"] = job.run_id
    return world


def listed(world: World, answers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The one item that the plan lists, without its seal."""
    item: dict[str, Any] = json.loads(world.ports.objects.get(answers["plan"]["items_key"]))
    assert item.pop("seal")
    return item


def status_of_compaction(world: World) -> CompactionStatus:
    found = newest_compaction(world.ports, keys_of(world.dataset))
    assert found is not None
    return found.status


def test_every_sample_event_is_replayed() -> None:
    for function, steps in (("export", EXPORT), ("compaction", COMPACTION)):
        assert {path.stem for path in (EVENTS / function).iterdir()} == {*steps, "fail"}


@pytest.mark.parametrize("times", [1, 2])
def test_an_export_step_by_step(exporting: World, times: int) -> None:
    world, answers = exporting, dict[str, dict[str, Any]]()
    for step in EXPORT:
        for _ in range(1 if step == "finish" else times):
            answers[step] = world.replay("export", step)
    assert (answers["plan"]["files"], answers["write"], answers["finish"]) == (1, {}, {})
    assert listed(world, answers) == world.event("export", "write")["item"]
    job = get_export(world.ports, world.dataset, world.values["EXPORT_ID"])
    assert (job.status, job.rows, job.done, job.total) == (ExportStatus.COMPLETED, 2, 1, 1)
    keys = keys_of_export(job)
    (file,) = ExportManifest.parse(world.ports.objects.get(keys.exported(MANIFEST_NAME))).files
    table = parquet.read_table(BytesIO(world.ports.objects.get(keys.exported(file.name))))
    assert set(table["id"].to_pylist()) == {"doc-1", "a/b c"}
    with pytest.raises(RunStopped):
        world.replay("export", "finish")
    assert world.replay("export", "fail") == {"outcome": "stopped"}


def test_an_export_whose_step_failed_is_ended(exporting: World) -> None:
    assert exporting.replay("export", "fail") == {"outcome": "error"}
    job = get_export(exporting.ports, exporting.dataset, exporting.values["EXPORT_ID"])
    assert job.status is ExportStatus.FAILED
    assert "Sandbox.Timedout" in str(job.error_message)
    assert exporting.replay("export", "fail") == {"outcome": "stopped"}
    with pytest.raises(RunStopped):
        exporting.replay("export", "write")


@pytest.mark.parametrize("times", [1, 2])
def test_a_compaction_step_by_step(compacting: World, times: int) -> None:
    world, answers = compacting, dict[str, dict[str, Any]]()
    for step in COMPACTION:
        for _ in range(1 if step == "commit" else times):
            answers[step] = world.replay("compaction", step)
    assert answers["plan"]["layout"] == "shard"
    assert answers["extract"] == {}
    assert listed(world, answers) == world.event("compaction", "extract")["item"]
    assert status_of_compaction(world) is CompactionStatus.COMPLETED
    head = datasets.get_dataset(world.ports, world.values["TENANT_ID"], scope="native", name="products").head
    assert (head.row_count, head.compacted_by) == (2, world.values["RUN_ID"])
    assert world.replay("compaction", "fail") == {"outcome": "stopped"}


def test_a_compaction_whose_step_failed_is_ended(compacting: World) -> None:
    assert compacting.replay("compaction", "fail") == {"outcome": "error"}
    assert status_of_compaction(compacting) is CompactionStatus.FAILED
    with pytest.raises(RunStopped):
        compacting.replay("compaction", "plan")
