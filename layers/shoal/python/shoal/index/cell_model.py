"""What training leaves for the steps after it: centroids, and the queries that calibration is made with."""

import numpy as np

from shoal.errors import CorruptObject
from shoal.index.cell_recall import Queries
from shoal.index.centroids import Centroids, centroids_of
from shoal.index.checksums import Buffer
from shoal.index.container import count_of, pack, section_of, unpack
from shoal.index.geometry import Geometry

KIND = "cell-model"
FORMAT = 1
_MAX_CELLS = 1_000_000
_MAX_QUERIES = 100_000


def encode_model(centroids: Centroids, queries: Queries) -> bytes:
    """Build the object."""
    attributes = {
        "cells": len(centroids),
        "queries": len(queries.vectors),
        "rows": queries.rows,
        "directions": int(centroids.directions.shape[1]),
        **centroids.geometry.attributes,
    }
    sections = {
        "centroids": np.ascontiguousarray(centroids.placed, dtype="<f4").tobytes(),
        "directions": np.ascontiguousarray(centroids.directions, dtype="<f4").tobytes(),
        "queries": np.ascontiguousarray(queries.vectors, dtype="<f4").tobytes(),
        "left_out": np.ascontiguousarray(queries.left_out, dtype="<u8").tobytes(),
        "limits": np.ascontiguousarray(queries.limits, dtype="<f4").tobytes(),
    }
    return pack(KIND, FORMAT, attributes, sections)


def decode_model(data: Buffer) -> tuple[Centroids, Queries]:
    """Read the object, after its checksum has been compared.

    Raises:
        CorruptObject: it is not one.
    """
    container = unpack(KIND, data, versions=(FORMAT,))
    geometry = Geometry.from_attributes(container.attributes)
    cells = count_of(container.attributes, "cells", most=_MAX_CELLS)
    asked = count_of(container.attributes, "queries", most=_MAX_QUERIES)
    rows = count_of(container.attributes, "rows", most=asked)
    short = count_of(container.attributes, "directions", most=geometry.width)
    raw = section_of(container, "directions", size=geometry.width * short * 4)
    directions = np.frombuffer(raw, dtype="<f4").reshape(geometry.width, short)
    placed = np.frombuffer(section_of(container, "centroids", size=cells * geometry.width * 4), dtype="<f4")
    vectors = np.frombuffer(
        section_of(container, "queries", size=asked * geometry.dimension * 4), dtype="<f4"
    )
    left_out = np.frombuffer(section_of(container, "left_out", size=asked * 16), dtype="<u8")
    limits = np.frombuffer(section_of(container, "limits", size=asked * 4), dtype="<f4")
    if not cells:
        raise CorruptObject("cell model: no centroids")
    queries = Queries(
        vectors.reshape(asked, geometry.dimension).astype(np.float32, copy=False),
        left_out.reshape(asked, 2).astype(np.uint64, copy=False),
        rows,
        limits.astype(np.float32, copy=False),
    )
    centroids = centroids_of(
        geometry,
        placed.reshape(cells, -1).astype(np.float32, copy=False),
        directions=directions.astype(np.float32, copy=False),
    )
    return centroids, queries
