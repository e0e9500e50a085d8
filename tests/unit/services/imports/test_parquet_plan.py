"""What is seen of a Parquet file before anything of it is read, and the pieces that it is split into."""

import base64
import contextlib
import io
import subprocess
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import ImportRejected
from shoal.services.imports import parquet, parquet_open, parquet_plan
from shoal.services.imports.parquet_plan import RowGroup, inspect_parquet, plan_parquet
from shoal.services.imports.parquet_probe import is_footer_sound
from tests.unit.services.imports.parquet_world import parquet_bytes, table_of, validated, work_on

GOOD = parquet_bytes(table_of(["a", "b"], [[1.0, 2.0], [3.0, 4.0]]))


def refused(data: bytes | pa.Table, **options: Any) -> str:
    work = work_on(data, **options)
    with pytest.raises(ImportRejected) as caught:
        inspect_parquet(work)
    with pytest.raises(ImportRejected):
        plan_parquet(work, probe=False)
    return caught.value.message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"PAR1", "cut short"),
        (b"PAR1PAR1", "cut short"),
        (b'{"id":"a","values":[1,2]}\n', "create the import with format ndjson"),
        (b"\x1f\x8b\x08" + bytes(20), "unpack it"),
        (b"PK\x03\x04" + bytes(20), "does not begin with PAR1"),
        (GOOD[:-1], "cut short: its end is missing"),
        (GOOD[:-40], "cut short: its end is missing"),
        (GOOD[: len(GOOD) // 2], "cut short: its end is missing"),
        (GOOD[:4] + GOOD[-8:], "its footer is larger than the file"),
        (GOOD[:-8] + b"\xff\xff\xff\x7fPAR1", "its footer is larger than the file"),
        (GOOD[:-8] + b"\x05\x00\x00\x00PAR1", "its footer cannot be read"),
        (GOOD[:4] + GOOD[60:], "lies outside of the file"),
        (GOOD[:-4] + b"PARE", "encrypted"),
        (b"PARE" + GOOD[4:-4] + b"PARE", "encrypted"),
    ],
    ids=range(15),
)
def test_what_is_no_whole_parquet_file_is_said(data: bytes, message: str) -> None:
    assert message in refused(data)


def test_a_large_footer_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_open, "MAX_FOOTER_BYTES", 100)
    assert "at most 100 are read: write fewer row groups" in refused(GOOD)


FLOATS = pa.array([[1.0, 2.0]], type=pa.list_(pa.float32()))
IDS = pa.array(["a"])


def nested_list() -> pa.Array:
    return pa.array([[[1.0], [2.0]]], type=pa.list_(pa.list_(pa.float32())))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"values": FLOATS}, "column id is missing: expected string; the columns are values"),
        ({"id": IDS}, "column values is missing: expected list<float>; the columns are id"),
        ({"ID": IDS, "values": FLOATS}, "column id is missing"),
        ({"id": pa.array([1]), "values": FLOATS}, "column id is int64: expected string"),
        ({"id": pa.array([b"a"]), "values": FLOATS}, "column id is binary: expected string"),
        ({"id": IDS, "values": pa.array([1.0])}, "column values is double: expected list<float>"),
        ({"id": IDS, "values": pa.array(["1,2"])}, "column values is string: expected list<float>"),
        (
            {"id": IDS, "values": pa.array([["1"]])},
            "column values is list<element: string>: expected list<float>",
        ),
        (
            {"id": IDS, "values": pa.array([[True]])},
            "column values is list<element: bool>: expected list<float>",
        ),
        ({"id": IDS, "values": nested_list()}, "list<element: list<element: float>>: expected list<float>"),
        (
            {"id": IDS, "values": pa.array([[1.0, 2.0, 3.0]], type=pa.list_(pa.float32(), 3))},
            "column values is fixed_size_list<element: float>[3]: expected vectors of the dataset's dimension 2",
        ),
        (
            {"id": IDS, "values": FLOATS, "metadata": pa.array([1])},
            "column metadata is int64: expected a struct",
        ),
        (
            {"id": IDS, "values": FLOATS, "metadata": pa.array([{"a": {"raw": b"1"}}])},
            "column metadata.a.raw is binary, which JSON has no value for: leave it out, or write it as a string",
        ),
        (
            {
                "id": IDS,
                "values": FLOATS,
                "metadata": pa.array([[(1, 2)]], type=pa.map_(pa.int8(), pa.int8())),
            },
            "expected keys that are strings",
        ),
        (
            {
                "id": IDS,
                "values": FLOATS,
                "metadata": pa.array([{"a": 1}], type=pa.struct({"a": pa.duration("s")})),
            },
            "column metadata.a is duration[s]",
        ),
    ],
    ids=range(15),
)
def test_the_column_that_is_wrong_is_named(columns: dict[str, pa.Array], message: str) -> None:
    assert message in refused(pa.table(columns))


def test_a_column_may_be_there_once_only() -> None:
    table = pa.table([IDS, FLOATS, FLOATS], names=["id", "values", "values"])
    assert "column values is there more than once" in refused(table)


@pytest.mark.parametrize("groups", [0, 2])
def test_a_file_without_rows_holds_no_records(groups: int) -> None:
    empty = table_of([], [])
    written = io.BytesIO()
    with pq.ParquetWriter(written, empty.schema) as writer:
        for _ in range(groups):
            writer.write_table(empty)
    assert refused(written.getvalue()) == "the file holds no records"


def test_too_many_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_plan, "MAX_IMPORT_ROWS", 1)
    assert "holds 2 records, an import may have 1: split it" in refused(GOOD)


def test_a_huge_row_group_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """One value repeated takes no bytes in the file, and all of them when it is unpacked."""
    vectors = np.zeros((3000, 256), dtype=np.float32)
    values = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 256)
    data = parquet_bytes(table_of(map(str, range(3000)), values))
    assert len(data) < 60_000
    monkeypatch.setattr(parquet_plan, "MAX_ROW_GROUP_BYTES", 3_000_000)
    monkeypatch.setattr(parquet_plan, "MAX_CHUNK_BYTES", 1_000_000)
    assert refused(data, dimension=256) == (
        "row group 0 holds 3000 rows in 3 MB, at most 3 MB can be read at once:"
        " write row groups of at most 900 rows"
    )


def test_pages_are_looked_at_where_the_footer_lied(monkeypatch: pytest.MonkeyPatch) -> None:
    work = work_on(parquet_bytes(table_of(map(str, range(3000)), [[0.0, 0.0]] * 3000)))
    (chunk,) = plan_parquet(work, probe=False)
    monkeypatch.setattr(parquet, "claimed", lambda *_: RowGroup(3000, 1))
    monkeypatch.setattr(parquet_plan, "MAX_ROW_GROUP_BYTES", 20_000)
    with pytest.raises(ImportRejected, match="row group 0 holds 3000 rows in"):
        parquet.validate_parquet(work, chunk)


@pytest.mark.parametrize("rows", [2, 4])
def test_a_footer_that_lies_about_rows_is_found_out(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    work = work_on(table_of("abc", [[1, 2]] * 3))
    (chunk,) = plan_parquet(work, probe=False)
    monkeypatch.setattr(parquet, "claimed", lambda *_: RowGroup(rows, 1))
    with pytest.raises(ImportRejected, match=r"the Parquet file is broken: .*footer"):
        parquet.validate_parquet(work, chunk)


def test_long_strings_that_repeat_are_unpacked_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "BATCH_BYTES", 1000)
    metadata = pa.array([{"text": "y" * 900}] * 50)
    work = work_on(parquet_bytes(table_of(map(str, range(50)), [[1.0, 2.0]] * 50, metadata)))
    ((_, record),) = validated(work)
    assert record.accepted == 50


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=25), st.integers(1, 4000), st.integers(1, 5))
def test_pieces_hold_every_row_once_and_in_order(
    groups: list[int], most_bytes: int, most_groups: int
) -> None:
    written = io.BytesIO()
    table = table_of(map(str, range(sum(groups))), [[1.0, 2.0]] * sum(groups))
    with pq.ParquetWriter(written, table.schema) as writer:
        start = 0
        for rows in groups:
            writer.write_table(table.slice(start, rows))
            start += rows
    work = work_on(written.getvalue())
    if not sum(groups):
        return
    metadata = pq.read_metadata(io.BytesIO(written.getvalue()))
    counts = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_plan, "MAX_CHUNK_BYTES", most_bytes)
        patch.setattr(parquet_plan, "MAX_CHUNK_ROW_GROUPS", most_groups)
        chunks = plan_parquet(work, probe=False)
    numbers = [number for chunk in chunks for number in chunk.row_groups]
    assert numbers == [number for number, rows in enumerate(counts) if rows]
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    for chunk in chunks:
        assert chunk.sample_rows
        assert chunk.row_groups
        assert len(chunk.row_groups) <= most_groups
        assert chunk.first_row == sum(counts[: chunk.row_groups[0]])
        assert chunk.version_id == work.job.version_id


def test_metadata_that_pyarrow_dies_of_is_refused() -> None:
    """A schema that the counts of levels do not fit ends the process that asks for the column."""
    optional, required = b"\x25\x02\x18\x07element", b"\x25\x00\x18\x07element"
    assert GOOD.count(optional) == 1
    work = work_on(GOOD.replace(optional, required))
    for look in (inspect_parquet, plan_parquet):
        with pytest.raises(ImportRejected, match="its footer cannot be read"):
            look(work)


class NoKms(encryption.KmsClient):  # type: ignore[misc]  # pyarrow ships no types
    """Keeps keys as they are."""

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:
        return base64.b64encode(key_bytes)

    def unwrap_key(self, wrapped_key: bytes, master_key_identifier: str) -> bytes:
        return base64.b64decode(wrapped_key)


def test_columns_that_are_encrypted_are_refused() -> None:
    configuration = encryption.EncryptionConfiguration(
        footer_key="footer", column_keys={"columns": ["id"]}, plaintext_footer=True
    )
    factory = encryption.CryptoFactory(lambda _: NoKms())
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), configuration)
    data = parquet_bytes(table_of(["a"], [[1.0, 2.0]]), encryption_properties=properties)
    work = work_on(data)
    with pytest.raises(ImportRejected, match="broken or encrypted"):
        inspect_parquet(work)


@pytest.mark.parametrize("code", [0, 1, 3, -6])
def test_only_the_files_own_faults_are_put_on_it(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def ended(*_: object, **__: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess((), code)

    monkeypatch.setattr(subprocess, "run", ended)
    if code == 1:
        with pytest.raises(RuntimeError, match="ended with 1"):
            is_footer_sound(b"")
    else:
        assert is_footer_sound(b"") == (code == 0)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_no_damage_gets_out_as_anything_but_a_reason(data: st.DataObject) -> None:
    """Whatever is wrong with the bytes: rows, or a sentence for the owner; no other error."""
    base = bytearray(DAMAGED)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(base) - 1))
        base[place] = data.draw(st.integers(0, 255))
    work = work_on(bytes(base))
    with contextlib.suppress(ImportRejected):
        inspect_parquet(work)
        validated(work)


DAMAGED = parquet_bytes(
    table_of(
        ["a", "b", "a"],
        [[1.0, 2.0], None, [3.0, 4.0]],
        pa.array([{"t": "x", "n": [1]}, None, {"t": "y", "n": None}]),
    ),
    compression="none",
    write_statistics=False,
    store_schema=False,
)
