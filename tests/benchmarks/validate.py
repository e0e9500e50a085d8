"""Validation of NDJSON by itself, on one core: from bytes in memory to columns, hashed ids and a sample.

Storage is free of charge here: parts are copied and dropped, and nothing computes an ETag of them.
"""

import orjson

from shoal.model.import_work import Chunk, ChunkRecord
from shoal.model.ndjson import blocks_of
from shoal.model.ndjson_blocks import BlockParser
from shoal.model.ndjson_lines import judge_lines
from shoal.services.imports.source import upload_of
from shoal.services.imports.validate import validate_ndjson
from shoal.services.imports.workspace import Workspace
from shoal.storage.memory import MemoryObjects
from shoal.storage.ports import ObjectHead, Ports
from tests.benchmarks.corpus import Corpus, ndjson
from tests.benchmarks.harness import Call, Say, Table, in_turns, ms, rate
from tests.unit.services.imports.work import make_work
from tests.unit.services.world import World

SHAPES = ((50, 53_000), (768, 3_800))
"""Dimension, and the rows that fill a chunk of 32 MB."""
_ROUNDS = 7
_SAMPLE = 20_000


class _Objects(MemoryObjects):
    """A store that keeps the upload and small records, and drops the rest."""

    def put(self, key: str, body: bytes | memoryview, *, if_none_match: bool = False) -> ObjectHead:
        if key.endswith(("upload", ".json")):
            return super().put(key, body, if_none_match=if_none_match)
        return ObjectHead(key, len(bytes(body)), "", None, 0.0)


def run(say: Say, *, rows: int | None = None) -> list[Table]:
    """Both shapes; `rows` replaces the number of rows of each."""
    return [_compared(say, dimension, rows or count) for dimension, count in SHAPES]


def _compared(say: Say, dimension: int, rows: int) -> Table:
    say(f"making {rows:,} lines of {dimension} values")
    body = ndjson(Corpus(dimension).draw(rows))
    lines = body.splitlines()
    spoilt = b"\n".join(line[:-1] if row % 100 == 7 else line for row, line in enumerate(lines))
    world = World()
    objects = _Objects(world.clock)
    world.objects = objects
    ports = Ports(objects, world.table, world.wakeups, world.builds, world.clock)
    dataset = world.create(dimension=dimension)

    def parsed(data: bytes) -> None:
        parser = BlockParser(dimension=dimension, refuse_zero=True)
        for block in blocks_of(data):
            parser.parse(block)

    def validated(data: bytes) -> Call:
        def once(_: int) -> ChunkRecord:
            # An import of its own each time: a record that is there already counts.
            return _validated(make_work(world, dataset, data, ports=ports))

        return once

    record = _validated(make_work(world, dataset, spoilt, ports=ports))
    bad = len(range(7, rows, 100))
    assert (record.accepted, record.rejected) == (rows - bad, bad)
    say("timing")
    calls: dict[str, Call] = {
        "bare orjson, line by line": lambda _: _bare(lines),
        "the judge, line by line": lambda _: judge_lines(
            enumerate(lines, start=1), dimension=dimension, refuse_zero=True
        ),
        "blocks": lambda _: parsed(body),
        "blocks, one line of 100 bad": lambda _: parsed(spoilt),
        "the step: read, parsed, hashed, sampled, encoded": validated(body),
        "the step, one line of 100 bad": validated(spoilt),
    }
    times = in_turns(calls, rounds=_ROUNDS, warm_up=1)
    title = f"{rows:,} × {dimension} in one chunk of {len(body) / 1e6:.1f} MB ({len(body) // rows:,} bytes a line)"
    table = Table(title, ("what", "median", "MB/s", "best MB/s", "rows", "beside orjson"))
    bare = times["bare orjson, line by line"].median
    for name, found in times.items():
        table.add(
            name,
            ms(found.median),
            f"{len(body) / found.median / 1e6:.0f}",
            f"{len(body) / min(found.seconds) / 1e6:.0f}",
            rate(rows, found.median),
            f"{bare / found.median:.2f} ×",
        )
    return table


def _bare(lines: list[bytes]) -> None:
    """Parse, and keep nothing."""
    for line in lines:
        orjson.loads(line)


def _validated(work: Workspace) -> ChunkRecord:
    upload = upload_of(work)
    chunk = Chunk(
        number=0,
        key=upload.key,
        version_id=upload.version_id,
        stop=upload.size,
        sample_rows=_SAMPLE,
    )
    return validate_ndjson(work, chunk)
