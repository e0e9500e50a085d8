"""The command line as installed, against the local stack."""

import json
import time

import numpy as np
import pytest

from infra.cli.client import ShoalClient
from infra.cli.cost_model import ALARMS
from infra.cli.results import Record
from infra.local.info import StackInfo
from infra.local.session import session_of
from tests.e2e.steps import Shoal, told

pytestmark = pytest.mark.e2e


def test_status_tells_exactly_what_tools_need(shoal: Shoal, local_stack: StackInfo) -> None:
    assert told(shoal("local", "status", "--json")) == {
        "api_url": local_stack.api_url,
        "api_key": local_stack.api_key,
        "tenant_id": local_stack.tenant_id,
        "aws_endpoint_url": local_stack.aws_endpoint_url,
        "pid": local_stack.pid,
    }


def test_up_on_a_running_stack_keeps_the_key(shoal: Shoal, local_stack: StackInfo) -> None:
    assert told(shoal("local", "up", "--json"))["api_key"] == local_stack.api_key


def test_records_from_the_shell_and_back(shoal: Shoal) -> None:
    told(shoal("datasets", "create", "cli-shell", "--dimension", "2", "--json"))
    body = '{"id": "a/b", "values": [1, 2], "metadata": {"n": 1}}\n{"id": "c", "values": [3, 4]}\n'
    report = told(shoal("vectors", "upsert", "cli-shell", "-", "--wait", "60", "--json", stdin=body))
    assert report["accepted"] == 2
    found = told(shoal("query", "cli-shell", "--vector", "[1, 2]", "-k", "1", "--json"))
    assert found["matches"] == [{"id": "a/b", "score": 0.0, "metadata": {"n": 1}}]
    assert told(shoal("vectors", "get", "cli-shell", "a/b", "--values", "--json"))["values"] == [1.0, 2.0]
    told(shoal("datasets", "delete", "cli-shell", "--yes", "--json"))
    assert shoal("datasets", "get", "cli-shell").returncode == 4


def test_a_tenant_and_its_keys_end_to_end(shoal: Shoal) -> None:
    tenant = str(told(shoal("tenants", "create", "research", "--json"))["tenant_id"])
    key = told(shoal("keys", "create", "--tenant", tenant, "--scope", "admin", "--expires", "1h", "--json"))
    secret = str(key["key"])
    assert shoal("datasets", "create", "mine", "--dimension", "2", SHOAL_API_KEY=secret).returncode == 0
    assert "mine" not in shoal("datasets", "list", "--json").stdout
    told(shoal("tenants", "set-quota", tenant, "--vectors", "1", "--json"))
    listed = told(shoal("keys", "list", "--tenant", tenant, "--json"))
    assert "last_used_at" in str(listed)
    told(shoal("keys", "revoke", str(key["id"]), "--tenant", tenant, "--json"))


def test_a_large_upload_in_few_requests_bit_for_bit(local_stack: StackInfo) -> None:
    vectors = np.random.default_rng(3).normal(size=(4000, 256)).astype(np.float32)
    assert local_stack.api_key is not None
    with ShoalClient(local_stack.api_url, local_stack.api_key) as client:
        client.ensure_dataset("cli-large", dimension=256)
        began = time.monotonic()
        report = client.upsert("cli-large", (Record(f"r{n}", row, {"n": n}) for n, row in enumerate(vectors)))
        assert (report.accepted, report.requests) == (4000, 2)
        client.wait_indexed(report.job_ids)
        assert time.monotonic() - began < 60
        assert client.get_dataset("cli-large").row_count == 4000
        fetched = client.fetch("cli-large", [f"r{n}" for n in range(0, 4000, 7)], include_values=True)
        for record in fetched.records:
            assert (
                np.array(record.values, dtype=np.float32).tobytes() == vectors[record.metadata["n"]].tobytes()
            )
        client.delete_dataset("cli-large")


def test_the_doctor_fails_clearly_without_credentials(shoal: Shoal) -> None:
    done = shoal("doctor", "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["ok"] is False
    assert report["checks"][0]["what"] == "credentials"


def test_the_bill_counts_every_alarm(local_stack: StackInfo) -> None:
    found = session_of(local_stack).client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert len(found) == ALARMS
