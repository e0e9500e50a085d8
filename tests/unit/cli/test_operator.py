"""Tenants and keys, on the table."""

import json

import pytest
from botocore.exceptions import NoRegionError

from infra.cli.aws_errors import translate
from infra.cli.commands.keys import duration
from infra.cli.failures import UsageError
from tests.unit.cli.conftest import Run
from tests.unit.http.api import START, Api


def test_a_tenant_gets_quotas(run: Run) -> None:
    tenant = json.loads(run("tenants", "create", "research", "--json").stdout)["tenant_id"]
    run("tenants", "set-quota", tenant, "--vectors", "100", "--queries", "7")
    changed = json.loads(run("tenants", "set-quota", tenant, "--queries", "default", "--json").stdout)
    assert (changed["vector_quota"], changed["query_quota"]) == (100, None)
    assert "research" in run("tenants", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["ten_" + "0" * 32, "--vectors", "1"], 4, "tenant_not_found"),
        (["nonsense", "--vectors", "1"], 4, "tenant_not_found"),
        (["ten_" + "0" * 32], 2, "nothing to change"),
        (["OURS", "--vectors", "-1"], 2, "number from 0"),
    ],
)
def test_quotas_of_nobody(run: Run, api: Api, arguments: list[str], code: int, words: str) -> None:
    result = run("tenants", "set-quota", *[api.tenant_id if a == "OURS" else a for a in arguments])
    assert result.exit_code == code
    assert words in result.stderr


def test_a_key_works_until_it_is_revoked(run: Run, api: Api) -> None:
    ours = ("--tenant", api.tenant_id)
    made = run("keys", "create", *ours, "--name", "ci", "--scope", "read", "--expires", "30d", "--json")
    key = json.loads(made.stdout)
    assert key["scopes"] == ["read"]
    assert key["expires_at"] == "2026-06-27T20:26:40Z"
    assert run("datasets", "list", SHOAL_API_KEY=key["key"]).exit_code == 0
    assert run("datasets", "create", "x", "--dimension", "2", SHOAL_API_KEY=key["key"]).exit_code == 5

    listed = json.loads(run("keys", "list", *ours, "--json").stdout)["keys"]
    mine = next(each for each in listed if each["id"] == key["id"])
    assert mine["last_used_at"] is not None
    assert key["key"] not in run("keys", "list", *ours).stdout
    assert "key" not in mine

    assert run("keys", "revoke", key["id"], *ours).exit_code == 0
    api.clock.now = START + 61
    assert run("datasets", "list", SHOAL_API_KEY=key["key"]).exit_code == 5
    assert "revoked" in run("keys", "list", *ours).stdout


def test_a_key_is_alone_on_stdout(run: Run, api: Api) -> None:
    made = run("keys", "create", "--tenant", api.tenant_id)
    assert made.stdout.startswith("shl_")
    assert made.stdout.count("\n") == 1
    assert "only time" in made.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["create"], 2, "which tenant"),
        (["create", "--tenant", "ten_" + "0" * 32], 4, "tenant_not_found"),
        (["create", "--tenant", "OURS", "--scope", "root"], 2, "root"),
        (["create", "--tenant", "OURS", "--expires", "soon"], 2, "no duration"),
        (["revoke", "0123456789abcdef", "--tenant", "OURS"], 4, "not_found"),
        (["revoke", "nonsense", "--tenant", "OURS"], 4, "not_found"),
    ],
)
def test_keys_that_cannot_be(run: Run, api: Api, arguments: list[str], code: int, words: str) -> None:
    result = run("keys", *[api.tenant_id if a == "OURS" else a for a in arguments])
    assert result.exit_code == code, result.output
    assert words in result.stderr


def test_another_tenants_key_cannot_be_revoked(run: Run, api: Api) -> None:
    theirs = api.stranger().split("_")[1]
    assert run("keys", "revoke", theirs, "--tenant", api.tenant_id).exit_code == 4


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5400), ("12h", 43_200), ("30d", 2_592_000), ("8w", 4_838_400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1.5h", "30D", "1y"])
def test_no_durations(text: str) -> None:
    with pytest.raises(UsageError):
        duration(text)


def test_without_a_region_the_local_stack_is_named() -> None:
    error = translate(NoRegionError())
    assert error is not None
    assert "--profile local" in str(error.hint)
