"""Bad files: the deployed workflow over each, in process."""

import gzip
from typing import Any

import orjson
import pyarrow as pa
import pytest

from shoal.model.datasets import Dataset
from shoal.model.imports import ErrorMode, Import, ImportFormat, ImportStatus
from shoal.model.limits import MAX_LINE_BYTES
from shoal.model.ndjson_lines import LONG_LINE
from shoal.services.imports import parquet_plan, plan
from shoal.services.imports.items import keys_of_import
from shoal.services.imports.lifecycle import complete_import, create_import, get_import
from shoal.services.imports.starting import start_uploaded
from tests.unit.services.imports.parquet_world import parquet_bytes, table_of
from tests.unit.services.imports.small import created, uploaded
from tests.unit.services.imports.test_whole import execute, in_one_shard, rejects
from tests.unit.services.world import World, record, used
from tests.workflow.machine import Execution

QUOTA = 100
THERE = {"there": record(9, 9, 9, 9, kept=True)}
GOOD = b"\n".join(orjson.dumps({"id": f"n{n}", "values": [n, 1, 2, 3]}) for n in range(20))
PARQUET = parquet_bytes(table_of([f"n{n}" for n in range(400)], [[float(n), 1, 2, 3] for n in range(400)]))
NUMBERS = "values must be finite and within float4 range"
LIST = "values must be list[float]"


def a_world() -> tuple[World, Dataset]:
    """A dataset that holds a record already."""
    world = World()
    dataset = world.create()
    world.upsert(dataset, THERE, quota=QUOTA)
    world.drain(dataset)
    return world, dataset


def started(
    world: World,
    dataset: Dataset,
    body: bytes,
    *,
    file_format: ImportFormat = ImportFormat.NDJSON,
    quota: int = QUOTA,
) -> Import:
    job, _ = create_import(
        world.ports,
        dataset,
        file_format=file_format,
        error_mode=ErrorMode.CONTINUE,
        max_bad_records=None,
        multipart=False,
        vector_quota=quota,
    )
    uploaded(world, job, body)
    return complete_import(world.ports, dataset, job.import_id, parts=None)


def run(world: World, job: Import) -> Execution:
    return execute(world, job, lambda function, payload: in_one_shard(world.ports, function, payload))


def check_untouched(world: World, dataset: Dataset) -> None:
    """All is as before the import: rows, quota, and nothing open in the log."""
    world.drain(dataset)
    head = world.head(dataset)
    assert (head.row_count, head.open_imports, used(world)) == (1, 0, 1)
    assert world.stored(dataset, ["there", "n0", "n7", "n19"]) == THERE


@pytest.mark.parametrize(
    ("file_format", "body", "says"),
    [
        ("ndjson", b"", "the file is empty"),
        ("ndjson", b"\xef\xbb\xbf\r\n\n \n", "the file holds no records"),
        ("ndjson", PARQUET, 'create the import with "format": "parquet"'),
        ("ndjson", gzip.compress(GOOD)[:-9], "ends in the middle: upload the whole file"),
        ("ndjson", gzip.compress(b""), "the file is empty"),
        ("parquet", b"", "the file is empty"),
        ("parquet", GOOD, "it looks like JSON lines; create the import with format ndjson"),
        ("parquet", PARQUET[:-4], "cut short: its end is missing; upload all of it"),
        ("parquet", PARQUET[:900] + PARQUET[1100:], "the Parquet file is broken"),
        ("parquet", parquet_bytes(pa.table({"values": [[1.0] * 4]})), "column id is missing"),
        ("parquet", parquet_bytes(table_of([], [])), "the file holds no records"),
    ],
)
def test_a_file_that_cannot_be_imported(file_format: str, body: bytes, says: str) -> None:
    world, dataset = a_world()
    job = started(world, dataset, body, file_format=ImportFormat(file_format))
    assert run(world, job).succeeded  # it ended for a reason that its owner was told: no alarm
    failed = get_import(world.ports, dataset, job.import_id)
    assert failed.status is ImportStatus.FAILED
    assert says in (failed.error_message or "")
    assert (failed.percent_complete, failed.has_rejects) == (25, False)
    check_untouched(world, dataset)


def test_every_kind_of_bad_line_in_a_file_that_is_cut_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def line(values: str, name: str = "x") -> bytes:
        return f'{{"id":"{name}","values":{values}}}'.encode()

    lines: list[tuple[bytes, str | None]] = [
        (b"\xef\xbb\xbf" + line("[1,2,3,4]", "first") + b"\r", None),
        (line("[1,2,3,NaN]"), NUMBERS),
        (line("[1,2,3,-Infinity]") + b"\r", NUMBERS),
        (line("[1,2,3,1e39]"), NUMBERS),
        (line("[1,2,3,1e999]"), NUMBERS),
        (line("[1,2,3," + "9" * 400 + "]"), NUMBERS),
        (b"", None),
        (line("[1,2,3,[4]]"), LIST),
        (line('[1,2,3,"4"]'), LIST),
        (line("[1,2,3,true]"), LIST),
        (line("[1,2,3,null]"), LIST),
        (line("[1,2,3]"), "dimension mismatch: got 3 expected 4"),
        (line("[5,6,7,8]", "twice"), None),
        (b'{"id":"\xff\xfe","values":[1,2,3,4]}', "invalid json"),
        (b'{"id":"long","values":[1,2,3,4],"x":"' + b"x" * MAX_LINE_BYTES + b'"}', LONG_LINE),
        (line("[8,7,6,5]", "twice"), None),
        (line("[0,-0.0,1e-46,3.4028234e38]", "last"), None),
    ]
    expected = [(number, reason) for number, (_, reason) in enumerate(lines, 1) if reason]
    body = b"\n".join(text for text, _ in lines)
    for size in (50_000, len(body) // 7, len(body)):
        monkeypatch.setattr(plan, "CHUNK_BYTES", size)
        world, dataset = a_world()
        job = started(world, dataset, body)
        assert run(world, job).succeeded
        done = get_import(world.ports, dataset, job.import_id)
        assert (done.status, done.error_message) == (ImportStatus.COMPLETED, None)
        assert (done.records_processed, done.records_accepted, done.records_rejected) == (16, 4, 12)
        assert [(each["line"], each["reason"]) for each in rejects(world, job)] == expected
        assert world.stored(dataset, ["first", "twice", "last", "x", "long"]) == {
            "first": record(1, 2, 3, 4),
            "twice": record(8, 7, 6, 5),
            "last": record(0, -0.0, 1e-46, 3.4028234e38),
        }
        assert (world.head(dataset).row_count, used(world)) == (4, 4)


def test_bad_rows_of_parquet_and_ids_in_several_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[tuple[str | None, Any, str | None]] = [
        ("a", [1.0, 2.0, 3.0, 4.0], None),
        ("b", None, LIST),
        (None, [1.0, 2.0, 3.0, 4.0], "id must be a non-empty string"),
        ("c", [1.0, None, 3.0, 4.0], LIST),
        ("d", [1.0, 2.0, 3.0], "dimension mismatch: got 3 expected 4"),
        ("e", [1.0, 2.0, 3.0, float("nan")], NUMBERS),
        ("f", [1.0, 2.0, 3.0, 1e39], NUMBERS),
        ("a", [4.0, 3.0, 2.0, 1.0], None),
    ]
    table = table_of(
        [name for name, _, _ in rows], [values for _, values, _ in rows], kind=pa.list_(pa.float64())
    )
    monkeypatch.setattr(parquet_plan, "MAX_CHUNK_BYTES", 1)
    world, dataset = a_world()
    body = parquet_bytes(table, row_group_size=1)
    job = started(world, dataset, body, file_format=ImportFormat.PARQUET)
    assert run(world, job).succeeded
    assert [(each["line"], each["reason"]) for each in rejects(world, job)] == [
        (number, reason) for number, (_, _, reason) in enumerate(rows, 1) if reason
    ]
    assert world.stored(dataset, "abcdef") == {"a": record(4, 3, 2, 1)}
    assert (world.head(dataset).row_count, used(world)) == (2, 2)


def test_what_is_put_after_the_import_began_is_not_looked_at() -> None:
    world, dataset = a_world()
    job = started(world, dataset, GOOD)
    uploaded(world, job, b'{"id":"later","values":[1,2,3,4]}')
    assert not start_uploaded(world.ports, keys_of_import(job).upload)
    assert run(world, job).succeeded
    assert world.stored(dataset, ["later", "n19"]) == {"n19": record(19, 1, 2, 3)}


def test_a_file_over_the_limit_fails_when_the_event_tells_of_it() -> None:
    world, dataset = a_world()
    job = created(world, dataset)
    world.table.put({**(world.table.get(keys_of_import(job).item) or {}), "max_bytes": 3})
    uploaded(world, job, b"four")
    assert not start_uploaded(world.ports, keys_of_import(job).upload)
    failed = get_import(world.ports, dataset, job.import_id)
    assert failed.error_message == "the file has 4 bytes, and an upload may have 3; split the file"
    assert world.imports.started == {}
    check_untouched(world, dataset)


def test_of_two_imports_that_fit_alone_one_crosses_the_quota() -> None:
    world, dataset = a_world()
    first, second = (started(world, dataset, GOOD, quota=25) for _ in range(2))
    for job in (first, second):
        # The second settles while the first holds its rows, before they are known to be the same ones.
        assert run(world, job).succeeded
    failed = get_import(world.ports, dataset, second.import_id)
    assert failed.status is ImportStatus.FAILED
    assert (failed.error_message or "").startswith("vector_quota_exceeded: 20 records")
    world.drain(dataset)
    head = world.head(dataset)
    assert (head.row_count, head.open_imports, used(world)) == (21, 0, 21)
