"""The environment: what is missing or wrong is named, and never quoted."""

import pytest

from shoal import runtime
from shoal.http.context import Deps
from shoal.model.tenants import RateLimit
from shoal.settings import Settings, SettingsError
from tests.unit.http.api import Api

TABLE = {"SHOAL_TABLE": "t"}


def test_defaults() -> None:
    found = Settings.from_env(TABLE)
    assert found == Settings(table="t")
    assert (found.bucket, found.log_level, found.docs_enabled) == (None, "INFO", True)
    assert (found.rate_limit_rps, found.vector_quota, found.query_quota) == (None, None, None)


def test_every_field_is_read_and_other_variables_are_not() -> None:
    found = Settings.from_env(
        {
            **TABLE,
            "SHOAL_BUCKET": "b",
            "SHOAL_WAKEUPS_QUEUE_URL": "w",
            "SHOAL_BUILDS_QUEUE_URL": "q",
            "SHOAL_LOG_LEVEL": "DEBUG",
            "SHOAL_DOCS_ENABLED": "false",
            "SHOAL_RATE_LIMIT_RPS": "50",
            "SHOAL_RATE_LIMIT_BURST": "100",
            "SHOAL_VECTOR_QUOTA": "0",
            "SHOAL_QUERY_QUOTA": "10000",
            "SHOAL_CACHE_BYTES": "1000000",
            "SHOAL_DISK_CACHE_BYTES": "0",
            "SHOAL_UPLOAD_ROLE_ARN": "r",
            "SHOAL_IMPORT_STATE_MACHINE_ARN": "m",
            "SHOAL_COMPACTION_STATE_MACHINE_ARN": "c",
            "SHOAL_EXPORT_STATE_MACHINE_ARN": "e",
            "SHOAL_REINDEX_STATE_MACHINE_ARN": "x",
            "SHOAL_DERIVATION_STATE_MACHINE_ARN": "d",
            "SHOAL_INGESTION_STATE_MACHINE_ARN": "i",
            "SHOAL_INGEST_BUCKETS": '["upstream"]',
            "SHOAL_SECRETS_PREFIX": "/keys",
            "SHOAL_TASKS_QUEUE_URL": "k",
            "SHOAL_OUTBOUND_FUNCTION_ARN": "f",
            "SHOAL_DEFAULT_EMBEDDING_MODEL": "static-128",
            "SHOAL_HTTP_EMBEDDING_MODELS": "[]",
            "SHOAL_BEDROCK_MODELS": '["bedrock:amazon.titan-embed-text-v2:0"]',
            "SHOAL_EMBEDDING_PRICES": '{"static-128":0.5}',
            "SHOAL_EMBEDDING_TOKENS_PER_DAY": "1000",
            "SHOAL_MODEL_TOKENS_PER_MINUTE": '{"static-128":300000}',
            "SHOAL_REINDEX_FAILED_SHARE": "0.5",
            "SHOAL_VECTORIZE_MAX_DIMENSIONS": "4096",
            "SHOAL_VECTORIZE_MAX_IDS": "1000",
            "SHOAL_CORS_ORIGINS": "*",
            "PATH": "/bin",
        }
    )
    assert found.model_dump() == {
        "table": "t",
        "bucket": "b",
        "wakeups_queue_url": "w",
        "builds_queue_url": "q",
        "log_level": "DEBUG",
        "docs_enabled": False,
        "rate_limit_rps": 50,
        "rate_limit_burst": 100,
        "vector_quota": 0,
        "query_quota": 10_000,
        "cache_bytes": 1_000_000,
        "disk_cache_bytes": 0,
        "upload_role_arn": "r",
        "import_state_machine_arn": "m",
        "compaction_state_machine_arn": "c",
        "export_state_machine_arn": "e",
        "reindex_state_machine_arn": "x",
        "derivation_state_machine_arn": "d",
        "ingestion_state_machine_arn": "i",
        "ingest_buckets": ("upstream",),
        "secrets_prefix": "/keys",
        "tasks_queue_url": "k",
        "outbound_function_arn": "f",
        "default_embedding_model": "static-128",
        "http_embedding_models": (),
        "bedrock_models": ("bedrock:amazon.titan-embed-text-v2:0",),
        "embedding_prices": {"static-128": 0.5},
        "embedding_tokens_per_day": 1000,
        "model_tokens_per_minute": {"static-128": 300_000},
        "reindex_failed_share": 0.5,
        "vectorize_max_dimensions": 4096,
        "vectorize_max_ids": 1000,
    }


@pytest.mark.parametrize("environment", [{}, {"SHOAL_TABLE": ""}])
def test_what_is_missing_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"^not set: SHOAL_TABLE, SHOAL_BUCKET$"):
        Settings.from_env(environment, needs=("bucket",))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHOAL_LOG_LEVEL", "planted"),
        ("SHOAL_DOCS_ENABLED", "planted"),
        ("SHOAL_RATE_LIMIT_RPS", "0"),
        ("SHOAL_RATE_LIMIT_BURST", "1.5"),
        ("SHOAL_VECTOR_QUOTA", "-1"),
        ("SHOAL_QUERY_QUOTA", "planted"),
        ("SHOAL_CACHE_BYTES", "1"),
    ],
)
def test_what_is_wrong_is_named_but_not_quoted(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"not valid: {name} ") as caught:
        Settings.from_env({**TABLE, name: value})
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(("burst", "wanted"), [(None, 100), (7, 7)])
def test_a_rate_without_a_burst_allows_two_seconds_at_once(burst: int | None, wanted: int) -> None:
    settings = Settings(table="t", rate_limit_rps=50, rate_limit_burst=burst)
    assert Deps.of(settings, Api().ports).limits.rate == RateLimit(50, wanted)
    assert Deps.of(Settings(table="t"), Api().ports).limits.rate is None


def test_a_port_that_was_not_given_says_which_variable_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SHOAL_BUCKET", "SHOAL_WAKEUPS_QUEUE_URL", "SHOAL_BUILDS_QUEUE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SHOAL_TABLE", "t")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    runtime.forget()
    try:
        ports = runtime.ports()
        with pytest.raises(SettingsError, match="SHOAL_BUCKET"):
            ports.objects.get("t/x")
        with pytest.raises(SettingsError, match="SHOAL_BUILDS_QUEUE_URL"):
            ports.builds.send({}, group="g")
    finally:
        runtime.forget()
