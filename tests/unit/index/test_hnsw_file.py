"""No hnswlib file is taken on trust, and none stays behind."""

import os
import struct

import numpy as np
import pytest

from shoal.errors import CorruptObject
from shoal.index.container import pack, unpack
from shoal.index.graph import build_graph, load_graph
from shoal.model.datasets import Metric
from shoal.model.records import Vectors

METRICS = list(Metric)


def cloud(rows: int, dimension: int, *, seed: int = 0, scale: float = 1.0) -> Vectors:
    found: Vectors = np.random.default_rng(seed).standard_normal((rows, dimension)).astype(np.float32)
    return found * np.float32(scale)


def test_a_graph_of_other_rows_dimension_or_metric_is_corrupt() -> None:
    saved = build_graph(cloud(10, 4), Metric.L2).save()
    for dimension, metric, rows in (
        (5, Metric.L2, 10),
        (4, Metric.DOT, 10),
        (4, Metric.L2, 9),
        (4, Metric.L2, 11),
    ):
        with pytest.raises(CorruptObject):
            load_graph(saved, dimension=dimension, metric=metric, rows=rows)


def damaged(change: tuple[int, bytes]) -> bytes:
    """A saved graph of 10 rows and 4 values with some bytes of its hnswlib file replaced."""
    container = unpack("hnsw", build_graph(cloud(10, 4), Metric.L2).save(), versions=(1,))
    file = bytearray(container.sections["hnswlib"])
    place, replacement = change
    file[place : place + len(replacement)] = replacement
    return pack("hnsw", 1, container.attributes, {"hnswlib": bytes(file)})


LINKS = 4 + 32 * 4
ELEMENT = LINKS + 4 * 4 + 8


@pytest.mark.parametrize(
    "change",
    [
        (0, struct.pack("<Q", 8)),
        (8, struct.pack("<Q", 9)),
        (16, struct.pack("<Q", 11)),
        (24, struct.pack("<Q", ELEMENT + 4)),
        (32, struct.pack("<Q", LINKS)),
        (40, struct.pack("<Q", LINKS + 4)),
        (48, struct.pack("<i", -1)),
        (48, struct.pack("<i", 1000)),
        (52, struct.pack("<I", 10)),
        (56, struct.pack("<Q", 8)),
        (64, struct.pack("<Q", 2**60)),
        (72, struct.pack("<Q", 2**60)),
        (80, struct.pack("<d", float("nan"))),
        (96, struct.pack("<H", 33)),
        (98, b"\x01"),
        (100, struct.pack("<I", 10)),
        (96 + ELEMENT - 8, struct.pack("<Q", 10)),
        (96 + ELEMENT - 8, struct.pack("<Q", 3)),
        (96 + 10 * ELEMENT, b"\xff\xff\xff\xff"),
    ],
)
def test_a_file_that_hnswlib_would_follow_anywhere_is_corrupt(change: tuple[int, bytes]) -> None:
    with pytest.raises(CorruptObject):
        load_graph(damaged(change), dimension=4, metric=Metric.L2, rows=10)


@pytest.mark.parametrize(
    "attributes",
    [
        {"metric": "l1"},
        {"max_norm": 1},
        {"max_norm": None},
        {"exponent": 0.0},
        {"exponent": 999},
        {"structure": "flat"},
    ],
)
def test_malformed_attributes_are_corrupt(attributes: dict[str, object]) -> None:
    container = unpack("hnsw", build_graph(cloud(10, 4), Metric.L2).save(), versions=(1,))
    changed = pack("hnsw", 1, {**container.attributes, **attributes}, container.sections)
    with pytest.raises(CorruptObject):
        load_graph(changed, dimension=4, metric=Metric.L2, rows=10)


def test_a_cut_file_is_corrupt() -> None:
    container = unpack("hnsw", build_graph(cloud(10, 4), Metric.L2).save(), versions=(1,))
    file = bytes(container.sections["hnswlib"])
    for size in (0, 50, 96, len(file) - 1, len(file) - 4):
        with pytest.raises(CorruptObject):
            load_graph(
                pack("hnsw", 1, container.attributes, {"hnswlib": file[:size]}),
                dimension=4,
                metric=Metric.L2,
                rows=10,
            )


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")  # noqa: PTH112 - descriptors, not files
def test_no_descriptor_stays_open() -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - descriptors, not files
    saved = build_graph(cloud(10, 4), Metric.L2).save()
    graph = load_graph(saved, dimension=4, metric=Metric.L2, rows=10)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - descriptors, not files
    assert graph.memory_bytes > 10 * (4 * 4 + 33 * 4)
