"""Golden files: objects as released, which every later release has to read.

They are never written again. A new format version gets files of its own, made by `released()` once:
``python -m tests.unit.index.test_golden`` writes those that are missing.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from pyroaring import BitMap

from shoal.index import dead_rows, id_index, id_run, log_codec
from shoal.index.cell_blocks import BLOCK, CellRows, decode_block, encode_blocks
from shoal.index.cell_records import CellRecords, encode_cell_records
from shoal.index.cell_set import CELL, decode_cell_set, encode_cell_set
from shoal.index.checksums import digest128
from shoal.index.column_file import Blobs, Columns, decode_columns, encode_columns
from shoal.index.geometry import Geometry
from shoal.index.graph import build_graph, load_graph
from shoal.index.log_codec import LogDelete, LogDeleteWhere, LogPatch, LogUpsert, SelectionJson
from shoal.index.properties import PropertyFront, check_section, encode_properties
from shoal.index.records import Records, write_records
from shoal.index.shard import decode_vectors, encode_shard
from shoal.model.datasets import Metric
from shoal.model.manifests import FileRef, ShardRef
from shoal.model.records import Rows
from shoal.model.selection import Selection
from shoal.model.writes import WriteCondition
from tests.unit.index.hexfile import read_hex, write_hex
from tests.unit.index.property_worlds import TINY
from tests.unit.index.test_records import where

GOLDEN = Path(__file__).parent / "golden"
IDS = ("a", "é/🙂", "x" * 40)
METADATA = (b"{}", '{"service":"é","tags":["x","y"]}'.encode(), b'{"n":1,"deep":{"n":1.0}}')
BITS = [
    [0x3F800000, 0x80000000, 0x00000001],
    [0x7F7FFFFF, 0xC0490FDB, 0],
    [0x40000000, 0x40400000, 0x40800000],
]
VECTORS = np.array(BITS, dtype=np.uint32).view(np.float32)
ROWS = Rows(IDS, np.array([7, 2**40, 9], dtype=np.uint64), VECTORS, METADATA)
TEXTS: dict[str, Any] = {"namespaces": ("", "é/ä", "n"), "documents": ("ä text".encode(), b"", b'"x"' * 40)}
REMOVED = ("é/🙂\x1f1", "a\x1f15")
NEWER = WriteCondition("if_newer_than", "version.at")
SELECTION = SelectionJson("é/ä", "doc/", {"$or": [{"n": {"$gte": 1.0}}, {"tags": {"$in": ["x", 1, True]}}]})
PROPERTIES: list[dict[str, Any]] = [
    {"n": 2**53 + n, "x": n / 4, "tags": [f"t{n % 3}", n % 2 == 0], "deep": {"big": 2**63 + n}}
    for n in range(9)
] + [{"n": -1, "é.x": None, "text": "x" * 300}, {}]
HASHES = id_index.hash_ids([*IDS, "gone"], bytes(range(16)))
DEAD = {"0001": BitMap([0, 5, 70_000]), "0002": BitMap(range(1000))}
CLOUD = (np.arange(36, dtype=np.float32).reshape(12, 3) % np.float32(7)) + np.float32(0.5)
CELL_SHARDS = tuple(
    ShardRef(
        shard_id=name,
        rows=rows,
        min_sequence=7,
        max_sequence=7,
        files={
            "vectors.f32": FileRef(size=rows * 12, sha256="0" * 64),
            "records.cells": FileRef(size=999, sha256="f" * 64),
        },
    )
    for name, rows in (("0001", 5), ("0002", 4))
)
CELL_TABLE = np.array(
    [
        (0, 0, 2, 0, 100, digest128(b"a"), digest128(b"b")),
        (0, 2, 3, 100, 899, digest128(b"c"), digest128(b"d")),
        (1, 0, 4, 7, 99, digest128(b"e"), digest128(b"f")),
    ],
    dtype=CELL,
)
SIGNPOSTS = np.array([[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0.6, 0.8]], dtype=np.float32)


IDS_AS_BLOBS = Blobs.of([name.encode() for name in IDS])
COLUMNS = Columns(IDS_AS_BLOBS, VECTORS, Blobs.of(METADATA))
COLUMNS_WITH_ALL = Columns(
    IDS_AS_BLOBS,
    VECTORS,
    Blobs.of(METADATA),
    Blobs.of([value.encode() for value in TEXTS["namespaces"]]),
    Blobs.of(TEXTS["documents"]),
    ROWS.sequences,
)


def cell_records(columns: Columns) -> bytes:
    """The records of a cell of these rows, which carry the sequences of `ROWS`."""
    return encode_cell_records(
        ROWS.sequences, columns.ids, columns.metadata, columns.namespaces, columns.documents
    )


def cell_block(columns: Columns) -> bytes:
    """The block of a cell of these rows."""
    return bytes(encode_blocks(CellRows(columns, HASHES[:3]), np.zeros(3, dtype=np.int64), 1)[0])


def cell_set(metric: Metric) -> bytes:
    """Three cells in two shards."""
    geometry = Geometry(metric, 3, 2.0, -1 if metric is Metric.DOT else 0)
    signposts = np.ascontiguousarray(SIGNPOSTS[:, : geometry.width])
    return encode_cell_set(CELL_SHARDS, CELL_TABLE, geometry, signposts)


def entries() -> id_index.Entries:
    """Three rows and a tombstone."""
    return id_index.combine(
        [
            id_index.tombstones(HASHES[3:], np.array([11], dtype=np.uint64)),
            id_index.entries(HASHES[:3], ROWS.sequences, "0001", np.arange(3)),
        ],
        drop_tombstones_up_to=None,
    )


def properties() -> tuple[bytes, bytes]:
    """Front and sections of a few rows, in blocks of both forms."""
    namespaces = ["", "é"] * 5 + ["é"]
    return encode_properties(map(orjson.dumps, PROPERTIES), namespaces, sizes=TINY)


def released() -> Mapping[str, bytes]:
    """Every kind of object in its current version."""
    files = encode_shard(ROWS)
    return {
        "log_upsert.v1": log_codec.encode_upsert(IDS, VECTORS, METADATA),
        "log_delete.v1": log_codec.encode_delete(IDS),
        "log_upsert.v2": log_codec.encode_upsert(IDS, VECTORS, METADATA, **TEXTS, condition=NEWER),
        "log_upsert_removed.v2": log_codec.encode_upsert(IDS, VECTORS, METADATA, removed=REMOVED),
        "log_delete_where.v2": log_codec.encode_delete_where(SELECTION),
        "log_patch.v2": log_codec.encode_patch(IDS, METADATA),
        "vectors.v1": bytes(files["vectors.f32"]),
        "records.v1": write_records(ROWS),
        "records.v2": write_records(replace(ROWS, **TEXTS)),
        "id_run.v1": id_run.encode_run(entries()),
        "dead.v1": dead_rows.encode(DEAD),
        "cell_records.v1": cell_records(COLUMNS),
        "cell_records.v2": cell_records(COLUMNS_WITH_ALL),
        "columns.v1": encode_columns(COLUMNS),
        "columns.v2": encode_columns(COLUMNS_WITH_ALL),
        "cell_block.v1": cell_block(COLUMNS),
        "cell_block.v2": cell_block(COLUMNS_WITH_ALL),
        **dict(zip(("properties_front.v1", "properties.v1"), properties(), strict=True)),
        **{f"cell_set_{m}.v1": cell_set(m) for m in Metric},
        **{f"graph_{m}.v1": build_graph(CLOUD, m, m=4, threads=1).save() for m in Metric},
    }


def golden(name: str) -> bytes:
    return read_hex(GOLDEN / f"{name}.hex")


def test_log() -> None:
    upsert = log_codec.decode(golden("log_upsert.v1"))
    assert isinstance(upsert, LogUpsert)
    assert (upsert.ids, upsert.metadata) == (IDS, METADATA)
    assert upsert.vectors.view(np.uint32).tolist() == BITS
    assert log_codec.decode(golden("log_delete.v1")) == LogDelete(IDS)


def test_log_of_version_2() -> None:
    upsert = log_codec.decode(golden("log_upsert.v2"))
    assert isinstance(upsert, LogUpsert)
    assert (upsert.ids, upsert.metadata, upsert.condition) == (IDS, METADATA, NEWER)
    assert upsert.vectors.view(np.uint32).tolist() == BITS
    assert {"namespaces": upsert.namespaces, "documents": upsert.documents} == TEXTS
    assert upsert.removed == ()
    removing = log_codec.decode(golden("log_upsert_removed.v2"))
    assert isinstance(removing, LogUpsert)
    assert (removing.ids, removing.metadata, removing.removed) == (IDS, METADATA, REMOVED)
    assert removing.vectors.view(np.uint32).tolist() == BITS
    assert log_codec.decode(golden("log_delete_where.v2")) == LogDeleteWhere(SELECTION.parsed())
    assert log_codec.decode(golden("log_patch.v2")) == LogPatch(IDS, METADATA)


def test_shard() -> None:
    assert decode_vectors(golden("vectors.v1"), 3, 3).view(np.uint32).tolist() == BITS
    records = Records(golden("records.v1"))
    ids, sequences, metadata = records.all()
    assert (ids, metadata, sequences.tolist()) == (IDS, METADATA, [7, 2**40, 9])
    assert records.matching(where({"tags": "y"})).tolist() == [1]
    records.close()


@pytest.mark.parametrize(
    "opened", [lambda: Records(golden("records.v2")), lambda: CellRecords(golden("cell_records.v2"))]
)
def test_records_with_texts(opened: Callable[[], Records | CellRecords]) -> None:
    records = opened()
    assert records.columns().with_vectors(VECTORS).documents == TEXTS["documents"]
    found = records.by_rows([0, 1, 2])
    assert [found[row].namespace for row in range(3)] == list(TEXTS["namespaces"])
    assert records.matching(Selection(namespace="é/ä", filter=where({"tags": "y"}).filter)).tolist() == [1]
    records.close()


@pytest.mark.parametrize(("version", "wanted"), [("v1", COLUMNS), ("v2", COLUMNS_WITH_ALL)])
def test_columns_and_blocks(version: str, wanted: Columns) -> None:
    """What imports and compactions leave for their next step, which may be one of the next release."""
    block = golden(f"cell_block.{version}")
    entry = np.array([(3, len(block), digest128(block))], dtype=BLOCK)[0]
    rows = decode_block(block, entry, 3)
    assert np.array_equal(rows.hashes, HASHES[:3])
    for found in (decode_columns(golden(f"columns.{version}")), rows.columns):
        for name in ("ids", "metadata", "namespaces", "documents"):
            assert getattr(found, name).tolist() == getattr(wanted, name).tolist()
        assert found.vectors.view(np.uint32).tolist() == BITS
        assert (found.sequences is None) == (version == "v1")
        assert found.sequences is None or np.array_equal(found.sequences, ROWS.sequences)


def test_id_index() -> None:
    """The hash itself is part of the format."""
    located = id_index.find([id_run.decode_run(golden("id_run.v1"))], HASHES)
    assert located.found.all()
    assert located.row.tolist() == [0, 1, 2, -1]
    assert located.sequence.tolist() == [7, 2**40, 9, 11]
    assert located.shard_ids == ("0001",)
    front = id_run.RunFront.parse(golden("id_run.v1"))
    assert len(front.blocks_of(HASHES)) == 1


def test_dead_rows() -> None:
    assert dead_rows.decode(golden("dead.v1")) == DEAD


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ({"n": {"$gt": 2**53 + 6}}, [7, 8]),
        ({"x": {"$lte": 0.5}}, [0, 1, 2]),
        ({"tags": "t1", "n": {"$lt": 2**53 + 5}}, [1, 4]),
        ({"tags": True}, [0, 2, 4, 6, 8]),
        ({"deep.big": {"$in": [2**63 + 3, 3]}}, [3]),
        ({"é.x": {"$exists": True}}, [9]),
        ({"deep": {"$exists": False}}, [9, 10]),
        ({"text": "x"}, None),
    ],
)
def test_properties(condition: dict[str, Any], rows: list[int] | None) -> None:
    front, sections = PropertyFront.parse(golden("properties_front.v1")), golden("properties.v1")
    places = front.sections_for(where(condition))
    assert (places is None) == (rows is None)
    read = {place: check_section(sections[place.start : place.stop], place) for place in places or ()}
    assert rows is None or list(front.matching(where(condition), read)) == rows
    assert front.bounds(Selection(namespace="é")) == (6, 6)


def test_cell_records() -> None:
    records = CellRecords(golden("cell_records.v1"))
    ids, sequences, metadata = records.all()
    assert (ids, metadata, sequences.tolist()) == (IDS, METADATA, [7, 2**40, 9])
    assert records.matching(where({"tags": "y"})).tolist() == [1]


@pytest.mark.parametrize("metric", list(Metric))
def test_cell_set(metric: Metric) -> None:
    found = decode_cell_set(golden(f"cell_set_{metric}.v1"), dimension=3, metric=metric)
    assert found.shards == CELL_SHARDS
    assert np.array_equal(found.table, CELL_TABLE)
    assert np.array_equal(found.probing.signposts, SIGNPOSTS[:, : found.geometry.width])
    for number, direction in enumerate(SIGNPOSTS[:, :3]):
        assert found.nearest(direction, 1).tolist() == [number]


@pytest.mark.parametrize("metric", list(Metric))
def test_graph(metric: Metric) -> None:
    graph = load_graph(golden(f"graph_{metric}.v1"), dimension=3, metric=metric, rows=12)
    again = build_graph(CLOUD, metric, m=4, threads=1)
    for query in CLOUD:
        rows, scores = graph.search(query, 12, 50)
        expected_rows, expected_scores = again.search(query, 12, 50)
        assert sorted(rows.tolist()) == list(range(12)) == sorted(expected_rows.tolist())
        assert np.allclose(scores, expected_scores, rtol=1e-5, atol=1e-6)
    graph.extend(CLOUD[:2])
    assert len(graph) == 14


@pytest.mark.parametrize(
    "name",
    [
        *("log_upsert.v1", "log_delete.v1", "vectors.v1", "id_run.v1", "dead.v1"),
        *("properties_front.v1", "properties.v1"),
        *("log_upsert.v2", "log_upsert_removed.v2", "log_delete_where.v2", "log_patch.v2"),
        *(
            f"{name}.{version}"
            for name in ("cell_records", "columns", "cell_block")
            for version in ("v1", "v2")
        ),
        *(f"cell_set_{metric}.v1" for metric in Metric),
    ],
)
def test_what_is_written_today_is_what_was_released(name: str) -> None:
    """Where the bytes are all ours. The others hold the version of SQLite and the levels that hnswlib drew."""
    assert released()[name] == golden(name)


def test_every_released_object_has_its_file() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {f"{name}.hex" for name in released()}


def write_missing() -> None:
    """Write golden files that are not there yet."""
    for name, data in released().items():
        path = GOLDEN / f"{name}.hex"
        if not path.exists():
            write_hex(path, data)


if __name__ == "__main__":
    write_missing()
