"""`shoal janitor` and `shoal recover`, on storage in memory."""

import json
from dataclasses import replace

from shoal.storage.memory import MemoryTable
from tests.unit.cli.conftest import Run, lines
from tests.unit.http.api import Api

DAY = 86_400


def written(run: Run, *, name: str = "books") -> None:
    assert run("datasets", "create", name, "--dimension", "2").exit_code == 0
    for number in range(3):
        records = lines([{"id": f"id-{number}", "values": [number, 1]}])
        assert run("vectors", "upsert", name, "-", stdin=records).exit_code == 0


def lose_the_table(api: Api) -> None:
    api.ports = replace(api.ports, table=MemoryTable(api.clock))
    api.use(api.ports)


def test_the_janitor_shows_what_would_go_and_then_removes_it(run: Run, api: Api) -> None:
    written(run)
    assert json.loads(run("janitor", "--json").stdout)["report"]["objects"] == 0
    api.clock.now += 8 * DAY
    before = {found.key for found in api.ports.objects.list("t/")}
    dry = run("janitor", "--dry-run")
    assert dry.exit_code == 0
    shown = {line.split()[0] for line in dry.stdout.splitlines()}
    assert shown
    assert "would go" in dry.stderr
    assert {found.key for found in api.ports.objects.list("t/")} == before
    listed = json.loads(run("janitor", "--dry-run", "--json").stdout)
    assert {each["key"] for each in listed["objects"]} == shown
    gone = run("janitor")
    assert (gone.exit_code, gone.stdout) == (0, "")
    assert {found.key for found in api.ports.objects.list("t/")} == before - shown
    assert json.loads(run("query", "books", "--vector", "[2, 1]", "--json").stdout)["matches"]


def test_the_janitor_says_which_tenant_it_could_not_clean(run: Run, api: Api) -> None:
    written(run)
    manifests = [found.key for found in api.ports.objects.list("t/") if "/manifests/" in found.key]
    api.ports.objects.put(manifests[-1], b"damaged")
    result = run("janitor")
    assert result.exit_code == 1
    assert manifests[-1] in result.stderr


def test_the_table_comes_back_and_the_same_key_works(run: Run, api: Api) -> None:
    written(run)
    before = json.loads(run("query", "books", "--vector", "[2, 1]", "--json").stdout)["matches"]
    refused = run("recover")
    assert refused.exit_code == 4
    assert "table_not_empty" in refused.stderr
    lose_the_table(api)
    dry = json.loads(run("recover", "--dry-run", "--json").stdout)
    assert [each["name"] for each in dry["datasets"]] == ["books"]
    assert run("tenants", "list", "--json").stdout.count("ten_") == 0
    result = run("recover", "--table", "new")
    assert result.exit_code == 0
    assert "books" in result.stdout
    assert "1 tenants, 1 keys and 1 datasets are back" in result.stderr
    assert json.loads(run("query", "books", "--vector", "[2, 1]", "--json").stdout)["matches"] == before
    assert run("recover", "--force-into").exit_code == 0


def test_recover_says_what_is_lost(run: Run, api: Api) -> None:
    written(run)
    shards = [found.key for found in api.ports.objects.list("t/") if found.key.endswith("vectors.f32")]
    api.ports.objects.delete(shards)
    lose_the_table(api)
    result = run("recover")
    assert result.exit_code == 1
    assert any(key in result.stdout for key in shards)
    assert "lost of books" in result.stdout
