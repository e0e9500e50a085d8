"""Step `write`: the live rows of some shards become one Parquet file."""

from collections.abc import Mapping
from typing import Any

from shoal.index.checksums import sha256_hex
from shoal.model.exports import ExportedFile, ExportItem
from shoal.model.ids import new_token
from shoal.services.exports.parquet_rows import encode_parquet
from shoal.services.exports.run import ExportRun
from shoal.services.publish import live_rows
from shoal.services.retry import retry_busy


def write(work: ExportRun, item: Mapping[str, Any]) -> dict[str, Any]:
    """Write a file, unless an earlier attempt has."""
    task = ExportItem.of_item(item)
    name = f"file-{task.number:06d}"
    if work.recorded(name, ExportedFile) is None:
        _, ours = work.record(name, _write(work, task))
        if ours:
            work.piece_done()
    return {}


def _write(work: ExportRun, task: ExportItem) -> ExportedFile:
    snapshot = work.snapshot()
    dead = snapshot.dead_rows()
    blocks = [live_rows(snapshot, snapshot.shard(shard_id), dead.get(shard_id)) for shard_id in task.shards]
    blocks = [rows for rows in blocks if len(rows)]
    if not blocks:
        return ExportedFile(number=task.number, name="", rows=0, size=0, sha256="")
    data = encode_parquet(blocks)
    # A name of this attempt's own: the record says whose file counts, and attempts do not meet.
    name = f"part-{task.number:06d}-{new_token()[:8]}.parquet"
    retry_busy(lambda: work.ports.objects.put(work.keys.exported(name), data))
    rows = sum(len(block) for block in blocks)
    return ExportedFile(number=task.number, name=name, rows=rows, size=len(data), sha256=sha256_hex(data))
