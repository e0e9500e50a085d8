"""Least reach: what each function may do, written down a second time, against the policies of the template."""

import json
from typing import Any

import pytest

from tests.infra.conftest import Synthesized

TABLE = "table"
UPLOAD = "bucket/staging/t/*/upload"
WORK = "bucket/staging/t/*/work/*"
REJECTS = "bucket/rejects/t/*"
MACHINE = "import machine"
EXPORT_MACHINE = "export machine"
EXPORTS = "bucket/exports/t/*"
INDEX = "table/index/gsi1"
SHARDS = "bucket/t/*/shards/*"
MANIFESTS = "bucket/t/*/manifests/*"
PARTS = "bucket/t/*/parts/*"
DESCRIPTORS = "bucket/t/*/datasets/*"
LOG = "bucket/t/*/log/*"
COMPACTION_MACHINE = "compaction machine"
REINDEX_MACHINE = "reindex machine"
DERIVATION_MACHINE = "derivation machine"
INGESTION_MACHINE = "ingestion machine"
TASKS = "bucket/tasks/t/*"
BEDROCK = {
    f"foundation model {name}"
    for name in (
        "amazon.titan-embed-text-v2:0",
        "cohere.embed-english-v3",
        "cohere.embed-multilingual-v3",
    )
}
EMBED = {"bedrock:InvokeModel": BEDROCK, "lambda:InvokeFunction": {"FunctionsOutboundHandler"}}

READ = {"dynamodb:GetItem": {TABLE}, "dynamodb:BatchGetItem": {TABLE}}
OBJECTS = {"s3:GetObject": {"bucket/t/*"}, "s3:ListBucket": {"bucket"}}
COMMIT = {"s3:PutObject": {SHARDS, MANIFESTS, PARTS, DESCRIPTORS}, "sqs:SendMessage": {"wakeups", "builds"}}
TRACE = {"xray:PutTraceSegments": {"*"}, "xray:PutTelemetryRecords": {"*"}}


START = {
    "sts:AssumeRole": {"upload role"},
    "states:StartExecution": {MACHINE},
    "states:DescribeExecution": {f"executions of {MACHINE}:*"},
}
STEP = {
    **READ,
    "dynamodb:PutItem": {TABLE},
    "dynamodb:UpdateItem": {TABLE},
    "s3:ListBucket": {"bucket"},
    "sqs:SendMessage": {"wakeups"},
}


def polls(queue: str) -> dict[str, set[str]]:
    return {f"sqs:{action}": {queue} for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")}


def executions(*machines: str) -> set[str]:
    """The executions of machines, as the table names them."""
    return {f"executions of {machine}:*" for machine in machines}


def runs(*machines: str) -> dict[str, set[str]]:
    """Starts executions of machines, looks at them, and stops them."""
    mine = executions(*machines)
    return {
        "states:StartExecution": set(machines),
        "states:DescribeExecution": mine,
        "states:StopExecution": mine,
    }


ANY_ITEM = {
    **READ,
    "dynamodb:Query": {TABLE},
    "dynamodb:PutItem": {TABLE},
    "dynamodb:UpdateItem": {TABLE},
    "dynamodb:DeleteItem": {TABLE},
    "dynamodb:ConditionCheckItem": {TABLE},
}
EXPECTED: dict[str, dict[str, set[str]]] = {
    "api": {
        **READ,
        "dynamodb:Query": {TABLE},
        "dynamodb:PutItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:DeleteItem": {TABLE},
        "dynamodb:ConditionCheckItem": {TABLE},
        **START,
        **runs(MACHINE, EXPORT_MACHINE, REINDEX_MACHINE, DERIVATION_MACHINE, INGESTION_MACHINE),
        # An export is not stopped: it only reads.
        "states:StopExecution": executions(MACHINE, REINDEX_MACHINE, DERIVATION_MACHINE, INGESTION_MACHINE),
        "s3:PutObject": {LOG, MANIFESTS, DESCRIPTORS, TASKS, "bucket/t/*/tenant.json"},
        "s3:DeleteObject": {LOG},
        "s3:GetObject": {UPLOAD, REJECTS, EXPORTS, MANIFESTS, DESCRIPTORS, TASKS, WORK},
        "s3:ListBucket": {"bucket"},
        "sqs:SendMessage": {"wakeups", "builds", "tasks"},
    },
    "query": {**READ, **OBJECTS, **EMBED, "dynamodb:UpdateItem": {TABLE}},
    "indexer": {
        **READ,
        **OBJECTS,
        **COMMIT,
        **polls("wakeups"),
        # It applies what the log holds, and of an import that is what its last step has put there.
        "s3:GetObject": {WORK, "bucket/t/*"},
        "sqs:SendMessage": {"wakeups", "builds", "tasks"},
        "dynamodb:Query": {TABLE},
        "dynamodb:PutItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:BatchWriteItem": {TABLE},
    },
    "builder": {
        **OBJECTS,
        **COMMIT,
        **polls("builds"),
        **READ,
        "dynamodb:Query": {TABLE},
        "dynamodb:PutItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "states:StartExecution": {COMPACTION_MACHINE},
        "states:DescribeExecution": {f"executions of {COMPACTION_MACHINE}:*"},
    },
    "sweep": {
        **READ,
        **START,
        **runs(MACHINE, REINDEX_MACHINE, DERIVATION_MACHINE, INGESTION_MACHINE),
        "dynamodb:Query": {INDEX, TABLE},
        "dynamodb:PutItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:DeleteItem": {TABLE},
        "dynamodb:ConditionCheckItem": {TABLE},
        "s3:GetObject": {UPLOAD, DESCRIPTORS},
        "s3:PutObject": {DESCRIPTORS},
        "s3:ListBucket": {"bucket"},
        "sqs:SendMessage": {"wakeups", "builds", "tasks"},
    },
    "import_intake": {
        **START,
        **polls("uploads"),
        "dynamodb:GetItem": {TABLE},
        "dynamodb:PutItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "s3:GetObject": {UPLOAD},
        "s3:ListBucket": {"bucket"},
        "sqs:SendMessage": {"wakeups"},
    },
    "import_plan": {
        **STEP,
        "s3:GetObject": {"bucket/staging/t/*"},
        "s3:GetObjectVersion": {"bucket/staging/t/*"},
        "s3:PutObject": {WORK},
        "s3:AbortMultipartUpload": {WORK},
    },
    "import_validate": {
        **STEP,
        "s3:GetObject": {"bucket/staging/t/*"},
        "s3:GetObjectVersion": {"bucket/staging/t/*"},
        "s3:PutObject": {WORK},
    },
    "import_cells": {
        **STEP,
        "s3:GetObject": {WORK, "bucket/t/*"},
        "s3:PutObject": {WORK, SHARDS, PARTS, REJECTS},
        "s3:AbortMultipartUpload": {REJECTS},
    },
    "import_finish": {
        **STEP,
        "dynamodb:Query": {TABLE},
        "dynamodb:BatchWriteItem": {TABLE},
        "s3:GetObject": {WORK, "bucket/t/*"},
        "s3:PutObject": {WORK, SHARDS, MANIFESTS, PARTS, DESCRIPTORS, LOG},
        "sqs:SendMessage": {"wakeups", "builds", "tasks"},
    },
    "compaction": {
        **READ,
        "dynamodb:Query": {TABLE},
        "dynamodb:PutItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "s3:GetObject": {"bucket/t/*", WORK},
        "s3:PutObject": {WORK, SHARDS, MANIFESTS, PARTS, DESCRIPTORS},
        "s3:ListBucket": {"bucket"},
        "sqs:SendMessage": {"wakeups", "builds"},
    },
    "janitor": {
        **READ,
        "dynamodb:Query": {INDEX, TABLE},
        "dynamodb:PutItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:DeleteItem": {TABLE},
        "s3:GetObject": {"bucket/t/*", WORK},
        "s3:DeleteObject": {"bucket/t/*"},
        "s3:PutObject": {DESCRIPTORS, "bucket/t/*/tenant.json"},
        "s3:ListBucket": {"bucket"},
    },
    "export": {
        **READ,
        "dynamodb:UpdateItem": {TABLE},
        "s3:GetObject": {"bucket/t/*", WORK},
        "s3:PutObject": {WORK, EXPORTS},
        "s3:ListBucket": {"bucket"},
    },
    "tasks": {
        **READ,
        **EMBED,
        **polls("tasks"),
        **ANY_ITEM,
        **runs(DERIVATION_MACHINE),
        "s3:GetObject": {TASKS, WORK, REJECTS, "bucket/t/*"},
        "s3:PutObject": {TASKS, WORK, LOG, MANIFESTS, PARTS, DESCRIPTORS},
        "s3:DeleteObject": {LOG},
        "s3:ListBucket": {"bucket"},
        "sqs:SendMessage": {"wakeups", "builds", "tasks"},
    },
    "derivation": {
        **ANY_ITEM,
        "s3:GetObject": {"bucket/t/*", WORK},
        "s3:PutObject": {WORK, LOG, MANIFESTS, PARTS, DESCRIPTORS},
        "s3:DeleteObject": {LOG},
        "s3:ListBucket": {"bucket"},
        "sqs:SendMessage": {"wakeups", "builds", "tasks"},
    },
    "ingestion": {
        **ANY_ITEM,
        **runs(MACHINE, DERIVATION_MACHINE),
        "lambda:InvokeFunction": {"FunctionsOutboundHandler"},
        "s3:GetObject": {UPLOAD, "bucket/t/*"},
        "s3:PutObject": {UPLOAD, LOG, DESCRIPTORS},
        "s3:AbortMultipartUpload": {UPLOAD},
        "s3:DeleteObject": {LOG},
        "s3:ListBucket": {"bucket"},
        "sqs:SendMessage": {"wakeups", "builds"},
    },
    "content": {
        **ANY_ITEM,
        **EMBED,
        **runs(MACHINE, REINDEX_MACHINE),
        "ssm:GetParameter": {"parameters of the stack's own keys"},
        "ssm:PutParameter": {"parameters of the stack's own keys"},
        "sts:AssumeRole": {"upload role"},
        "s3:GetObject": {UPLOAD, REJECTS, WORK, "bucket/t/*"},
        "s3:PutObject": {LOG, MANIFESTS, DESCRIPTORS, "bucket/t/*/tenant.json"},
        "s3:DeleteObject": {LOG},
        "s3:ListBucket": {"bucket"},
        "sqs:SendMessage": {"wakeups", "tasks"},
    },
    "reindex": {
        **READ,
        **EMBED,
        "dynamodb:Query": {TABLE},
        "dynamodb:PutItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:DeleteItem": {TABLE},
        "dynamodb:ConditionCheckItem": {TABLE},
        "s3:GetObject": {"bucket/t/*", WORK, REJECTS},
        "s3:PutObject": {WORK, DESCRIPTORS},
        "s3:ListBucket": {"bucket"},
        "sqs:SendMessage": {"wakeups", "tasks"},
    },
    # No data: the keys of users' endpoints, and the way out.
    "outbound": {"ssm:GetParameter": {"parameters below shoal"}},
}

NAMES = {
    "StorageTable": "table",
    "StorageBucket": "bucket",
    "MessagingWakeups": "wakeups",
    "MessagingBuilds": "builds",
    "MessagingUploads": "uploads",
    "MessagingTasks": "tasks",
    "ReindexesMachine": REINDEX_MACHINE,
    "DerivationsMachine": DERIVATION_MACHINE,
    "IngestionsMachine": INGESTION_MACHINE,
    "UploadsRole": "upload role",
    "ImportsMachine": MACHINE,
    "ExportsMachine": EXPORT_MACHINE,
    "CompactionsMachine": COMPACTION_MACHINE,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_function_may_do_what_it_does_and_no_more(synthesized: Synthesized, name: str) -> None:
    allowed = granted(synthesized, name)
    own_log = {f"Functions{name.title().replace('_', '')}Logs"}
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


def test_whoever_signs_uploads_may_put_them_and_no_more(synthesized: Synthesized) -> None:
    role, properties = role_of(synthesized, "Uploads")
    assert granted_to(synthesized, role) == {"s3:PutObject": {UPLOAD}, "s3:AbortMultipartUpload": {UPLOAD}}
    (trust,) = properties["AssumeRolePolicyDocument"]["Statement"]
    signers = {_named(signer)[: -len("Role")] for signer in trust["Principal"]["AWS"]}
    assert signers == {f"Functions{name}" for name in ("Api", "ImportIntake", "Sweep", "Content")}
    assert properties["MaxSessionDuration"] == 3600


@pytest.mark.parametrize(
    ("construct", "machine", "functions"),
    [
        ("Imports", MACHINE, ("ImportPlan", "ImportValidate", "ImportCells", "ImportFinish")),
        ("Compactions", COMPACTION_MACHINE, ("Compaction",)),
        ("Exports", EXPORT_MACHINE, ("Export",)),
        ("Reindexes", REINDEX_MACHINE, ("Reindex", "ImportCells", "ImportFinish")),
        ("Derivations", DERIVATION_MACHINE, ("Derivation",)),
    ],
)
def test_a_workflow_may_invoke_its_functions_and_run_its_maps(
    synthesized: Synthesized, construct: str, machine: str, functions: tuple[str, ...]
) -> None:
    role, _ = role_of(synthesized, construct)
    allowed = granted_to(synthesized, role)
    assert allowed.pop("lambda:InvokeFunction") == {f"Functions{name}Handler" for name in functions}
    assert allowed.pop("s3:GetObject") == {WORK}
    assert allowed.pop("states:StartExecution") == {machine}
    assert allowed.pop("states:DescribeExecution") == {f"executions of {machine}/*"}
    assert allowed.pop("states:StopExecution") == {f"executions of {machine}/*"}
    # Delivery of logs, and tracing: AWS lets neither be narrowed.
    assert {action.split(":")[0] for action in allowed} == {"logs", "xray"}
    assert set().union(*allowed.values()) == {"*"}


def test_a_workflow_without_maps_only_invokes_its_function(synthesized: Synthesized) -> None:
    allowed = granted_to(synthesized, role_of(synthesized, "Ingestions")[0])
    assert allowed.pop("lambda:InvokeFunction") == {"FunctionsIngestionHandler"}
    assert {action.split(":")[0] for action in allowed} == {"logs", "xray"}


def test_buckets_of_the_operator_are_read_by_one_function_and_only_those_that_were_named(
    synthesize: Any,
) -> None:
    made = synthesize(ingest_buckets="catalogue")
    allowed = granted(made, "ingestion")
    assert "the operator's catalogue" in allowed["s3:ListBucket"]
    assert "the operator's catalogue/*" in allowed["s3:GetObject"]
    others = [granted(made, name) for name in EXPECTED if name != "ingestion"]
    assert not any("catalogue" in resource for one in others for on in one.values() for resource in on)


def role_of(synthesized: Synthesized, construct: str) -> tuple[str, dict[str, Any]]:
    """The role of a part of the stack: its logical id and its properties."""
    ((name, role),) = (
        item
        for item in synthesized.of_type("AWS::IAM::Role").items()
        if item[0].startswith(f"{construct}Role")
    )
    return name, role["Properties"]


def granted(synthesized: Synthesized, name: str) -> dict[str, set[str]]:
    """Actions of a function's role, each with what it may be done to."""
    return granted_to(synthesized, synthesized.function(name)["Properties"]["Role"]["Fn::GetAtt"][0])


def granted_to(synthesized: Synthesized, role: str) -> dict[str, set[str]]:
    """Actions of a role, each with what it may be done to."""
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
        case {"Ref": str(logical_id)}:
            return NAMES.get(logical_id[:-8], logical_id)
        case {"Fn::Join": ["", [*_, str(rest)]]} if "::foundation-model/" in rest:
            return f"foundation model {rest.partition('/')[2]}"
        case {"Fn::Join": ["", [*_, ":parameter/shoal/*"]]}:
            return "parameters below shoal"
        case {"Fn::Join": ["", [*_, ":parameter/shoal-keys/", {"Ref": "AWS::StackName"}, "/*"]]}:
            return "parameters of the stack's own keys"
        case {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, str(rest)]]} if rest.startswith(":s3:::"):
            return f"the operator's {rest.removeprefix(':s3:::')}"
        case {"Fn::Join": ["", [first, str(rest)]]}:
            return _named(first) + rest
        case {"Fn::Join": ["", [*_, ":execution:", {"Fn::GetAtt": [str(logical_id), "Name"]}, str(rest)]]}:
            return f"executions of {NAMES[logical_id[:-8]]}{rest}"
        case _:
            raise AssertionError(f"not an ARN that this test knows: {resource}")
