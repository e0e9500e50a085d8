"""Who may do what for derived datasets and the tasks of the Openverse dialect: the part of the stack's grants that
only they need.
"""

from collections.abc import Mapping

from aws_cdk import Stack

from infra.components.functions import Function
from infra.components.messaging import Messaging
from infra.components.storage import Storage
from infra.components.workflow import Workflow
from infra.import_grants import DESCRIPTORS, MANIFESTS, UPLOAD, WORK, WRITE
from infra.settings import Settings
from infra.text_grants import LOG

READ = ("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query")
PARTS = "t/*/parts/*"


def grant_derived(
    functions: Mapping[str, Function],
    *,
    storage: Storage,
    messaging: Messaging,
    derivations: Workflow,
    ingestions: Workflow,
    settings: Settings,
) -> None:
    """Let each function do its part. The test of the roles holds the same table, written a second time."""
    api, sweep, tasks = (functions[name] for name in ("api", "sweep", "tasks"))
    derivation, ingestion = functions["derivation"], functions["ingestion"]
    table, bucket, objects = (
        storage.table.table_arn,
        storage.bucket.bucket_arn,
        storage.bucket.arn_for_objects,
    )
    wakeups, builds, line = (
        queue.queue_arn for queue in (messaging.wakeups, messaging.builds, messaging.tasks)
    )
    derive, executions = derivations.machine.state_machine_arn, derivations.executions(":*")

    for starter in (api, sweep, tasks, ingestion):
        starter.allow(["states:StartExecution"], derive)
        starter.allow(["states:DescribeExecution", "states:StopExecution"], executions)
        starter.tell(SHOAL_DERIVATION_STATE_MACHINE_ARN=derive)
    for starter in (api, sweep):
        starter.allow(["states:StartExecution"], ingestions.machine.state_machine_arn)
        starter.allow(["states:DescribeExecution", "states:StopExecution"], ingestions.executions(":*"))
        starter.tell(SHOAL_INGESTION_STATE_MACHINE_ARN=ingestions.machine.state_machine_arn)

    # Whoever commits tells those that follow.
    for committer in ("indexer", "import_finish"):
        functions[committer].allow(["sqs:SendMessage"], line)

    # A version of the source becomes one of the derived dataset, through a place in its log.
    for deriver in (derivation, tasks):
        deriver.allow([*READ, *WRITE, "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"], table)
        deriver.allow(["s3:GetObject"], objects("t/*"), objects(WORK))
        deriver.allow(
            ["s3:PutObject"], *(objects(name) for name in (WORK, LOG, MANIFESTS, PARTS, DESCRIPTORS))
        )
        deriver.allow(["s3:DeleteObject"], objects(LOG))
        deriver.allow(["s3:ListBucket"], bucket)
        deriver.allow(["sqs:SendMessage"], wakeups, builds, line)

    # It copies records into an index, and objects of other buckets to where uploads go.
    ingestion.allow([*READ, *WRITE, "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"], table)
    ingestion.allow(["s3:GetObject"], objects("t/*"))
    ingestion.allow(["s3:PutObject"], objects(LOG), objects(UPLOAD), objects(DESCRIPTORS))
    ingestion.allow(["s3:AbortMultipartUpload"], objects(UPLOAD))
    ingestion.allow(["s3:DeleteObject"], objects(LOG))
    ingestion.allow(["sqs:SendMessage"], wakeups, builds)
    outbound = functions["outbound"].function.function_arn
    ingestion.allow(["lambda:InvokeFunction"], outbound)
    ingestion.tell(SHOAL_OUTBOUND_FUNCTION_ARN=outbound)
    stack = Stack.of(storage)
    for name in settings.ingest_buckets:
        arn = stack.format_arn(service="s3", region="", account="", resource=name)
        ingestion.allow(["s3:ListBucket"], arn)
        ingestion.allow(["s3:GetObject"], f"{arn}/*")
