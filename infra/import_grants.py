"""Who may do what for imports: the part of the stack's grants that only they need."""

from collections.abc import Mapping

from infra.components.functions import Function
from infra.components.messaging import Messaging
from infra.components.storage import Storage
from infra.components.uploads import Uploads
from infra.components.workflow import Workflow

WRITE = ("dynamodb:PutItem", "dynamodb:UpdateItem")

DESCRIPTORS = "t/*/datasets/*"
MANIFESTS = "t/*/manifests/*"
COMMITTED = ("t/*/shards/*", MANIFESTS, "t/*/parts/*", DESCRIPTORS)
"""Where a commit puts what it makes, and describes the dataset."""
UPLOAD = "staging/t/*/upload"
WORK = "staging/t/*/work/*"
REJECTS = "rejects/t/*"


def grant_imports(
    functions: Mapping[str, Function],
    *,
    storage: Storage,
    messaging: Messaging,
    uploads: Uploads,
    workflow: Workflow,
) -> None:
    """Let each function do its part. The test of the roles holds the same table, written a second time."""
    api, sweep, content, ingestion = (functions[name] for name in ("api", "sweep", "content", "ingestion"))
    steps = ("intake", "plan", "validate", "cells", "finish")
    intake, plan, validate, cells, finish = (functions[f"import_{name}"] for name in steps)
    table = storage.table.table_arn
    bucket, objects = storage.bucket.bucket_arn, storage.bucket.arn_for_objects
    wakeups, builds = messaging.wakeups.queue_arn, messaging.builds.queue_arn
    machine = workflow.machine.state_machine_arn

    # Starting an import: it looks at the upload, takes a place in the log, wakes the indexer.
    for signer in (api, intake, sweep, content):
        signer.allow(["sts:AssumeRole"], uploads.role.role_arn)
    for starter in (api, intake, sweep, content, ingestion):
        starter.allow(["s3:GetObject"], objects(UPLOAD))
        starter.allow(["states:StartExecution"], machine)
        starter.allow(["states:DescribeExecution"], workflow.executions(":*"))
    for stopper in (api, sweep, content, ingestion):
        stopper.allow(["states:StopExecution"], workflow.executions(":*"))
    for owner in (api, content):
        owner.allow(["s3:GetObject"], objects(REJECTS))
    sweep.allow(["dynamodb:PutItem"], table)
    intake.allow(["dynamodb:GetItem", *WRITE], table)
    intake.allow(["sqs:SendMessage"], wakeups)

    # Whoever commits the dataset applies the import too, and reads what its last step has put into the log.
    functions["indexer"].allow(["s3:GetObject"], objects(WORK))

    # Each step may find that the import has failed: then it ends it in the log, and wakes the indexer.
    for worker in (plan, validate, cells, finish):
        worker.allow(["dynamodb:GetItem", "dynamodb:BatchGetItem", *WRITE], table)
        worker.allow(["s3:PutObject"], objects(WORK))
        worker.allow(["sqs:SendMessage"], wakeups)
    for reader in (plan, validate):
        # Every read of an upload names the version that the import began with.
        reader.allow(["s3:GetObject", "s3:GetObjectVersion"], objects("staging/t/*"))
    plan.allow(["s3:AbortMultipartUpload"], objects(WORK))
    cells.allow(["s3:GetObject"], objects(WORK), objects("t/*"))
    cells.allow(["s3:PutObject"], objects("t/*/shards/*"), objects("t/*/parts/*"))
    cells.allow(["s3:PutObject", "s3:AbortMultipartUpload"], objects(REJECTS))
    finish.allow(["dynamodb:Query", "dynamodb:BatchWriteItem"], table)
    finish.allow(["s3:GetObject"], objects(WORK), objects("t/*"))
    finish.allow(["s3:PutObject"], *(objects(pattern) for pattern in COMMITTED))
    # Documents that were written while an import of such was open are put again before it commits.
    finish.allow(["s3:PutObject"], objects("t/*/log/*"))
    finish.allow(["sqs:SendMessage"], builds)
    for reader in (api, sweep, ingestion, intake, plan, validate, cells, finish):
        reader.allow(["s3:ListBucket"], bucket)
