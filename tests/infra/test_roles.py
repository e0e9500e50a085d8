"""Least reach: what each function may do, written down a second time, against the policies of the template."""

import json
from typing import Any

import pytest

from tests.infra.conftest import Synthesized

TABLE = "table"
INDEX = "table/index/gsi1"
SHARDS = "bucket/t/*/shards/*"
MANIFESTS = "bucket/t/*/manifests/*"
PARTS = "bucket/t/*/parts/*"

READ = {"dynamodb:GetItem": {TABLE}, "dynamodb:BatchGetItem": {TABLE}}
OBJECTS = {"s3:GetObject": {"bucket/t/*"}, "s3:ListBucket": {"bucket"}}
COMMIT = {"s3:PutObject": {SHARDS, MANIFESTS, PARTS}, "sqs:SendMessage": {"wakeups", "builds"}}
TRACE = {"xray:PutTraceSegments": {"*"}, "xray:PutTelemetryRecords": {"*"}}


def polls(queue: str) -> dict[str, set[str]]:
    return {f"sqs:{action}": {queue} for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")}


EXPECTED: dict[str, dict[str, set[str]]] = {
    "api": {
        **READ,
        "dynamodb:Query": {TABLE},
        "dynamodb:PutItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:DeleteItem": {TABLE},
        "dynamodb:ConditionCheckItem": {TABLE},
        "s3:PutObject": {"bucket/t/*/log/*"},
        "sqs:SendMessage": {"wakeups"},
    },
    "query": {**READ, **OBJECTS, "dynamodb:UpdateItem": {TABLE}},
    "indexer": {
        **READ,
        **OBJECTS,
        **COMMIT,
        **polls("wakeups"),
        "dynamodb:Query": {TABLE},
        "dynamodb:PutItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:BatchWriteItem": {TABLE},
    },
    "builder": {
        **OBJECTS,
        **COMMIT,
        **polls("builds"),
        "dynamodb:GetItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
    },
    "sweep": {
        **READ,
        "dynamodb:Query": {INDEX},
        "dynamodb:UpdateItem": {TABLE},
        "sqs:SendMessage": {"wakeups", "builds"},
    },
}

NAMES = {
    "StorageTable": "table",
    "StorageBucket": "bucket",
    "MessagingWakeups": "wakeups",
    "MessagingBuilds": "builds",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_function_may_do_what_it_does_and_no_more(synthesized: Synthesized, name: str) -> None:
    allowed = granted(synthesized, name)
    own_log = {f"Functions{name.capitalize()}Logs"}
    assert allowed.pop("logs:CreateLogStream") == own_log
    assert allowed.pop("logs:PutLogEvents") == own_log
    assert allowed == {**EXPECTED[name], **TRACE}


def test_every_function_is_in_the_table_and_has_a_role_of_its_own(synthesized: Synthesized) -> None:
    functions = synthesized.of_type("AWS::Lambda::Function").values()
    roles = {json.dumps(function["Properties"]["Role"]) for function in functions}
    assert len(roles) == len(functions) == len(EXPECTED)


def test_no_role_carries_a_managed_policy(synthesized: Synthesized) -> None:
    for role in synthesized.of_type("AWS::IAM::Role").values():
        assert "ManagedPolicyArns" not in role["Properties"]
        assert "Policies" not in role["Properties"]


def test_only_the_gateway_and_the_schedule_of_this_stack_call_functions(synthesized: Synthesized) -> None:
    for permission in synthesized.of_type("AWS::Lambda::Permission").values():
        assert permission["Properties"]["Principal"] in {"apigateway.amazonaws.com", "events.amazonaws.com"}
        assert permission["Properties"]["SourceArn"]


def granted(synthesized: Synthesized, name: str) -> dict[str, set[str]]:
    """Actions of a function's role, each with what it may be done to."""
    role = synthesized.function(name)["Properties"]["Role"]["Fn::GetAtt"][0]
    allowed: dict[str, set[str]] = {}
    for policy in synthesized.of_type("AWS::IAM::Policy").values():
        if {"Ref": role} not in policy["Properties"]["Roles"]:
            continue
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            for action in _listed(statement["Action"]):
                resources = {_named(resource) for resource in _listed(statement["Resource"])}
                allowed.setdefault(action, set()).update(resources)
    return allowed


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _named(resource: Any) -> str:
    """An ARN of the template in words: `bucket/t/*`."""
    match resource:
        case str():
            return resource
        case {"Fn::GetAtt": [str(logical_id), "Arn"]}:
            plain = logical_id[:-8]
            return NAMES.get(plain, plain)
        case {"Fn::Join": ["", [first, str(rest)]]}:
            return _named(first) + rest
        case _:
            raise AssertionError(f"not an ARN that this test knows: {resource}")
