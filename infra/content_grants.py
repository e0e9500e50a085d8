"""Who may do what for documents and content indexes: the part of the stack's grants that only they need."""

from collections.abc import Mapping

from aws_cdk import Stack

from infra.components.functions import Function
from infra.components.messaging import Messaging
from infra.components.storage import Storage
from infra.components.workflow import Workflow
from infra.derived_grants import READ
from infra.environments import SECRETS
from infra.import_grants import DESCRIPTORS, MANIFESTS, REJECTS, WORK, WRITE
from infra.text_grants import LOG


def grant_content(
    functions: Mapping[str, Function], *, storage: Storage, messaging: Messaging, reindexes: Workflow
) -> None:
    """Let each function do its part. The test of the roles holds the same table, written a second time."""
    content, reindex, tasks = (functions[name] for name in ("content", "reindex", "tasks"))
    table, objects = storage.table.table_arn, storage.bucket.arn_for_objects
    content.allow([*READ, *WRITE, "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"], table)
    content.allow(["s3:GetObject"], objects("t/*"), objects(WORK))
    content.allow(["s3:PutObject"], *(objects(name) for name in (LOG, DESCRIPTORS, MANIFESTS)))
    content.allow(["s3:PutObject"], objects("t/*/tenant.json"))
    content.allow(["s3:DeleteObject"], objects(LOG))
    content.allow(["s3:ListBucket"], storage.bucket.bucket_arn)
    content.allow(["sqs:SendMessage"], messaging.wakeups.queue_arn, messaging.tasks.queue_arn)
    # Documents that could not be embedded are kept as a list of the index, once it is built.
    for builder in (reindex, tasks):
        builder.allow(["s3:GetObject"], objects(REJECTS))
    # The key that the secrets of webhooks are sealed with.
    content.allow(
        ["ssm:GetParameter", "ssm:PutParameter"],
        Stack.of(storage).format_arn(
            service="ssm", resource="parameter", resource_name=f"{SECRETS.strip('/')}/*"
        ),
    )
    # A content index is built as a collection is embedded anew.
    content.allow(["states:StartExecution"], reindexes.machine.state_machine_arn)
    content.allow(["states:DescribeExecution", "states:StopExecution"], reindexes.executions(":*"))
    content.tell(SHOAL_REINDEX_STATE_MACHINE_ARN=reindexes.machine.state_machine_arn)
