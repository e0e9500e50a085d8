"""Chunks of an NDJSON file, validated one by one, against the file read whole."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shoal.errors import ImportStopped
from shoal.index.column_file import decode_columns
from shoal.index.id_index import hash_ids
from shoal.model.datasets import Metric
from shoal.model.import_work import Chunk, ChunkRecord
from shoal.model.imports import ErrorMode
from shoal.model.limits import MAX_LINE_BYTES
from shoal.model.ndjson_lines import LONG_LINE, judge_lines
from shoal.services.imports.source import upload_of
from shoal.services.imports.validate import validate, validate_ndjson
from shoal.services.imports.workspace import Workspace, open_workspace
from shoal.services.pipeline.sample import decode_sample
from shoal.storage.ports import Assign
from tests.unit.services.imports.work import make_work
from tests.unit.services.world import World

GOOD = b'{"id":"%b","values":[%b,2]}'
LINES = st.sampled_from(
    [
        b"",
        b"\r",
        b" ",
        b"{",
        b"[]",
        b'{"id":"","values":[1,2]}',
        b'{"id":"a","values":[1,2],"metadata":{"tags":["x","]"]}}\r',
        b'{"id":"b","values":[0,-0]}',
        b'{"id":"c","values":[1]}',
        b'{"id":"f","values":[1,2],"namespace":"n","document":"a \\"text\\""}',
        b'{"id":"g","values":[1,2],"namespace":"","document":"\xc3\xa9"}',
        b'{"id":"h","values":[1,2],"namespace":"a\\tb"}',
        b'{"id":"d","values":[1e39,1]}',
        b'{"id":"\xff","values":[1,2]}',
        b'{"id":"\xc3\xa9","values":[1,2],"metadata":{"n":"\\u00e9"}}',
        b'\xef\xbb\xbf{"id":"e","values":[1,2]}',
        *(GOOD % (str(n).encode(), str(n).encode()) for n in range(6)),
    ]
)


def chunks_of(work: Workspace, borders: list[int], *, sample_rows: int = 1000) -> list[Chunk]:
    upload = upload_of(work)
    cuts = [0, *sorted({border for border in borders if 0 < border < upload.size}), upload.size]
    return [
        Chunk(
            number=number,
            key=upload.key,
            version_id=upload.version_id,
            start=start,
            stop=stop,
            sample_rows=sample_rows,
        )
        for number, (start, stop) in enumerate(pairwise(cuts))
    ]


@dataclass
class Found:
    """What all chunks hold together, numbered as in the file."""

    lines: int = 0
    ids: list[bytes] = field(default_factory=list)
    vectors: list[bytes] = field(default_factory=list)
    metadata: list[bytes] = field(default_factory=list)
    namespaces: list[bytes] = field(default_factory=list)
    documents: list[bytes] = field(default_factory=list)
    rejects: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, work: Workspace, record: ChunkRecord) -> None:
        if record.columns is not None:
            assert record.hashes is not None
            assert record.sample is not None
            columns = decode_columns(work.read(record.columns))
            ids = columns.ids.tolist()
            hashes = hash_ids([each.decode() for each in ids], work.dataset.hash_key)
            assert work.read(record.hashes) == hashes.astype("<u8").tobytes()
            sampled, sampled_hashes = decode_sample(work.read(record.sample))
            assert sampled.tobytes() == columns.vectors[: len(sampled)].tobytes()
            assert (sampled_hashes == hashes[: len(sampled)]).all()
            self.ids += ids
            self.vectors += [row.tobytes() for row in columns.vectors]
            self.metadata += columns.metadata.tolist()
            self.namespaces += columns.namespaces.tolist()
            self.documents += columns.documents.tolist()
        if record.rejects is not None:
            for line in work.read(record.rejects).splitlines():
                reject = orjson.loads(line)
                self.rejects.append((reject["line"] + self.lines, reject["reason"], reject["record"]))
        self.lines += record.lines


def read_whole(data: bytes, *, refuse_zero: bool) -> Found:
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line and not line.isspace()]
    parsed = judge_lines(numbered, dimension=2, refuse_zero=refuse_zero)
    namespaces, documents = parsed.columns_of_texts()
    return Found(
        namespaces=[each.encode() for each in namespaces],
        documents=documents,
        lines=data.count(b"\n") + (not data.endswith(b"\n")),
        ids=[each.encode() for each in parsed.ids],
        vectors=[row.tobytes() for row in parsed.vectors],
        metadata=parsed.metadata,
        rejects=[
            (error.line, error.reason, lines[error.line - 1].decode(errors="replace"))
            for error in parsed.errors
        ],
    )


@settings(max_examples=100, deadline=None)
@given(
    lines=st.lists(LINES, min_size=1, max_size=12),
    bom=st.booleans(),
    ends=st.booleans(),
    borders=st.lists(st.integers(1, 400), max_size=6),
    read_bytes=st.integers(1, 120),
    metric=st.sampled_from([Metric.L2, Metric.COSINE]),
)
@example(lines=[b"", b"{"], bom=True, ends=False, borders=[1, 2, 3, 4], read_bytes=1, metric=Metric.L2)
def test_chunks_together_are_the_file(
    lines: list[bytes], bom: bool, ends: bool, borders: list[int], read_bytes: int, metric: Metric
) -> None:
    data = b"\xef\xbb\xbf" * bom + b"\n".join(lines) + b"\n" * (ends or not lines[-1])
    world = World()
    work = make_work(world, world.create(dimension=2, metric=metric), data)
    found = Found()
    records = [validate_ndjson(work, chunk, read_bytes=read_bytes) for chunk in chunks_of(work, borders)]
    for record in records:
        found.add(work, record)
    assert found == read_whole(data, refuse_zero=metric is Metric.COSINE)
    job = work.fresh()
    assert job.done == len(records)
    assert job.records_accepted == len(found.ids)
    assert job.records_rejected == len(found.rejects)
    assert job.records_processed == len(found.ids) + len(found.rejects)


def test_the_version_that_was_started_is_read() -> None:
    world = World()
    work = make_work(world, world.create(dimension=2), GOOD % (b"a", b"1"))
    world.objects.put(work.keys.upload, b"what was put afterwards")
    (chunk,) = chunks_of(work, [])
    assert validate(work, chunk.model_dump(mode="json")) == {}
    record = work.needed("chunk-000000", ChunkRecord)
    assert (record.lines, record.accepted, record.rejected) == (1, 1, 0)


def test_long_lines_are_rejected_and_the_rest_is_read() -> None:
    long = b'{"id":"long","values":[1,2],"other":"' + b"x" * MAX_LINE_BYTES
    data = GOOD % (b"a", b"1") + b"\n" + long + b'"}\n' + GOOD % (b"b", b"1") + b"\n" + long
    world = World()
    work = make_work(world, world.create(dimension=2), data)
    found = Found()
    for chunk in chunks_of(work, [100, 500_000, MAX_LINE_BYTES, len(data) - 10]):
        found.add(work, validate_ndjson(work, chunk, read_bytes=300_000))
    assert found.ids == [b"a", b"b"]
    assert [(line, reason) for line, reason, _ in found.rejects] == [(2, LONG_LINE), (4, LONG_LINE)]
    assert all(record == long[:2048].decode() for _, _, record in found.rejects)
    assert found.lines == 4


def test_a_repeated_attempt_counts_once() -> None:
    world = World()
    work = make_work(world, world.create(dimension=2), GOOD % (b"a", b"1") + b"\n{")
    (chunk,) = chunks_of(work, [])
    first = validate_ndjson(work, chunk)
    assert validate_ndjson(work, chunk) == first
    job = work.fresh()
    assert (job.done, job.records_accepted, job.records_rejected) == (1, 1, 1)


def test_after_an_abort_the_other_chunks_are_only_counted() -> None:
    world = World()
    data = GOOD % (b"a", b"1") + b"\n{\n" + GOOD % (b"b", b"1") + b"\n"
    work = make_work(world, world.create(dimension=2), data, error_mode=ErrorMode.ABORT)
    first, second = chunks_of(work, [data.index(b"\n{\n") + 3])
    bad = validate_ndjson(work, first)
    assert (bad.rejected, bad.accepted, bad.columns, bad.counted_only) == (1, 0, None, False)
    assert bad.rejects is not None
    counted = validate_ndjson(work, second)
    assert counted == ChunkRecord(number=1, lines=1, processed=0, accepted=0, rejected=0, counted_only=True)


def test_too_many_bad_records_of_one_chunk_end_the_reading() -> None:
    world = World()
    data = b"{\n" * 50_000 + GOOD % (b"a", b"1")
    work = make_work(world, world.create(dimension=2), data, max_bad_records=10)
    (chunk,) = chunks_of(work, [])
    record = validate_ndjson(work, chunk, read_bytes=10_000)
    assert record.lines == 50_001
    assert 10 < record.rejected <= 10_000
    assert record.columns is None


def test_an_import_that_was_cancelled_meanwhile_is_read_no_further() -> None:
    world = World()
    work = make_work(world, world.create(dimension=2), GOOD % (b"a", b"1"))
    (chunk,) = chunks_of(work, [])
    world.table.update(work.keys.item, [Assign("status", "failed")])
    with pytest.raises(ImportStopped):
        validate_ndjson(work, chunk)
    with pytest.raises(ImportStopped):
        open_workspace(world.ports, work.job.import_id)


def test_the_sample_is_of_the_size_planned_and_the_same_each_time() -> None:
    world = World()
    data = b"\n".join(GOOD % (str(n).encode(), str(n).encode()) for n in range(1000))
    work = make_work(world, world.create(dimension=2), data)
    (chunk,) = chunks_of(work, [], sample_rows=50)
    record = validate_ndjson(work, chunk)
    assert record.sample is not None
    assert record.columns is not None
    vectors, _ = decode_sample(work.read(record.sample))
    columns = decode_columns(work.read(record.columns))
    assert vectors.shape == (50, 2)
    assert np.isin(vectors[:, 0], columns.vectors[:, 0]).all()
