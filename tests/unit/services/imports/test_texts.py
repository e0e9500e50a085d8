"""Namespaces and documents of an import: from the file into the shard or the cells, and back out of them."""

import io
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shoal.model.datasets import Dataset
from shoal.model.imports import ErrorMode, ImportFormat
from shoal.model.queries import Match
from shoal.model.selection import Selection
from shoal.services.fetch import fetch
from shoal.services.imports.lifecycle import complete_import, create_import
from shoal.services.matching import matching_rows
from shoal.services.winners import Shelf, spots_of
from tests.unit.services.imports.small import uploaded
from tests.unit.services.imports.test_whole import LAYOUTS, execute
from tests.unit.services.world import World

ROWS = 90
NAMESPACES = ("", "books", "é/ä")


def records() -> list[dict[str, Any]]:
    """Rows of three namespaces; every fourth has a document, some ids come twice."""
    vectors = np.random.default_rng(5).normal(size=(ROWS, 4)).astype(np.float32)
    return [
        {
            "id": f"id/{row % (ROWS - 3)}",
            "values": vector.tolist(),
            "metadata": {"row": row},
            "namespace": NAMESPACES[row % 3] or None,
            "document": None if row % 4 else f'text {row} "é" ' * (row + 1),
        }
        for row, vector in enumerate(vectors)
    ]


def as_ndjson(rows: list[dict[str, Any]]) -> bytes:
    return b"\n".join(map(orjson.dumps, rows))


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), written, row_group_size=40)
    return written.getvalue()


def fetched(world: World, dataset: Dataset, ids: list[str], *, include_document: bool) -> dict[str, Match]:
    found = fetch(
        world.searcher,
        dataset.tenant_id,
        scope=dataset.scope,
        name=dataset.name,
        ids=ids,
        include_values=False,
        include_document=include_document,
    )
    assert (found.missing_ids, found.unprocessed_ids) == ((), ())
    return {record.id: record for record in found.records}


@LAYOUTS
@pytest.mark.parametrize("kind", [ImportFormat.NDJSON, ImportFormat.PARQUET])
def test_texts_come_back(invoke: Any, kind: ImportFormat) -> None:
    world = World()
    dataset = world.create()
    rows = records()
    wanted = {row["id"]: row for row in rows}
    job, _ = create_import(
        world.ports,
        dataset,
        file_format=kind,
        multipart=False,
        error_mode=ErrorMode.ABORT,
        max_bad_records=None,
        vector_quota=1000,
    )
    uploaded(world, job, as_ndjson(rows) if kind is ImportFormat.NDJSON else as_parquet(rows))
    complete_import(world.ports, dataset, job.import_id, parts=None)
    assert execute(world, job, lambda function, payload: invoke(world.ports, function, payload)).succeeded

    shown = fetched(world, dataset, list(wanted), include_document=True)
    assert {name: (record.namespace, record.document.decode()) for name, record in shown.items()} == {
        name: (row["namespace"] or "", row["document"] or "") for name, row in wanted.items()
    }
    assert not any(r.document for r in fetched(world, dataset, list(wanted), include_document=False).values())

    answer = world.query(dataset, rows[-1]["values"], top_k=5)
    assert [match.namespace for match in answer.matches] == [
        wanted[match.id]["namespace"] or "" for match in answer.matches
    ]
    assert not any(match.document for match in answer.matches)

    snapshot = world.searcher.snapshot(dataset.tenant_id, scope=dataset.scope, name=dataset.name)
    assert snapshot is not None
    for namespace in (*NAMESPACES, "none such"):
        spots = spots_of(
            snapshot,
            [
                (source, row)
                for source, numbers in matching_rows(snapshot, Selection(namespace=namespace, prefix="id/1"))
                for row in numbers.tolist()
            ],
        )
        shelf = Shelf(snapshot.reader)
        shelf.load(spots, include_values=False)
        assert {record.id for record in shelf.records(spots)} == {
            name
            for name, row in wanted.items()
            if (row["namespace"] or "") == namespace and name.startswith("id/1")
        }
