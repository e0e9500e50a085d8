"""A dataset with everything that one can hold, and what it must answer."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tests.e2e.steps import ndjson, packed

type Vectors = NDArray[np.float32]
ROWS, WIDTH = 22_500, 768
"""69 MB of vectors: more than stay one shard."""
CENTERS = 60
EVERY_CELL = 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a record: the vector as its bytes, the metadata as text (by rising names), so that equal
    means bit for bit, and 1 is not 1.0."""

    vector: bytes
    metadata: str
    namespace: str | None = None
    document: str | None = None


@dataclass
class Oracle:
    """What must be in the dataset, by id."""

    records: dict[str, Kept] = field(default_factory=dict)

    def put(self, record: Mapping[str, Any], vector: Vectors) -> None:
        """A record that was written."""
        self.records[record["id"]] = Kept(
            vector.tobytes(), text_of(record["metadata"]), record.get("namespace"), record.get("document")
        )

    def named(self, namespace: str) -> set[str]:
        """The ids in a namespace."""
        return {name for name, each in self.records.items() if each.namespace == namespace}


def text_of(metadata: Any) -> str:
    """JSON that is the same for the same values."""
    return json.dumps(metadata, sort_keys=True)


def vectors_around_centers(seed: int = 3) -> Vectors:
    """float32 of shape (ROWS, WIDTH), in clusters as embeddings are."""
    generator = np.random.default_rng(seed)
    centers = generator.normal(size=(CENTERS, WIDTH))
    return (
        centers[generator.integers(0, CENTERS, ROWS)] + 0.5 * generator.normal(size=(ROWS, WIDTH))
    ).astype(np.float32)


def record_of(number: int) -> dict[str, Any]:
    """Metadata of every kind of JSON, a namespace for most, a document for some; without values."""
    body: dict[str, Any] = {
        "id": f"r{number}",
        "metadata": {
            "n": number,
            "share": number % 100,
            "exact": 1.0 if number % 2 else 1,
            "third": number / 3,
            "large": 2**60 + number,
            "text": f'é "{number}"',
            "nested": {"none": None, "list": [number, str(number), True]},
        },
    }
    if number % 5:
        body["namespace"] = f"ns{number % 4}"
    if number % 3 == 0:
        body["document"] = f"document {number}\n" + "ü" * (number % 40)
    return body


def parquet_file(path: Path, vectors: Vectors, oracle: Oracle) -> Path:
    """The first records as a Parquet file."""
    records = [record_of(number) for number in range(len(vectors))]
    for record, vector in zip(records, vectors, strict=True):
        oracle.put(record, vector)
    starts = np.arange(0, vectors.size + 1, vectors.shape[1], dtype=np.int32)
    table = pa.table(
        {
            "id": [record["id"] for record in records],
            "values": pa.ListArray.from_arrays(starts, vectors.ravel()),
            "metadata": [json.dumps(record["metadata"]) for record in records],
            "namespace": pa.array([record.get("namespace") for record in records], pa.string()),
            "document": pa.array([record.get("document") for record in records], pa.string()),
        }
    )
    pq.write_table(table, path, row_group_size=5000, compression="zstd", use_dictionary=False)
    return path


def change(api: httpx.Client, dataset: str, vectors: Vectors, oracle: Oracle) -> None:
    """Write over records, add some, patch one, and delete by id, by filter and by namespace."""
    path = f"/v1/datasets/{dataset}/vectors"
    lines = []
    for number in range(400):
        new = number >= 100
        record = record_of(number) | {
            "id": f"new/{number}" if new else f"r{number}",
            "metadata": {"late": number},
        }
        vector = vectors[number] + np.float32(0.25 if new else 1)
        lines.append(record | {"values": vector.tolist()})
        oracle.put(record, vector)
    body, headers = packed(ndjson(*lines))
    _done(api.post(path, content=body, headers=headers, params={"wait": "indexed"}))
    gone = [f"r{number}" for number in range(1000, 1040)]
    assert (
        _done(api.post(f"{path}/delete", json={"ids": [*gone, "nobody"]}, params={"wait": "indexed"})) == 40
    )
    for name in gone:
        del oracle.records[name]
    chosen = {name for name, each in oracle.records.items() if '"share": 17,' in each.metadata}
    assert _done(api.post(f"{path}/delete", json={"filter": {"share": 17}})) == len(chosen)
    few = {name for name in oracle.named("ns3") if name.startswith("new/")}
    assert _done(api.post(f"{path}/delete", json={"namespace": "ns3", "prefix": "new/"})) == len(few)
    for name in chosen | few:
        del oracle.records[name]
    patch = {"metadata": {"patched": True, "n": None}}
    _done(api.patch(f"{path}/r2000", json=patch, params={"wait": "indexed"}))
    before = oracle.records["r2000"]
    metadata = json.loads(before.metadata) | {"patched": True}
    del metadata["n"]
    oracle.records["r2000"] = Kept(before.vector, text_of(metadata), before.namespace, before.document)


def _done(answer: httpx.Response) -> int:
    """How many records a write has deleted, once it is indexed."""
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["status"] == "indexed", told
    return int(told["result"]["deleted"])


def exported(folder: Path) -> dict[str, Kept]:
    """The records of an export that was downloaded."""
    found: dict[str, Kept] = {}
    for path in sorted(folder.glob("*.parquet")):
        table = pq.read_table(io.BytesIO(path.read_bytes()))
        values = np.asarray(table["values"].combine_chunks().flatten(), dtype=np.float32)
        rows = values.reshape(table.num_rows, -1)
        columns = (table[name].to_pylist() for name in ("id", "metadata", "namespace", "document"))
        for (name, metadata, namespace, document), row in zip(zip(*columns, strict=True), rows, strict=True):
            assert name not in found, name
            found[name] = Kept(row.tobytes(), text_of(json.loads(metadata)), namespace, document)
    return found


def asked(api: httpx.Client, dataset: str, questions: Vectors) -> list[list[tuple[Any, ...]]]:
    """What the dataset answers when it is asked exactly: plain, filtered, in a namespace, both; ids and scores."""
    ways: list[dict[str, Any]] = [
        {},
        {"filter": {"share": {"$lt": 3}}},
        {"filter": {"text": {"$startsWith": "é"}, "third": {"$gte": 5000}}},
        {"filter": {"patched": True}},
        {"namespace": "ns2"},
        {"namespace": "", "filter": {"nested.list": True}},
    ]
    answers = []
    for way in ways:
        for vector in questions:
            body = {"vector": vector.tolist(), "top_k": 10, "nprobe": EVERY_CELL, "include_document": True}
            answer = api.post(f"/v1/datasets/{dataset}/query", json=body | way)
            assert answer.status_code == 200, answer.text
            answers.append(
                [
                    (
                        match["id"],
                        round(match["score"], 5),
                        text_of(match["metadata"]),
                        match.get("namespace"),
                        match.get("document"),
                    )
                    for match in answer.json()["matches"]
                ]
            )
    return answers


def recall(api: httpx.Client, dataset: str, questions: Vectors, oracle: Oracle) -> float:
    """Recall@10 of plain queries as they are by default, under cosine, against exact search."""
    names = list(oracle.records)
    stored = np.frombuffer(b"".join(each.vector for each in oracle.records.values()), np.float32)
    rows = stored.reshape(len(names), -1).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    hits = 0
    for vector in questions:
        best = {names[place] for place in np.argsort(-(rows @ vector.astype(np.float64)))[:10]}
        answer = api.post(f"/v1/datasets/{dataset}/query", json={"vector": vector.tolist(), "top_k": 10})
        hits += len(best & {match["id"] for match in answer.json()["matches"]})
    return hits / (10 * len(questions))
