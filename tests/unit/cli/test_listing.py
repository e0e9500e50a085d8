"""`shoal list`, `count` and `stats` against the real HTTP side."""

import json
from pathlib import Path

import numpy as np
import pytest

from infra.cli.client import ShoalClient
from infra.cli.listing import Chosen
from infra.cli.results import Record
from shoal.model.datasets import Metric
from shoal.services import write
from shoal.services.commit import drain
from shoal.services.datasets import create_dataset
from tests.unit.cli.conftest import Run, lines
from tests.unit.http.api import Api

RECORDS = [
    {
        "id": f"{'rock' if n % 2 else 'jazz'}/{n}",
        "values": [n, 0.1, -0.0],
        "metadata": {"n": n},
        **({"namespace": "live", "document": f"song {n} é"} if n < 3 else {}),
    }
    for n in range(7)
]


@pytest.fixture(autouse=True)
def _songs(run: Run) -> None:
    assert run("datasets", "create", "songs", "--dimension", "3").exit_code == 0
    assert run("vectors", "upsert", "songs", "-", "--wait", "5", stdin=lines(RECORDS)).exit_code == 0


def test_records_in_a_table(run: Run) -> None:
    shown = run("list", "songs", "--values")
    assert shown.exit_code == 0
    names = [line.split()[0] for line in shown.stdout.splitlines()[1:] if line[0] != " "]
    assert sorted(names) == sorted(str(record["id"]) for record in RECORDS)
    assert "song 2 é" in shown.stdout
    assert shown.stderr == "7 records\n"
    cut = run("list", "songs", "-n", "2")
    assert len(cut.stdout.splitlines()) == 3
    assert "2 records; more with --limit, and `shoal count songs` counts" in cut.stderr


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], {0, 1, 2, 3, 4, 5, 6}),
        (["--prefix", "rock/"], {1, 3, 5}),
        (["--namespace", "live"], {0, 1, 2}),
        (["--namespace", ""], {3, 4, 5, 6}),
        (["--filter", '{"n": {"$gte": 5}}'], {5, 6}),
        (["--filter", '{"n": {"$gte": 1}}', "--prefix", "jazz/", "--namespace", "live"], {2}),
    ],
)
def test_which_records(run: Run, options: list[str], found: set[int]) -> None:
    listed = json.loads(run("list", "songs", *options, "--json").stdout)["vectors"]
    assert {record["metadata"]["n"] for record in listed} == found
    assert run("count", "songs", *options).stdout == f"{len(found)}\n"
    assert json.loads(run("count", "songs", *options, "--json").stdout) == {"count": len(found)}


def test_what_is_listed_can_be_written_again(run: Run) -> None:
    listed = run("list", "songs", "-n", "0", "--values", "--ndjson")
    assert listed.stderr == ""
    assert run("datasets", "create", "copy", "--dimension", "3").exit_code == 0
    assert run("vectors", "upsert", "copy", "-", "--wait", "5", stdin=listed.stdout).exit_code == 0
    again = run("list", "copy", "-n", "0", "--values", "--ndjson").stdout
    assert sorted(again.splitlines()) == sorted(listed.stdout.splitlines())
    records = {record["id"]: record for record in map(json.loads, again.splitlines())}
    assert records["rock/1"]["document"] == "song 1 é"
    assert records["rock/1"]["namespace"] == "live"
    assert records["rock/5"].keys() == {"id", "values", "metadata"}


def test_one_record_whole(run: Run) -> None:
    shown = run("vectors", "get", "songs", "rock/1", "--values").stdout.splitlines()
    assert shown == [
        "rock/1",
        "  in the namespace live",
        "  n: 1",
        "  values: 1 0.1 -0",
        "  document: song 1 é",
    ]
    assert run("vectors", "get", "songs", "rock/3").stdout.splitlines() == ["rock/3", "  n: 3"]


def test_pages_until_the_last(client: ShoalClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from infra.cli import listing

    monkeypatch.setattr(listing, "_PAGE_ROWS", 2)
    assert {record.id for record in client.listing.records("songs")} == {record["id"] for record in RECORDS}
    assert len(list(client.listing.records("songs", limit=3))) == 3
    assert list(client.listing.records("songs", Chosen(prefix="none/"))) == []
    page = client.listing.page("songs", limit=5)
    assert page.next_cursor is not None
    rest = client.listing.page("songs", limit=5, cursor=page.next_cursor)
    assert (len(page.records), len(rest.records), rest.next_cursor) == (5, 2, None)
    with_values = next(iter(client.listing.records("songs", Chosen(prefix="rock/1"), include_values=True)))
    assert with_values == Record("rock/1", [1.0, 0.1, -0.0], {"n": 1}, "live")


def test_a_terminal_obeys_no_record(run: Run) -> None:
    bad = lines([{"id": "x\u009b31m", "values": [1, 2, 3], "metadata": {"t": "\u009b2J" + "y" * 300}}])
    assert run("vectors", "upsert", "songs", "-", "--wait", "5", stdin=bad).exit_code == 0
    shown = run("list", "songs").stdout
    assert "\u009b" not in shown
    assert "…" in shown


def test_figures(run: Run, api: Api) -> None:
    shown = run("stats", "songs").stdout
    for text in ("songs, indexed, version 1", "rows            7\n", "0 (0.0 % of those stored)", "exact"):
        assert text in shown
    figures = json.loads(run("stats", "songs", "--json").stdout)
    assert (figures["row_count"], figures["cells"], figures["recall"]) == (7, 0, None)
    api.upload({"id": "late", "values": [1, 2, 3]}, name="songs")
    assert "1 writes, " in run("stats", "songs").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["list", "nothing"], 4, "dataset_not_found"),
        (["count", "nothing"], 4, "shoal datasets list"),
        (["stats", "nothing"], 4, "dataset_not_found"),
        (["list", "songs", "--filter", "n=1"], 2, "not JSON"),
        (["count", "songs", "--filter", "[]"], 2, "JSON object"),
        (["list", "songs", "--filter", '{"n": {"$near": 1}}'], 4, "invalid_filter"),
        (["list", "../x"], 2, "dataset name"),
    ],
)
def test_errors_are_one_line_and_a_way_on(run: Run, arguments: list[str], code: int, words: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    assert words in result.stderr


def test_an_upload_without_values_is_named(run: Run, tmp_path: Path) -> None:
    result = run("vectors", "upsert", "songs", "-", stdin='{"id": "a", "metadata": {}}\n')
    assert result.exit_code == 2
    assert "line 1: no record with id and values" in result.stderr


def test_an_index_of_openverse_is_read_by_its_name(run: Run, api: Api) -> None:
    index = create_dataset(
        api.ports, api.tenant_id, scope="openverse", name="image-1", dimension=2, metric=Metric.L2
    ).dataset
    write.upsert(
        api.ports,
        index,
        ids=["a"],
        vectors=np.array([[1, 2]], dtype=np.float32),
        metadata=[b'{"title":"a walk"}'],
        vector_quota=None,
    )
    drain(api.ports, api.tenant_id, index.dataset_id, owner="test")
    found = json.loads(run("query", "openverse/image-1", "--vector", "[1, 2]", "--json").stdout)
    assert [match["id"] for match in found["matches"]] == ["a"]
    assert json.loads(run("list", "openverse/image-1", "--json").stdout)["vectors"][0]["id"] == "a"
    assert json.loads(run("count", "openverse/image-1", "--json").stdout) == {"count": 1}
    assert json.loads(run("stats", "openverse/image-1", "--json").stdout)["name"] == "image-1"
    for arguments in (
        ("count", "openverse/none"),
        ("stats", "openverse/../x"),
        ("query", "openverse/image-1", "--text", "rain"),
    ):
        assert run(*arguments).exit_code == 4, arguments
    refused = run("vectors", "delete", "openverse/image-1", "a")
    assert (refused.exit_code, "is not a dataset name" in refused.stderr) == (2, True)
