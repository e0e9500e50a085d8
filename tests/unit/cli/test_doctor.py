"""The doctor, with AWS clients that answer what a test says."""

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from infra.cli.examination import BOOTSTRAP_PARAMETER, Finding, examine

OUTPUTS = (
    "ApiUrl",
    "TableName",
    "BucketName",
    "WakeupsQueueUrl",
    "BuildsQueueUrl",
    "ImportStateMachineArn",
    "CompactionStateMachineArn",
    "ExportStateMachineArn",
    "TasksQueueUrl",
    "ReindexStateMachineArn",
    "DerivationStateMachineArn",
    "IngestionStateMachineArn",
)


def refused(operation: str, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


class Aws:
    """An account; each field may be an answer or an error."""

    def __init__(self, **changes: Any) -> None:
        self.identity: Any = {"Account": "1", "Arn": "arn:aws:iam::1:user/me"}
        self.bootstrap: Any = "21"
        self.concurrency: Any = 1000
        self.memory: Any = [128]
        self.bedrock: Any = ("AUTHORIZED", "AVAILABLE", "AVAILABLE")
        self.outputs: Any = OUTPUTS
        self.__dict__.update(changes)

    def client(self, service: str) -> Any:
        return SimpleNamespace(
            meta=SimpleNamespace(region_name="eu-west-1"),
            get_caller_identity=lambda: give(self.identity),
            get_parameter=self._parameter,
            get_account_settings=lambda: {"AccountLimit": {"ConcurrentExecutions": give(self.concurrency)}},
            get_paginator=lambda _: SimpleNamespace(paginate=self._functions),
            get_foundation_model_availability=lambda **_: dict(
                zip(
                    ("authorizationStatus", "entitlementAvailability", "regionAvailability"),
                    give(self.bedrock),
                    strict=True,
                )
            ),
            describe_stacks=self._stacks,
        )

    def _parameter(self, **request: str) -> Any:
        assert request == {"Name": BOOTSTRAP_PARAMETER}
        return {"Parameter": {"Value": give(self.bootstrap)}}

    def _functions(self) -> Any:
        yield {"Functions": []}
        yield {"Functions": [{"MemorySize": size} for size in give(self.memory)]}

    def _stacks(self, **_: str) -> Any:
        outputs = [{"OutputKey": name, "OutputValue": f"<{name}>"} for name in give(self.outputs)]
        return {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Outputs": outputs}]}


def give(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value


def examined(**changes: Any) -> dict[str, Finding]:
    return {each.what: each for each in examine(Aws(**changes).client, stack="Shoal")}


def test_a_ready_account() -> None:
    findings = examined()
    assert {each.state for each in findings.values()} == {"ok"}
    assert list(findings) == [
        "credentials",
        "CDK bootstrap",
        "Lambda concurrency",
        "Lambda memory",
        "Bedrock",
        "stack",
    ]
    assert "<ApiUrl>" in findings["stack"].found


@pytest.mark.parametrize(
    ("what", "state", "changes"),
    [
        ("credentials", "warn", {"identity": {"Account": "1", "Arn": "arn:aws:iam::1:root"}}),
        ("credentials", "fail", {"identity": refused("GetCallerIdentity", "ExpiredToken")}),
        ("CDK bootstrap", "fail", {"bootstrap": refused("GetParameter", "ParameterNotFound")}),
        ("CDK bootstrap", "fail", {"bootstrap": refused("GetParameter", "AccessDeniedException")}),
        ("CDK bootstrap", "fail", {"bootstrap": "5"}),
        ("Lambda concurrency", "fail", {"concurrency": 5}),
        ("Lambda concurrency", "warn", {"concurrency": 10}),
        ("Bedrock", "warn", {"bedrock": ("NOT_AUTHORIZED", "AVAILABLE", "AVAILABLE")}),
        ("Bedrock", "warn", {"bedrock": ("AUTHORIZED", "AVAILABLE", "NOT_AVAILABLE")}),
        ("Bedrock", "warn", {"bedrock": refused("GetFoundationModelAvailability", "AccessDeniedException")}),
        ("stack", "fail", {"outputs": refused("DescribeStacks", "ValidationError")}),
        ("stack", "fail", {"outputs": ("ApiUrl",)}),
    ],
)
def test_each_trouble_says_what_to_change(what: str, state: str, changes: dict[str, Any]) -> None:
    finding = examined(**changes)[what]
    assert finding.state == state
    assert finding.change


def test_without_credentials_nothing_else_is_looked_at() -> None:
    findings = examined(identity=NoCredentialsError())
    assert {each.state for each in findings.values()} == {"fail"}
    assert "AWS_PROFILE" in str(findings["credentials"].change)


def test_a_larger_function_shows_that_the_cap_is_lifted() -> None:
    assert "10,240" in examined(memory=[512, 10_240])["Lambda memory"].found


def test_our_own_mistakes_stay_loud() -> None:
    with pytest.raises(ZeroDivisionError):
        examined(concurrency=ZeroDivisionError())
