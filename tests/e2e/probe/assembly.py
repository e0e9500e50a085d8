"""An assembly as the CDK would write it, of one small function: what the local stack does is seen through it."""

import json
from pathlib import Path
from typing import Any

from infra.local.assembly import Assembly, read_assembly

ASSETS = "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"


def write_assembly(folder: Path) -> Assembly:
    """Write the assembly into an empty folder."""
    code, layer = folder / "asset.code", folder / "asset.layer"
    (layer / "python").mkdir(parents=True)
    (layer / "python" / "probelayer.py").write_text('NAME = "probe"\n')
    code.mkdir()
    (code / "handler.py").write_text(Path(__file__).with_name("handler.py").read_text())
    template = {"Resources": resources(), "Outputs": outputs()}
    (folder / "Probe.template.json").write_text(json.dumps(template))
    files = {
        "template": file_of("Probe.template.json", "file", "probe.json"),
        "code": file_of("asset.code", "zip", "probe-code.zip"),
        "layer": file_of("asset.layer", "zip", "probe-layer.zip"),
    }
    (folder / "Probe.assets.json").write_text(json.dumps({"files": files}))
    artifact = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "Probe.template.json"}}
    (folder / "manifest.json").write_text(json.dumps({"artifacts": {"Probe": artifact}}))
    return read_assembly(folder)


def file_of(path: str, packaging: str, key: str) -> dict[str, Any]:
    """An entry of the assets' manifest."""
    return {
        "source": {"path": path, "packaging": packaging},
        "destinations": {"current": {"bucketName": ASSETS, "objectKey": key}},
    }


def outputs() -> dict[str, Any]:
    """What the tests need to know."""
    names = {
        "ApiId": "Api",
        "BucketName": "Bucket",
        "QueueUrl": "Queue",
        "DeadLettersQueueUrl": "DeadLetters",
    }
    return {name: {"Value": {"Ref": logical_id}} for name, logical_id in names.items()}


def resources() -> dict[str, Any]:
    """A function that may write to a bucket but not read it, behind an API and behind a queue."""
    return {
        "Bucket": resource("AWS::S3::Bucket"),
        "DeadLetters": resource("AWS::SQS::Queue"),
        "Queue": resource(
            "AWS::SQS::Queue",
            VisibilityTimeout=1,
            RedrivePolicy={"deadLetterTargetArn": arn("DeadLetters"), "maxReceiveCount": 2},
        ),
        "Role": resource(
            "AWS::IAM::Role",
            AssumeRolePolicyDocument=policy("sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"}),
            Policies=[
                {
                    "PolicyName": "write",
                    "PolicyDocument": policy(
                        "s3:PutObject", Resource={"Fn::Join": ["", [arn("Bucket"), "/*"]]}
                    ),
                },
                {
                    "PolicyName": "queue",
                    "PolicyDocument": policy(
                        "sqs:SendMessage",
                        "sqs:ReceiveMessage",
                        "sqs:DeleteMessage",
                        "sqs:GetQueueAttributes",
                        Resource=arn("Queue"),
                    ),
                },
            ],
        ),
        "Layer": resource("AWS::Lambda::LayerVersion", Content=object_of("probe-layer.zip")),
        "Function": resource(
            "AWS::Lambda::Function",
            Runtime="python3.13",
            Handler="handler.handler",
            Code=object_of("probe-code.zip"),
            Layers=[{"Ref": "Layer"}],
            Role=arn("Role"),
            MemorySize=256,
            Timeout=10,
            Environment={
                "Variables": {
                    "BUCKET": {"Ref": "Bucket"},
                    "QUEUE": {"Ref": "Queue"},
                    "POWERTOOLS_SERVICE_NAME": "probe",
                }
            },
        ),
        "Poller": resource(
            "AWS::Lambda::EventSourceMapping",
            EventSourceArn=arn("Queue"),
            FunctionName={"Ref": "Function"},
            FunctionResponseTypes=["ReportBatchItemFailures"],
        ),
        "Api": resource(
            "AWS::ApiGatewayV2::Api",
            Name="probe",
            ProtocolType="HTTP",
            CorsConfiguration={"AllowOrigins": ["https://a.example"], "AllowMethods": ["POST"], "MaxAge": 60},
        ),
        "Stage": resource(
            "AWS::ApiGatewayV2::Stage", ApiId={"Ref": "Api"}, StageName="$default", AutoDeploy=True
        ),
        "Integration": resource(
            "AWS::ApiGatewayV2::Integration",
            ApiId={"Ref": "Api"},
            IntegrationType="AWS_PROXY",
            IntegrationUri=arn("Function"),
            PayloadFormatVersion="2.0",
        ),
        "Default": route("$default"),
        "Things": route("GET /things/{name}/ids/{proxy+}"),
    }


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    """A resource of the template."""
    return {"Type": kind, "Properties": properties}


def arn(logical_id: str) -> dict[str, Any]:
    """The ARN of another resource."""
    return {"Fn::GetAtt": [logical_id, "Arn"]}


def policy(*actions: str, **where: Any) -> dict[str, Any]:
    """A policy of one statement."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), **where}]}


def object_of(key: str) -> dict[str, Any]:
    """A published asset."""
    return {"S3Bucket": {"Fn::Sub": ASSETS}, "S3Key": key}


def route(key: str) -> dict[str, Any]:
    """A route to the one integration."""
    target = {"Fn::Join": ["", ["integrations/", {"Ref": "Integration"}]]}
    return resource("AWS::ApiGatewayV2::Route", ApiId={"Ref": "Api"}, RouteKey=key, Target=target)
