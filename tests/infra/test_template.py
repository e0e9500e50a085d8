"""What the template promises: data that outlives the stack, defaults of a new account, nothing in the clear."""

import json
import re
from typing import Any

import pytest

from infra.components.functions import SPECS
from shoal.http.routes import ROUTES
from tests.infra.conftest import Synthesized

NAMES = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Lambda::LayerVersion": "LayerName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::IAM::Role": "RoleName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::Events::Rule": "Name",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}


def test_only_the_data_outlives_the_stack(synthesized: Synthesized) -> None:
    kept = {
        resource["Type"]
        for resource in synthesized.template["Resources"].values()
        if resource.get("DeletionPolicy") == "Retain"
    }
    assert kept == {"AWS::DynamoDB::Table", "AWS::S3::Bucket"}
    for kind in kept:
        assert synthesized.one(kind)["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize(("kind", "name"), NAMES.items())
def test_nothing_has_a_fixed_name(synthesized: Synthesized, kind: str, name: str) -> None:
    for resource in synthesized.of_type(kind).values():
        assert name not in resource.get("Properties", {})


def test_the_table(synthesized: Synthesized) -> None:
    table = synthesized.one("AWS::DynamoDB::Table")["Properties"]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    (index,) = table["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "gsi1"
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["pk", "sk"]
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["gsi1pk", "gsi1sk"]


def test_the_bucket(synthesized: Synthesized) -> None:
    bucket = synthesized.one("AWS::S3::Bucket")["Properties"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules["staging"]["Prefix"] == "staging/"
    assert rules["staging"]["ExpirationInDays"] == 7
    assert (rules["rejects"]["Prefix"], rules["rejects"]["ExpirationInDays"]) == ("rejects/", 31)
    assert rules["noncurrent"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    assert rules["noncurrent"]["ExpiredObjectDeleteMarker"] is True
    assert rules["incomplete-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert "CorsConfiguration" not in bucket


@pytest.mark.parametrize("kind", ["AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"])
def test_tls_only(synthesized: Synthesized, kind: str) -> None:
    policies = synthesized.of_type(kind).values()
    if kind == "AWS::SQS::QueuePolicy":
        assert len(policies) == len(synthesized.of_type("AWS::SQS::Queue"))
    for policy in policies:
        assert any(
            statement["Effect"] == "Deny"
            and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            and statement["Principal"] in ("*", {"AWS": "*"})
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        )


def test_alarms_may_use_the_topic(synthesized: Synthesized) -> None:
    statements = synthesized.one("AWS::SNS::TopicPolicy")["Properties"]["PolicyDocument"]["Statement"]
    (let_in,) = (statement for statement in statements if statement["Effect"] == "Allow")
    assert let_in["Principal"] == {"Service": "cloudwatch.amazonaws.com"}


def test_functions_fit_a_new_account(synthesized: Synthesized) -> None:
    for function in synthesized.of_type("AWS::Lambda::Function").values():
        properties = function["Properties"]
        assert properties["MemorySize"] <= 3008
        assert properties["Runtime"] == "python3.13"
        assert properties["Architectures"] == ["arm64"]
        assert properties["Handler"] == "handler.handler"
        assert properties["TracingConfig"] == {"Mode": "Active"}
        assert "ReservedConcurrentExecutions" not in properties
        assert "SnapStart" not in properties


def test_each_function_logs_to_a_group_with_an_end(synthesized: Synthesized) -> None:
    groups = synthesized.of_type("AWS::Logs::LogGroup")
    used = set()
    for function in synthesized.of_type("AWS::Lambda::Function").values():
        used.add(function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"])
    assert len(used) == len(SPECS)
    assert used < set(groups)
    assert {group["Properties"]["RetentionInDays"] for group in groups.values()} == {30}


@pytest.mark.parametrize(
    ("name", "batch", "concurrency"),
    [("indexer", 10, 5), ("builder", 1, 2), ("import_intake", 10, 2), ("tasks", 1, 2)],
)
def test_pollers(synthesized: Synthesized, name: str, batch: int, concurrency: int) -> None:
    pollers = {
        poller["Properties"]["FunctionName"]["Ref"]: poller["Properties"]
        for poller in synthesized.of_type("AWS::Lambda::EventSourceMapping").values()
    }
    (poller,) = (item for function, item in pollers.items() if name.title().replace("_", "") in function)
    assert poller["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert poller["BatchSize"] == batch
    assert poller["ScalingConfig"] == {"MaximumConcurrency": concurrency}
    queue = synthesized.template["Resources"][poller["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
    assert queue["VisibilityTimeout"] >= synthesized.function(name)["Properties"]["Timeout"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 5


def test_the_bucket_tells_of_uploads(synthesized: Synthesized) -> None:
    bucket = synthesized.one("AWS::S3::Bucket")
    (told,) = bucket["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
    assert told["Event"] == "s3:ObjectCreated:*"
    assert told["Filter"]["S3Key"]["Rules"] == [
        {"Name": "prefix", "Value": "staging/"},
        {"Name": "suffix", "Value": "/upload"},
    ]
    queue = told["Queue"]["Fn::GetAtt"][0]
    (policy,) = (
        (name, policy["Properties"]["PolicyDocument"]["Statement"])
        for name, policy in synthesized.of_type("AWS::SQS::QueuePolicy").items()
        if policy["Properties"]["Queues"] == [{"Ref": queue}]
    )
    assert policy[0] in bucket["DependsOn"]
    (let_in,) = (statement for statement in policy[1] if statement["Effect"] == "Allow")
    assert let_in["Principal"] == {"Service": "s3.amazonaws.com"}
    assert let_in["Action"] == "sqs:SendMessage"
    assert let_in["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


VECTORIZE = "/client/v4/accounts/{account_id}/vectorize/v2/indexes/{index_name}"


def test_routes(synthesized: Synthesized) -> None:
    integrations = synthesized.of_type("AWS::ApiGatewayV2::Integration")
    routes: dict[str, str] = {}
    for route in synthesized.of_type("AWS::ApiGatewayV2::Route").values():
        integration = integrations[route["Properties"]["Target"]["Fn::Join"][1][1]["Ref"]]["Properties"]
        assert integration["PayloadFormatVersion"] == "2.0"
        routes[route["Properties"]["RouteKey"]] = integration["IntegrationUri"]["Fn::GetAtt"][0]
    expected = {
        "$default": "api",
        "ANY /v1/{proxy+}": "api",
        "ANY /auth/{proxy+}": "api",
        **{f"POST /v1/{what}": "query" for what in ("query", "fetch", "list", "count", "stats")},
        "POST /v1/datasets/{name}/query": "query",
        "POST /v1/datasets/{name}/vectors/fetch": "query",
        "POST /v1/datasets/{name}/vectors/list": "query",
        "GET /v1/datasets/{name}/vectors": "query",
        "GET /v1/datasets/{name}/vectors/{proxy+}": "query",
        "GET /v1/datasets/{name}/count": "query",
        "POST /v1/datasets/{name}/count": "query",
        "GET /v1/datasets/{name}/stats": "query",
        "ANY /api/{proxy+}": "api",
        "POST /api/v1/embeddings/similarity-search": "query",
        "POST /api/v1/embeddings/payload-search": "query",
        "POST /api/v1/embeddings/payload-count": "query",
        **{
            f"POST /api/v1/internal/vectordb/collections/{what}": "query"
            for what in (
                "objects/find-by-ids",
                "objects/find-similar",
                "categories/objects/find-by-ids",
                "categories/objects/find-similar",
            )
        },
        "ANY /client/{proxy+}": "api",
        **{
            f"ANY {version}/{what}/{{proxy+}}": "content"
            for version in ("/{version}", "/v1")
            for what in ("embeddings-index", "data")
        },
        "ANY /webhooks/{proxy+}": "content",
        "ANY /v1/webhooks/{proxy+}": "content",
        f"POST {VECTORIZE}/query": "query",
        f"POST {VECTORIZE}/get_by_ids": "query",
        f"GET {VECTORIZE}/list": "query",
    }
    served = {f"{route.method} {route.template}" for route in ROUTES if route.function == "query"}
    named = {key.replace("{proxy+}", "{id+}") for key, name in expected.items() if name == "query"}
    assert named == served, "each route of the function `query` has one of the gateway's"
    caught = [
        re.compile(key[4:-8].replace("{version}", "[^/]+")) for key, to in expected.items() if to == "content"
    ]
    assert all(
        any(pattern.match(route.template) for pattern in caught)
        for route in ROUTES
        if route.function == "content"
    )
    assert set(routes) == set(expected)
    for key, name in expected.items():
        assert routes[key].startswith(f"Functions{name.capitalize()}")


def test_the_gateway_throttles_and_logs_no_path(synthesized: Synthesized) -> None:
    stage = synthesized.one("AWS::ApiGatewayV2::Stage")["Properties"]
    assert stage["DefaultRouteSettings"] == {"ThrottlingBurstLimit": 1000, "ThrottlingRateLimit": 500}
    fields = set(json.loads(stage["AccessLogSettings"]["Format"]).values())
    assert "$context.routeKey" in fields
    assert not {"$context.path", "$context.identity.sourceIp", "$context.authorizer"} & fields


def test_alarms(synthesized: Synthesized) -> None:
    topic = synthesized.of_type("AWS::SNS::Topic").popitem()[0]
    metrics: dict[str, int] = {}
    for alarm in synthesized.of_type("AWS::CloudWatch::Alarm").values():
        properties = alarm["Properties"]
        assert properties["AlarmActions"] == [{"Ref": topic}]
        assert properties["TreatMissingData"] == "notBreaching"
        metrics[properties["MetricName"]] = metrics.get(properties["MetricName"], 0) + 1
    assert metrics == {
        "ApproximateNumberOfMessagesVisible": 1,
        "ApproximateAgeOfOldestMessage": 3,
        "5xx": 1,
        "Throttles": 2,
        "Errors": 4,
        "ExecutionsFailed": 6,
        "ExecutionsTimedOut": 1,
    }


def test_outputs(synthesized: Synthesized) -> None:
    outputs = synthesized.template["Outputs"]
    assert set(outputs) == {
        "ApiUrl",
        "ApiId",
        "TableName",
        "BucketName",
        "WakeupsQueueUrl",
        "BuildsQueueUrl",
        "UploadsQueueUrl",
        "ImportStateMachineArn",
        "CompactionStateMachineArn",
        "ExportStateMachineArn",
        "TasksQueueUrl",
        "ReindexStateMachineArn",
        "DerivationStateMachineArn",
        "IngestionStateMachineArn",
        "DeadLettersQueueUrl",
        "AlarmsTopicArn",
    }
    assert all(output["Description"] for output in outputs.values())


def test_settings_reach_the_template(synthesize: Any) -> None:
    made = synthesize(
        architecture="x86_64",
        removal_policy="destroy",
        cors_origins="https://a.example",
        domain_name="api.a.example",
        certificate_arn="arn:aws:acm:eu-west-1:123456789012:certificate/0",
        alarms_email="ops@a.example",
        snap_start=True,
        point_in_time_recovery=False,
        query_memory_mb=2000,
        import_max_concurrency=7,
        export_max_concurrency=3,
    )
    assert made.function("query")["Properties"]["Architectures"] == ["x86_64"]
    assert made.function("query")["Properties"]["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert (
        made.function("query")["Properties"]["Environment"]["Variables"]["SHOAL_CACHE_BYTES"] == "1000000000"
    )
    assert len(made.of_type("AWS::Lambda::Alias")) == 3
    definitions = {
        name: json.loads(machine["Properties"]["DefinitionString"])["States"].values()
        for name, machine in made.of_type("AWS::StepFunctions::StateMachine").items()
    }
    at_once = {
        name[:7]: {state["MaxConcurrency"] for state in states if state["Type"] == "Map"}
        for name, states in definitions.items()
    }
    assert at_once == {
        "Imports": {7},
        "Exports": {3},
        "Compact": {5},
        "Reindex": {3},
        "Derivat": {3},
        "Ingesti": set(),
    }
    assert made.one("AWS::S3::Bucket")["DeletionPolicy"] == "Delete"
    (cors,) = made.one("AWS::S3::Bucket")["Properties"]["CorsConfiguration"]["CorsRules"]
    assert (cors["AllowedMethods"], cors["AllowedOrigins"]) == (["PUT", "GET"], ["https://a.example"])
    assert made.one("AWS::ApiGatewayV2::Api")["Properties"]["CorsConfiguration"]["AllowOrigins"] == [
        "https://a.example"
    ]
    assert made.one("AWS::ApiGatewayV2::DomainName")["Properties"]["DomainName"] == "api.a.example"
    assert made.one("AWS::ApiGatewayV2::ApiMapping")
    assert made.one("AWS::SNS::Subscription")["Properties"]["Endpoint"] == "ops@a.example"
    domain = made.of_type("AWS::ApiGatewayV2::DomainName").popitem()[0]
    assert made.template["Outputs"]["ApiUrl"]["Value"] == {"Fn::Join": ["", ["https://", {"Ref": domain}]]}
    assert "DomainTarget" in made.template["Outputs"]
