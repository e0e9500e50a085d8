"""Exports, compactions and named versions on the local stack: what was stored comes back, bit for bit."""

import json
import secrets
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.e2e.steps import Shoal, code, done, ids_of, new_dataset, show, store, told, until
from tests.e2e.stored import (
    WIDTH,
    Oracle,
    asked,
    change,
    exported,
    parquet_file,
    recall,
    vectors_around_centers,
)

pytestmark = pytest.mark.e2e
RECALL = 0.9


def counts(api: httpx.Client, dataset: str) -> list[int]:
    """Exact numbers: all, by filter, by namespace, by prefix."""
    ways: list[dict[str, Any]] = [
        {},
        {"filter": {"share": 5}},
        {"namespace": "ns1"},
        {"namespace": ""},
        {"prefix": "new/"},
        {"prefix": "r1", "filter": {"exact": {"$eq": 1}}},
    ]
    return [api.post(f"/v1/datasets/{dataset}/count", json=way).json()["count"] for way in ways]


def test_exported_deleted_and_imported_again(shoal: Shoal, api: httpx.Client, tmp_path: Path) -> None:
    """Cells, deltas, overwritten and deleted rows, namespaces and documents; compacted in between."""
    name, oracle, vectors = f"whole-{secrets.token_hex(4)}", Oracle(), vectors_around_centers()
    api.post("/v1/datasets", json={"name": name, "dimension": WIDTH, "metric": "cosine"}).raise_for_status()
    told(shoal("import", name, str(parquet_file(tmp_path / "rows.parquet", vectors, oracle)), "--json"))
    change(api, name, vectors, oracle)
    questions = vectors[[7, 500, 2000, 21_999]] + np.float32(0.1)
    stats = told(shoal("stats", name, "--json"))
    assert stats["row_count"] == len(oracle.records)
    assert stats["cells"] > 0
    assert stats["deltas"] > 0
    assert stats["stored_rows"] > stats["row_count"]
    answers, numbers = asked(api, name, questions), counts(api, name)
    assert recall(api, name, questions, oracle) >= RECALL

    first = told(shoal("export", name, str(tmp_path / "first"), "--json"))
    assert (first["status"], first["row_count"]) == ("completed", len(oracle.records))
    assert exported(tmp_path / "first") == oracle.records

    compacted = told(shoal("compact", name, "--json"))
    assert compacted["after"]["row_count"] == compacted["after"]["stored_rows"] == len(oracle.records)
    assert (compacted["after"]["shards"], compacted["after"]["cell_sets"]) == (0, 1)
    assert compacted["after"]["bytes"] < compacted["before"]["bytes"]
    assert (asked(api, name, questions), counts(api, name)) == (answers, numbers)
    assert recall(api, name, questions, oracle) >= RECALL

    assert shoal("datasets", "delete", name, "--yes").returncode == 0
    assert code(api.post(f"/v1/datasets/{name}/query", json={"vector": [0.0] * WIDTH}))[0] == 404
    back = told(shoal("import", name, str(tmp_path / "first"), "--create", "--json"))
    assert (back["dataset"]["row_count"], back["dataset"]["metric"]) == (len(oracle.records), "cosine")
    assert (asked(api, name, questions), counts(api, name)) == (answers, numbers)
    assert recall(api, name, questions, oracle) >= RECALL
    told(shoal("export", name, str(tmp_path / "second"), "--json"))
    assert exported(tmp_path / "second") == oracle.records
    shoal("datasets", "delete", name, "--yes")


@pytest.fixture
def small(api: httpx.Client) -> str:
    """A dataset of twenty records."""
    name = new_dataset(api, 2, metric="l2")
    store(api, name, *({"id": f"r{n}", "values": [n, 1], "metadata": {"n": n}} for n in range(20)))
    return name


def test_a_download_that_was_broken_off_goes_on(shoal: Shoal, small: str, tmp_path: Path) -> None:
    folder = tmp_path / "there"
    first = told(shoal("export", small, str(folder), "--json"))
    (file,) = first["files"]
    path = folder / file["name"]
    whole = path.read_bytes()
    refused = shoal("export", small, str(folder))
    assert (refused.returncode, "holds an export already" in refused.stderr) == (2, True)
    # as if it had been broken off: half of the file, and no manifest yet
    path.rename(path.with_name(f"{path.name}.part")).write_bytes(whole[: len(whole) // 2])
    (folder / "manifest.json").unlink()
    note = {"dataset": small, "snapshot": None, "export_id": first["export_id"]}
    (folder / ".shoal-export.json").write_text(json.dumps(note))
    again = shoal("export", small, str(folder))
    assert again.returncode == 0, again.stderr
    assert f"going on with {first['export_id']}" in again.stderr
    assert path.read_bytes() == whole
    path.write_bytes(whole[:-1] + b"?")
    spoilt = shoal("import", small, str(folder))
    assert (spoilt.returncode, "is not the file that was exported" in spoilt.stderr) == (2, True)
    mended = told(shoal("export", small, str(folder), "--export", first["export_id"], "--json"))
    assert (mended["downloaded_files"], mended["kept_files"]) == (1, 0)
    assert path.read_bytes() == whole


def test_an_address_of_an_export_reads_one_object(shoal: Shoal, api: httpx.Client, small: str) -> None:
    begun = told(shoal("export", small, "--no-wait", "--json"))
    shown = _ended(api, small, begun["export_id"])
    (file,) = shown["files"]
    with httpx.Client(trust_env=False) as plain:
        answer = plain.get(file["url"], headers={"range": "bytes=0-3"})
        assert (answer.status_code, answer.content) == (206, b"PAR1")
        assert "attachment" in answer.headers["content-disposition"]
        assert plain.get(file["url"].replace(".parquet?", ".parquetx?")).status_code == 403
        assert plain.put(file["url"], content=b"x").status_code == 403
        assert plain.delete(file["url"]).status_code == 403


def test_exporting_while_the_dataset_is_deleted(api: httpx.Client, small: str) -> None:
    begun = api.post(f"/v1/datasets/{small}/exports").json()
    assert api.delete(f"/v1/datasets/{small}").status_code == 204
    path = f"/v1/datasets/{small}/exports"
    assert code(api.get(f"{path}/{begun['export_id']}")) == (404, "dataset_not_found")
    assert code(api.post(path)) == (404, "dataset_not_found")
    api.post("/v1/datasets", json={"name": small, "dimension": 2}).raise_for_status()
    assert api.get(path).json() == {"exports": []}
    assert code(api.post(path)) == (409, "dataset_empty")


def test_named_versions(shoal: Shoal, api: httpx.Client, small: str, tmp_path: Path) -> None:
    """A snapshot is what it was: exported, cloned from and gone back to, compacted or not."""
    path, ask = f"/v1/datasets/{small}", {"vector": [0, 1], "top_k": 100}
    everything = [f"r{n}" for n in range(20)]
    made = api.post(f"{path}/snapshots", json={"name": "before"})
    assert (made.status_code, made.json()["row_count"]) == (201, 20)
    deleted = api.post(f"{path}/vectors/delete", json={"filter": {"n": {"$gte": 5}}})
    assert deleted.json()["result"]["deleted"] == 15
    compacted = told(shoal("compact", small, "--json"))
    assert (compacted["after"]["stored_rows"], compacted["after"]["row_count"]) == (5, 5)

    kept = told(shoal("export", small, str(tmp_path / "kept"), "--snapshot", "before", "--json"))
    assert kept["row_count"] == 20
    assert set(exported(tmp_path / "kept")) == set(everything)
    clone = f"{small}-clone"
    assert api.post(f"{path}/clone", json={"name": clone, "snapshot": "before"}).status_code == 201
    assert ids_of(api.post(f"/v1/datasets/{clone}/query", json=ask)) == everything
    assert ids_of(api.post(f"{path}/query", json=ask)) == everything[:5]
    store(api, clone, {"id": "only here", "values": [0, 0]})

    back = api.post(f"{path}/restore", json={"snapshot": "before"})
    assert back.status_code == 202, back.text
    assert done(api, back.json()["job_id"])["status"] == "indexed"
    assert ids_of(api.post(f"{path}/query", json=ask)) == everything
    assert show(api, small)["row_count"] == 20
    assert show(api, clone)["row_count"] == 21
    unknown = api.post(f"{path}/restore", json={"snapshot": "never"})
    assert code(unknown) == (404, "snapshot_not_found")


def _ended(api: httpx.Client, dataset: str, export_id: str) -> dict[str, Any]:
    """The export once it has ended."""

    def over() -> dict[str, Any] | None:
        job: dict[str, Any] = api.get(f"/v1/datasets/{dataset}/exports/{export_id}").json()
        return job if job["status"] != "running" else None

    return until(over)
