"""Who may do what for text: embedding models, the tasks of collections, reindexes, and the way out."""

from collections.abc import Iterable, Mapping

from aws_cdk import ArnFormat, Stack

from infra.components.functions import Function
from infra.components.messaging import Messaging
from infra.components.storage import Storage
from infra.components.workflow import Workflow
from infra.environments import PARAMETERS
from infra.import_grants import DESCRIPTORS, WORK, WRITE
from infra.settings import Settings
from shoal.model.bedrock_models import BEDROCK_MODELS, foundation_model, is_profile

TASKS = "tasks/t/*"
LOG = "t/*/log/*"


def grant_text(
    functions: Mapping[str, Function],
    *,
    storage: Storage,
    messaging: Messaging,
    reindexes: Workflow,
    settings: Settings,
) -> None:
    """Let each function do its part. The test of the roles holds the same table, written a second time."""
    api, sweep, tasks, reindex = (functions[name] for name in ("api", "sweep", "tasks", "reindex"))
    table, bucket, objects = (
        storage.table.table_arn,
        storage.bucket.bucket_arn,
        storage.bucket.arn_for_objects,
    )
    wakeups, line = messaging.wakeups.queue_arn, messaging.tasks.queue_arn
    machine, executions = reindexes.machine.state_machine_arn, reindexes.executions(":*")

    # The API stores what is to be done, and shows what failed; the sweep sees that it gets done.
    api.allow(["s3:GetObject", "s3:PutObject"], objects(TASKS))
    # What a sub-task of a reindex has come to.
    api.allow(["s3:GetObject"], objects(WORK))
    reindex.allow(["sqs:SendMessage"], line)
    for starter in (api, sweep):
        starter.allow(["sqs:SendMessage"], line)
        starter.allow(["states:StartExecution"], machine)
        starter.allow(["states:DescribeExecution", "states:StopExecution"], executions)
    # It may have to end, or to start, a reindex in place of whoever died at that.
    sweep.allow(["dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"], table)

    # A batch of a task goes into the log beside the item that says so.
    tasks.allow(["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", *WRITE], table)
    tasks.allow(["dynamodb:ConditionCheckItem"], table)
    # What is inserted is compared with what is there.
    tasks.allow(["s3:GetObject"], objects("t/*"))
    tasks.allow(["s3:GetObject", "s3:PutObject"], objects(TASKS))
    tasks.allow(["s3:PutObject", "s3:DeleteObject"], objects(LOG))
    tasks.allow(["sqs:SendMessage"], wakeups, line)

    reindex.allow(["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", *WRITE], table)
    # A collection that it made goes with it where it fails.
    reindex.allow(["dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"], table)
    reindex.allow(["s3:GetObject"], objects("t/*"), objects(WORK))
    reindex.allow(["s3:PutObject"], objects(WORK), objects(DESCRIPTORS))
    reindex.allow(["sqs:SendMessage"], wakeups)

    embedders = [functions["query"], functions["content"], tasks, reindex]
    for embedder in (tasks, reindex):
        embedder.allow(["s3:ListBucket"], bucket)
    models = foundation_models(Stack.of(storage), settings.bedrock_models)
    outbound = functions["outbound"]
    for embedder in embedders:
        if models:
            embedder.allow(["bedrock:InvokeModel"], *models)
        embedder.allow(["lambda:InvokeFunction"], outbound.function.function_arn)
        embedder.tell(SHOAL_OUTBOUND_FUNCTION_ARN=outbound.function.function_arn)
    # Keys of users' endpoints, and nothing else: no table, no bucket, no queue.
    outbound.allow(
        ["ssm:GetParameter"],
        Stack.of(storage).format_arn(
            service="ssm", resource="parameter", resource_name=f"{PARAMETERS.strip('/')}/*"
        ),
    )


def foundation_models(stack: Stack, model_ids: Iterable[str]) -> list[str]:
    """The ARNs of Bedrock's models, given by our ids.

    A model that is asked through an inference profile needs two: the profile, and the model in every region that
    the profile may send a call to.

    Source: https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-prereq.html

    Raises:
        ValueError: there is no such model.
    """
    known = {model.model_id: str(model.remote) for model in BEDROCK_MODELS}
    wanted = list(model_ids)
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"bedrock_models: not known: {', '.join(unknown)}; known are {', '.join(known)}")
    arns: list[str] = []
    for remote in dict.fromkeys(known[name] for name in wanted):
        if is_profile(remote):
            arns.append(_arn(stack, "inference-profile", remote, account=stack.account))
            arns.append(_arn(stack, "foundation-model", foundation_model(remote), region="*"))
        else:
            arns.append(_arn(stack, "foundation-model", remote))
    return arns


def _arn(stack: Stack, kind: str, name: str, *, account: str = "", region: str | None = None) -> str:
    return stack.format_arn(
        service="bedrock",
        region=region,
        account=account,
        resource=kind,
        resource_name=name,
        arn_format=ArnFormat.SLASH_RESOURCE_NAME,
    )
