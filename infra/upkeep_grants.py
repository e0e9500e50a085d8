"""Who may do what for exports: the part of the stack's grants that only they need."""

from collections.abc import Mapping

from infra.components.functions import Function
from infra.components.storage import Storage
from infra.components.workflow import Workflow
from infra.import_grants import WORK

EXPORTS = "exports/t/*"


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
