"""Step `plan`: which shards go into which file."""

from collections.abc import Mapping, Sequence
from typing import Any

from shoal.model.exports import ExportItem, ExportPlan
from shoal.model.manifests import ShardRef
from shoal.services.exports.run import ExportRun

FILE_BYTES = 256 * 1000 * 1000
"""Bytes of shards that go into one file, at most (but for a single shard that is larger): its writer holds them
several times, and an import of a file takes them back in one go."""


def plan(work: ExportRun, item: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - no map's item
    """List the files to write; neighbouring shards share one."""
    found = work.recorded("plan", ExportPlan)
    if found is None:
        items = items_of(work.snapshot().all_shards())
        made = ExportPlan(files=len(items), items_key=work.put_items("items", items))
        found, _ = work.record("plan", made)
    work.enter("writing", total=found.files)
    return {"items_key": found.items_key, "files": found.files}


def items_of(shards: Sequence[ShardRef]) -> list[ExportItem]:
    """Deal shards out to files, in order."""
    groups: list[list[str]] = []
    room = 0
    for shard in shards:
        size = sum(file.size for name, file in shard.files.items() if name.startswith(("vectors", "records")))
        if not groups or size > room:
            groups.append([])
            room = FILE_BYTES
        groups[-1].append(shard.shard_id)
        room -= size
    return [ExportItem(number=number, shards=tuple(group)) for number, group in enumerate(groups)]
