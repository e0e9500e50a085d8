"""The settings of a deployment: where they come from, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.components.functions import SPECS
from infra.settings import TABLE_BEGINS, TABLE_ENDS, InvalidSettings, Settings, markdown_table

ROOT = Path(__file__).resolve().parents[2]


def test_defaults_fit_a_new_account() -> None:
    settings = Settings()
    memories = [value for name, value in settings.model_dump().items() if name.endswith("_memory_mb")]
    assert len(memories) == len(SPECS)
    assert max(memories) <= 3008
    assert settings.indexer_max_concurrency + settings.builder_max_concurrency < 10
    assert settings.removal_policy == "retain"
    assert settings.architecture == "arm64"


def test_every_setting_has_a_default_and_a_reason() -> None:
    for name, field in Settings.model_fields.items():
        assert not field.is_required(), name
        assert field.description, name
        assert field.description.endswith("."), name


def test_context_of_the_command_line_is_text() -> None:
    settings = Settings.from_context(
        {
            "shoal:docs_enabled": "false",
            "shoal:log_retention_days": "90",
            "shoal:cors_origins": "https://a.example, https://b.example",
            "shoal:rate_limit_rps": "20",
            "aws:cdk:bundling-stacks": [],
            "@aws-cdk/core:something": True,
        }
    )
    assert settings.docs_enabled is False
    assert settings.log_retention_days == 90
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.rate_limit_rps == 20


@pytest.mark.parametrize("together", [{"vector_quota": 5}, '{"vector_quota": 5}'])
def test_settings_together(together: Any) -> None:
    assert Settings.from_context({"shoal:settings": together}).vector_quota == 5


def test_a_key_of_its_own_goes_before_the_settings_together() -> None:
    context = {"shoal:log_level": "DEBUG", "shoal:settings": {"log_level": "ERROR", "vector_quota": 1}}
    settings = Settings.from_context(context)
    assert (settings.log_level, settings.vector_quota) == ("DEBUG", 1)


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"shoal:memory": 1024}, "shoal:memory is not a setting; there are: architecture, "),
        ({"shoal:settings": {"memory": 1}}, "shoal:memory is not a setting"),
        ({"shoal:settings": "{"}, "shoal:settings is not JSON"),
        ({"shoal:settings": "[]"}, "shoal:settings must be a JSON object"),
        ({"shoal:architecture": "sparc"}, "shoal:architecture: .*arm64"),
        ({"shoal:api_memory_mb": 64}, "shoal:api_memory_mb: .*128"),
        ({"shoal:query_timeout_s": 30}, "shoal:query_timeout_s: .*29"),
        ({"shoal:log_retention_days": 31}, "shoal:log_retention_days: .*CloudWatch knows only 1, 3, "),
        ({"shoal:indexer_max_concurrency": 1}, "shoal:indexer_max_concurrency: .*2"),
        ({"shoal:alarms_email": "nobody"}, "shoal:alarms_email"),
        ({"shoal:domain_name": "a.example"}, "domain_name and certificate_arn come together"),
        ({"shoal:rate_limit_burst": 5}, "rate_limit_burst needs rate_limit_rps"),
        ({"shoal:removal_policy": "keep"}, "shoal:removal_policy"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(context: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSettings, match=message):
        Settings.from_context(context)


def test_every_wrong_setting_is_named_at_once() -> None:
    with pytest.raises(InvalidSettings) as refused:
        Settings.from_context({"shoal:memory": 1, "shoal:log_level": "LOUD"})
    assert len(str(refused.value).splitlines()) == 2


def test_the_table_has_a_row_a_setting() -> None:
    rows = markdown_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(Settings.model_fields)
    assert all(row.count(" | ") == 2 for row in rows)


def test_the_readme_shows_the_table_of_today() -> None:
    text = (ROOT / "infra" / "README.md").read_text()
    assert TABLE_BEGINS + markdown_table() + TABLE_ENDS in text, "run python -m infra.settings"


def test_the_context_of_the_project_is_valid() -> None:
    Settings.from_context(json.loads((ROOT / "cdk.json").read_text())["context"])
