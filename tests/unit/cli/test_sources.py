"""Sources of records, on the table."""

import json
from dataclasses import replace

import pytest

from shoal.storage.memory import MemoryUpstream
from shoal.storage.memory.upstream import OWN
from tests.unit.cli.conftest import Run
from tests.unit.http.api import Api


@pytest.fixture(autouse=True)
def upstream(api: Api) -> None:
    """Buckets of others, of which only the names matter here."""
    api.ports = replace(api.ports, upstream=MemoryUpstream(api.ports.objects, api.clock))  # type: ignore[arg-type]


def add(run: Run, api: Api, *arguments: str) -> str:
    done = run("sources", "add", api.tenant_id, *arguments)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_a_source_is_registered_listed_and_removed(run: Run, api: Api) -> None:
    assert add(run, api, "image", "s3://catalogue/dumps/image", "--format", "parquet") == (
        "image comes from s3://catalogue/dumps/image (parquet)\n"
    )
    add(run, api, "audio", "s3://catalogue")
    listed = run("sources", "list", api.tenant_id).stdout
    assert "s3://catalogue/dumps/image" in listed
    assert "ndjson" in listed
    assert run("sources", "remove", api.tenant_id, "image").exit_code == 0
    left = json.loads(run("sources", "list", api.tenant_id, "--json").stdout)["sources"]
    assert [(each["model"], each["source"], each["format"]) for each in left] == [
        ("audio", "s3://catalogue/", "ndjson")
    ]


def test_another_source_takes_its_place(run: Run, api: Api) -> None:
    add(run, api, "image", "s3://catalogue/a")
    made = json.loads(add(run, api, "image", "s3://catalogue/b", "--json"))
    assert made == {
        "model": "image",
        "source": "s3://catalogue/b",
        "format": "ndjson",
        "created_at": "2026-05-28T20:26:40Z",
    }
    assert len(json.loads(run("sources", "list", api.tenant_id, "--json").stdout)["sources"]) == 1


def test_what_lets_shoal_read_it_is_told(run: Run, api: Api) -> None:
    assert "ingest_buckets" in run("sources", "add", api.tenant_id, "image", "s3://catalogue/a").stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("image", f"s3://{OWN}/t/"), "own_bucket"),
        (("image", "https://catalogue.example/dump"), "invalid_source"),
        (("image", "s3:///dump"), "invalid_source"),
        (("image", "catalogue/dump"), "invalid_source"),
        (("image", "s3://key:secret@catalogue/dump"), "invalid_source"),
        (("image", "s3://[catalogue/dump"), "invalid_source"),
        (("image", "s3://catalogue/" + "x" * 901), "invalid_source"),
        (("image", "s3://Catalogue_1/dump"), "invalid_bucket"),
        (("image", "s3://ours-abcdefghijklmnopqrstuvwxyz012345-s3alias/t/"), "invalid_bucket"),
        (("video", "s3://catalogue/dump"), "invalid_model"),
        (("image", "s3://catalogue/dump", "--format", "csv"), "invalid_format"),
        (("image", "s3://catalogue/dump", "--format", "reindex"), "invalid_format"),
    ],
)
def test_sources_that_are_none(run: Run, api: Api, arguments: tuple[str, ...], code: str) -> None:
    done = run("sources", "add", api.tenant_id, *arguments)
    assert (done.exit_code, done.stdout) == (4, "")
    assert code in done.stderr
    assert "secret" not in done.stderr
    assert json.loads(run("sources", "list", api.tenant_id, "--json").stdout) == {"sources": []}


def test_what_is_not_there(run: Run, api: Api) -> None:
    nobody = "ten_" + "0" * 32
    for arguments in (
        ("add", nobody, "image", "s3://catalogue"),
        ("list", nobody),
        ("remove", nobody, "image"),
    ):
        done = run("sources", *arguments)
        assert done.exit_code == 4
        assert "tenant_not_found" in done.stderr
    done = run("sources", "remove", api.tenant_id, "image")
    assert done.exit_code == 4
    assert "source_not_found" in done.stderr
    assert "invalid_model" in run("sources", "remove", api.tenant_id, "video").stderr
    assert "shoal sources add" in run("sources", "list", api.tenant_id).stderr
