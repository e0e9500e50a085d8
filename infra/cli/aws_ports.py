"""The AWS parts of a deployed stack, found by its CloudFormation outputs."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from infra.cli.failures import CliError
from infra.cli.profiles import Profile

if TYPE_CHECKING:
    import boto3

    from shoal.storage.ports import Ports

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
"""The outputs that the command line needs."""


def aws_session(profile: Profile) -> "boto3.Session":
    """A session with the profile's credentials and region."""
    import boto3

    return boto3.Session(profile_name=profile.aws_profile, region_name=profile.region)


def stack_outputs(client: Any, stack: str) -> Mapping[str, str]:
    """The outputs of a stack by their keys; `client` is one of CloudFormation.

    Raises:
        CliError: there is no such stack, or it is not one of ours.
    """
    from botocore.exceptions import ClientError

    try:
        found = client.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        raise CliError(
            f"there is no stack {stack!r} in {client.meta.region_name}",
            hint="`cdk deploy`; or name it: `shoal profiles set NAME --stack STACK --region REGION`",
        ) from error
    outputs = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}
    missing = [name for name in OUTPUTS if name not in outputs]
    if missing:
        raise CliError(
            f"stack {stack!r} ({found['StackStatus']}) lacks the outputs {', '.join(missing)}",
            hint="`cdk deploy` brings it up to date",
        )
    return outputs


def deployed_ports(profile: Profile, *, table: str | None = None) -> "Ports":
    """The ports of the profile's stack; over another table if one is named.

    Raises:
        CliError: there is no such stack.
    """
    client: Callable[[str], Any] = cast("Any", aws_session(profile)).client
    return ports_from(client, stack_outputs(client("cloudformation"), profile.stack), table=table)


def ports_from(
    client: Callable[[str], Any], outputs: Mapping[str, str], *, table: str | None = None
) -> "Ports":
    """The ports over these clients and outputs; over another table if one is named."""
    import time

    from shoal.storage.aws_objects import AwsObjects
    from shoal.storage.aws_queue import AwsQueue
    from shoal.storage.aws_table import AwsTable
    from shoal.storage.aws_upstream import AwsUpstream
    from shoal.storage.aws_workflows import AwsWorkflows
    from shoal.storage.ports import Ports

    sqs = client("sqs")
    return Ports(
        objects=AwsObjects(client("s3"), outputs["BucketName"]),
        table=AwsTable(client("dynamodb"), table or outputs["TableName"]),
        wakeups=AwsQueue(sqs, outputs["WakeupsQueueUrl"]),
        builds=AwsQueue(sqs, outputs["BuildsQueueUrl"]),
        clock=time.time,
        imports=AwsWorkflows(client("stepfunctions"), outputs["ImportStateMachineArn"]),
        compactions=AwsWorkflows(client("stepfunctions"), outputs["CompactionStateMachineArn"]),
        exports=AwsWorkflows(client("stepfunctions"), outputs["ExportStateMachineArn"]),
        reindexes=AwsWorkflows(client("stepfunctions"), outputs["ReindexStateMachineArn"]),
        derivations=AwsWorkflows(client("stepfunctions"), outputs["DerivationStateMachineArn"]),
        ingestions=AwsWorkflows(client("stepfunctions"), outputs["IngestionStateMachineArn"]),
        tasks=AwsQueue(sqs, outputs["TasksQueueUrl"]),
        upstream=AwsUpstream(client("s3"), outputs["BucketName"]),
    )
