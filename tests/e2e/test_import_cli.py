"""`shoal import` as installed, against the local stack: real files of every kind, good and bad."""

import gzip
import json
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd

from tests.e2e.steps import Shoal, code, ids_of, show, told

pytestmark = pytest.mark.e2e
ROWS, DIMENSION = 5000, 16
BAD = {
    3: "{",
    1500: json.dumps({"id": "short", "values": [1.0]}),
    4002: json.dumps({"id": "far", "values": [1e39] * DIMENSION}),
}
REASONS = {
    3: "invalid json",
    1500: "dimension mismatch: got 1 expected 16",
    4002: "values must be finite and within float4 range",
}


@pytest.fixture
def dataset(shoal: Shoal) -> Iterator[str]:
    """A new dataset, deleted at the end."""
    name = f"import-{secrets.token_hex(4)}"
    told(shoal("datasets", "create", name, "--dimension", str(DIMENSION), "--json"))
    yield name
    shoal("datasets", "delete", name, "--yes")


@pytest.fixture(scope="module")
def vectors() -> "np.ndarray[Any, np.dtype[np.float32]]":
    """float32 of shape (ROWS, DIMENSION)."""
    return np.random.default_rng(7).normal(size=(ROWS, DIMENSION)).astype(np.float32)


def ndjson(vectors: Any) -> list[str]:
    return [
        json.dumps({"id": f"r{n}", "values": row, "metadata": {"n": n}})
        for n, row in enumerate(vectors.tolist())
    ]


def write(kind: str, vectors: Any, folder: Path) -> Path:
    """The rows as a file of this kind."""
    file = folder / f"rows.{kind}"
    if kind == "parquet":
        table = pa.table(
            {
                "id": [f"r{n}" for n in range(ROWS)],
                "values": pa.array(list(vectors), type=pa.list_(pa.float32())),
                "metadata": [{"n": n} for n in range(ROWS)],
            }
        )
        pq.write_table(table, file, row_group_size=1500)
        return file
    data = "\n".join(ndjson(vectors)).encode() + b"\n"
    packers: dict[str, Callable[[bytes], bytes]] = {
        "ndjson": bytes,
        "jsonl.gz": gzip.compress,
        "ndjson.zst": zstd.compress,
    }
    file.write_bytes(packers[kind](data))
    return file


@pytest.mark.parametrize("kind", ["ndjson", "jsonl.gz", "ndjson.zst", "parquet"])
def test_a_file_of_every_kind(
    shoal: Shoal, api: httpx.Client, dataset: str, vectors: Any, tmp_path: Path, kind: str
) -> None:
    job = told(shoal("import", dataset, str(write(kind, vectors, tmp_path)), "--json"))
    counts = ("records_processed", "records_accepted", "records_rejected")
    assert (job["status"], job["percent_complete"]) == ("completed", 100)
    assert [job[name] for name in counts] == [ROWS, ROWS, 0]
    assert job["rejected_records_url"] is None
    assert show(api, dataset)["row_count"] == ROWS
    for place in range(0, ROWS, 997):
        found = api.post(
            f"/v1/datasets/{dataset}/query", json={"vector": vectors[place].tolist(), "top_k": 10}
        )
        distances = ((vectors.astype(np.float64) - vectors[place]) ** 2).sum(axis=1)
        assert ids_of(found) == [f"r{n}" for n in np.argsort(distances, kind="stable")[:10]]
        assert found.json()["matches"][0]["metadata"] == {"n": place}
    stored = api.get(f"/v1/datasets/{dataset}/vectors/r4321", params={"include_values": "true"}).json()
    assert np.array(stored["embedding"], dtype=np.float32).tobytes() == vectors[4321].tobytes()


def test_bad_lines_are_named_by_their_true_numbers(
    shoal: Shoal, api: httpx.Client, dataset: str, vectors: Any, tmp_path: Path
) -> None:
    lines = ndjson(vectors)
    for number, text in BAD.items():
        lines.insert(number - 1, text)
    file, kept = tmp_path / "rows.ndjson", tmp_path / "rejected.jsonl"
    file.write_bytes("\r\n".join(lines).encode())
    done = shoal("import", dataset, str(file), "--max-bad-records", "3", "--rejects", str(kept))
    assert done.returncode == 0, done.stderr
    assert f"imported {ROWS:,} of {ROWS + len(BAD):,} records, {len(BAD)} rejected, in " in done.stdout
    assert re.search(r"\): [0-9,]+ rows/s", done.stdout)
    for number, reason in REASONS.items():
        assert f"        1  {reason}" in done.stdout
        assert f"  line {number:,}: {reason}: " in done.stdout
    assert f"{dataset}: {ROWS:,} rows, recall exact" in done.stdout
    assert "uploaded " in done.stderr
    told_of = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [(each["line"], each["reason"]) for each in told_of] == list(REASONS.items())
    assert told_of[0]["record"].strip() == BAD[3]
    assert show(api, dataset)["row_count"] == ROWS


def test_too_many_bad_lines_index_nothing(
    shoal: Shoal, api: httpx.Client, dataset: str, vectors: Any, tmp_path: Path
) -> None:
    lines = ndjson(vectors[:100])
    lines[49:49] = ["nonsense", "more of it"]
    file = tmp_path / "rows.ndjson"
    file.write_text("\n".join(lines))
    for options in (["--error-mode", "abort"], ["--max-bad-records", "1"]):
        done = shoal("import", dataset, str(file), *options)
        assert done.returncode == 1
        assert "failed: " in done.stderr
        assert "  line 50: invalid json: nonsense" in done.stdout
    assert show(api, dataset)["row_count"] == 0
    listed = told(shoal("imports", "list", dataset, "--json"))["imports"]
    assert [(each["status"], each["percent_complete"]) for each in listed] == [("failed", 25)] * 2


def test_a_file_in_parts(shoal: Shoal, api: httpx.Client, dataset: str, vectors: Any, tmp_path: Path) -> None:
    job = told(shoal("import", dataset, str(write("ndjson", vectors, tmp_path)), "--multipart", "--json"))
    assert (job["status"], job["records_accepted"]) == ("completed", ROWS)
    assert show(api, dataset)["row_count"] == ROWS


def test_an_import_followed_later(shoal: Shoal, dataset: str, vectors: Any, tmp_path: Path) -> None:
    started = told(shoal("import", dataset, str(write("ndjson", vectors, tmp_path)), "--no-wait", "--json"))
    followed = shoal("imports", "show", dataset, started["import_id"], "--wait")
    assert followed.returncode == 0, followed.stderr
    assert f"imported {ROWS:,} of {ROWS:,} records" in followed.stdout
    late = shoal("imports", "cancel", dataset, started["import_id"])
    assert late.returncode == 4
    assert "import_not_cancellable" in late.stderr


def test_an_import_that_is_cancelled(shoal: Shoal, api: httpx.Client, dataset: str) -> None:
    created = api.post(f"/v1/datasets/{dataset}/imports", json={"format": "ndjson"}).json()
    cancelled = told(shoal("imports", "cancel", dataset, created["import_id"], "--json"))
    assert (cancelled["status"], cancelled["error_message"]) == ("failed", "cancelled")
    shown = shoal("imports", "show", dataset, created["import_id"])
    assert shown.returncode == 1
    assert "failed: cancelled\n" in shown.stderr
    late = api.post(f"/v1/datasets/{dataset}/imports/{created['import_id']}/complete")
    assert code(late) == (409, "import_not_pending")
