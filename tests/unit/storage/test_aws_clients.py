"""The clients, as they are set up; and that only whoever asks for AWS loads its SDK."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from shoal.storage.aws_clients import (
    bedrock_runtime_client,
    dynamodb_client,
    is_loopback,
    lambda_client,
    s3_client,
    sqs_client,
    ssm_client,
    stepfunctions_client,
    sts_client,
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "make",
    [
        dynamodb_client,
        s3_client,
        sqs_client,
        sts_client,
        stepfunctions_client,
        lambda_client,
        ssm_client,
        bedrock_runtime_client,
    ],
)
def test_every_client_gives_up_in_time(make: Callable[[], Any]) -> None:
    client = make()
    config = client.meta.config
    attempts = config.retries["total_max_attempts"]
    assert config.retries["mode"] == "standard"
    if make is not s3_client:
        assert attempts * (config.connect_timeout + config.read_timeout) < 29
    assert config.max_pool_connections == 50
    assert config.tcp_keepalive is True
    assert config.request_checksum_calculation == "when_required"
    assert config.response_checksum_validation == "when_required"


def test_signed_urls_are_regional_virtual_hosts_with_version_4() -> None:
    url = s3_client().generate_presigned_url("put_object", Params={"Bucket": "bucket", "Key": "a b"})
    assert url.startswith(
        "https://bucket.s3.eu-central-1.amazonaws.com/a%20b?X-Amz-Algorithm=AWS4-HMAC-SHA256&"
    )
    assert "checksum" not in url.lower()


def test_sessions_come_from_the_region_itself() -> None:
    assert sts_client().meta.endpoint_url == "https://sts.eu-central-1.amazonaws.com"


def test_a_client_of_other_credentials_signs_with_them() -> None:
    until = datetime.now(UTC)
    url = s3_client(
        credentials={
            "AccessKeyId": "ASIA0",
            "SecretAccessKey": "s",
            "SessionToken": "t",
            "Expiration": until,
        }
    ).generate_presigned_url("put_object", Params={"Bucket": "bucket", "Key": "a", "ContentType": "x/y"})
    assert "X-Amz-Credential=ASIA0%2F" in url
    assert "X-Amz-Security-Token=t" in url
    assert "X-Amz-SignedHeaders=content-type%3Bhost" in url


def test_and_in_us_east_1_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    url = s3_client().generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "a"})
    assert url.startswith("https://bucket.s3.us-east-1.amazonaws.com/a?")


def test_on_a_loopback_endpoint_the_bucket_is_in_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    url = s3_client().generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "a"})
    assert url.startswith("http://127.0.0.1:4566/bucket/a?")


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:4566", True),
        ("http://localhost:1/", True),
        ("http://[::1]:4566", True),
        ("", False),
        ("https://s3.eu-central-1.amazonaws.com", False),
        ("http://10.0.0.1:4566", False),
        ("http://127.0.0.1.example.com", False),
    ],
)
def test_loopback(url: str, loopback: bool) -> None:
    assert is_loopback(url) is loopback


def imported(module: str) -> set[str]:
    """The modules that importing one brings in, in a process of its own."""
    script = f"import sys, {module}; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


def test_the_ports_and_fakes_do_without_the_sdk() -> None:
    found = imported("shoal.storage.memory.faulty, shoal.storage.keys")
    assert not found & {"boto3", "botocore", "hypothesis", "numpy"}


def test_the_adapters_do_without_boto3() -> None:
    found = imported("shoal.storage.aws_clients, shoal.storage.aws_table, shoal.storage.aws_objects")
    assert "botocore" in found
    assert not found & {"boto3", "mypy_boto3_dynamodb", "shoal.storage.memory"}
