"""Who may do what for compactions, exports and the janitor: the part of the stack's grants that only they need."""

from collections.abc import Mapping

from infra.components.functions import Function
from infra.components.messaging import Messaging
from infra.components.storage import Storage
from infra.components.workflow import Workflow
from infra.import_grants import COMMITTED, DESCRIPTORS, WORK, WRITE

EXPORTS = "exports/t/*"


def grant_compactions(
    functions: Mapping[str, Function], *, storage: Storage, messaging: Messaging, workflow: Workflow
) -> None:
    """The builder decides and starts; the API may ask it to; one function does every step."""
    api, builder, compaction = functions["api"], functions["builder"], functions["compaction"]
    table, objects = storage.table.table_arn, storage.bucket.arn_for_objects
    wakeups, builds = messaging.wakeups.queue_arn, messaging.builds.queue_arn
    api.allow(["sqs:SendMessage"], builds)
    # The item of a compaction and the build lease, in one transaction.
    builder.allow(["dynamodb:PutItem"], table)
    builder.allow(["states:StartExecution"], workflow.machine.state_machine_arn)
    builder.allow(["states:DescribeExecution"], workflow.executions(":*"))
    compaction.allow(["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", *WRITE], table)
    compaction.allow(["s3:GetObject"], objects("t/*"), objects(WORK))
    compaction.allow(["s3:PutObject"], objects(WORK), *(objects(pattern) for pattern in COMMITTED))
    compaction.allow(["s3:ListBucket"], storage.bucket.bucket_arn)
    compaction.allow(["sqs:SendMessage"], wakeups, builds)


def grant_janitor(functions: Mapping[str, Function], *, storage: Storage) -> None:
    """The one function that deletes what was committed: everything below `t/`, and items of deleted datasets."""
    janitor = functions["janitor"]
    table, objects = storage.table.table_arn, storage.bucket.arn_for_objects
    janitor.allow(["dynamodb:Query"], table, storage.index_arn)
    janitor.allow(["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:DeleteItem", *WRITE], table)
    janitor.allow(["s3:GetObject", "s3:DeleteObject"], objects("t/*"))
    janitor.allow(["s3:GetObject"], objects(WORK))  # what an import under way has built
    janitor.allow(["s3:PutObject"], objects(DESCRIPTORS), objects("t/*/tenant.json"))
    janitor.allow(["s3:ListBucket"], storage.bucket.bucket_arn)


def grant_exports(functions: Mapping[str, Function], *, storage: Storage, workflow: Workflow) -> None:
    """The API starts an export, looks at it and signs addresses of its files; its one function does the rest."""
    api, export = functions["api"], functions["export"]
    bucket, objects = storage.bucket.bucket_arn, storage.bucket.arn_for_objects
    api.allow(["states:StartExecution"], workflow.machine.state_machine_arn)
    api.allow(["states:DescribeExecution"], workflow.executions(":*"))
    api.allow(["s3:GetObject"], objects(EXPORTS))
    export.allow(
        ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:UpdateItem"], storage.table.table_arn
    )
    export.allow(["s3:GetObject"], objects("t/*"), objects(WORK))
    export.allow(["s3:PutObject"], objects(WORK), objects(EXPORTS))
    export.allow(["s3:ListBucket"], bucket)
