"""The composition root: settings and AWS adapters, for as long as a container lives.

The only module that reads the environment. Importing it does nothing; each function below makes its thing at the
first call and keeps it.
"""

import os
import time
from functools import cache
from typing import TYPE_CHECKING, NoReturn, cast

from shoal.observability import configure
from shoal.settings import Settings, SettingsError
from shoal.storage.ports import ObjectStore, Ports, Queue, Secrets, Uploads, Upstream, Workflows

if TYPE_CHECKING:  # sockets and TLS: only who sends pays for them
    from shoal.outbound.sender import Sender
    from shoal.storage.model_ports import Outbound


@cache
def settings(*needs: str) -> Settings:
    """The environment, checked; configures the logs.

    Raises:
        SettingsError: names the variables that are missing or wrong.
    """
    found = Settings.from_env(os.environ, needs=needs)
    configure(os.environ.get("POWERTOOLS_SERVICE_NAME", "shoal"), found.log_level)
    return found


@cache
def ports(*needs: str) -> Ports:
    """The AWS adapters. A port whose name is not set can be handed around but not used.

    Raises:
        SettingsError: names the variables that are missing or wrong.
    """
    # Imported at the first request: tools and tests need none of it.
    from shoal.storage.aws_clients import (
        dynamodb_client,
        new_session,
        s3_client,
        sqs_client,
        stepfunctions_client,
        sts_client,
    )
    from shoal.storage.aws_objects import AwsObjects
    from shoal.storage.aws_queue import AwsQueue
    from shoal.storage.aws_table import AwsTable
    from shoal.storage.aws_uploads import AwsUploads
    from shoal.storage.aws_workflows import AwsWorkflows

    found = settings(*needs)
    session = new_session()

    objects = cast("ObjectStore", Unset("SHOAL_BUCKET"))
    wakeups = cast("Queue", Unset("SHOAL_WAKEUPS_QUEUE_URL"))
    builds = cast("Queue", Unset("SHOAL_BUILDS_QUEUE_URL"))
    tasks = cast("Queue", Unset("SHOAL_TASKS_QUEUE_URL"))
    uploads = cast("Uploads", Unset("SHOAL_UPLOAD_ROLE_ARN"))
    upstream = cast("Upstream", Unset("SHOAL_INGEST_BUCKETS"))
    machines = {
        "imports": ("SHOAL_IMPORT_STATE_MACHINE_ARN", found.import_state_machine_arn),
        "compactions": ("SHOAL_COMPACTION_STATE_MACHINE_ARN", found.compaction_state_machine_arn),
        "exports": ("SHOAL_EXPORT_STATE_MACHINE_ARN", found.export_state_machine_arn),
        "reindexes": ("SHOAL_REINDEX_STATE_MACHINE_ARN", found.reindex_state_machine_arn),
        "derivations": ("SHOAL_DERIVATION_STATE_MACHINE_ARN", found.derivation_state_machine_arn),
        "ingestions": ("SHOAL_INGESTION_STATE_MACHINE_ARN", found.ingestion_state_machine_arn),
    }
    if found.bucket:
        bucket_client = s3_client(session)
        objects = AwsObjects(bucket_client, found.bucket)
        if found.ingest_buckets is not None:
            from shoal.storage.aws_upstream import READ_SECONDS, AwsUpstream

            upstream = AwsUpstream(s3_client(session, read_seconds=READ_SECONDS), found.bucket)
        if found.upload_role_arn:
            uploads = AwsUploads(
                bucket_client,
                sts_client(session),
                found.bucket,
                role_arn=found.upload_role_arn,
                signed_by=lambda credentials: s3_client(session, credentials=credentials),
                clock=time.time,
            )
    if found.wakeups_queue_url or found.builds_queue_url or found.tasks_queue_url:
        queues = sqs_client(session)
        if found.wakeups_queue_url:
            wakeups = AwsQueue(queues, found.wakeups_queue_url)
        if found.builds_queue_url:
            builds = AwsQueue(queues, found.builds_queue_url)
        if found.tasks_queue_url:
            tasks = AwsQueue(queues, found.tasks_queue_url)
    workflows = {
        name: AwsWorkflows(stepfunctions_client(session), arn) if arn else cast("Workflows", Unset(variable))
        for name, (variable, arn) in machines.items()
    }
    secrets = cast("Secrets", Unset("SHOAL_SECRETS_PREFIX"))
    if found.secrets_prefix:
        from shoal.storage.aws_clients import ssm_client
        from shoal.storage.aws_parameters import AwsSecrets

        secrets = AwsSecrets(ssm_client(session), found.secrets_prefix)
    outbound = cast("Outbound", Unset("SHOAL_OUTBOUND_FUNCTION_ARN"))
    if found.outbound_function_arn:
        from shoal.storage.aws_clients import lambda_client
        from shoal.storage.aws_outbound import AwsOutbound

        outbound = AwsOutbound(lambda_client(session), found.outbound_function_arn)
    return Ports(
        objects=objects,
        table=AwsTable(dynamodb_client(session), found.table),
        wakeups=wakeups,
        builds=builds,
        clock=time.time,
        uploads=uploads,
        imports=workflows["imports"],
        compactions=workflows["compactions"],
        exports=workflows["exports"],
        reindexes=workflows["reindexes"],
        derivations=workflows["derivations"],
        ingestions=workflows["ingestions"],
        tasks=tasks,
        outbound=outbound,
        upstream=upstream,
        secrets=secrets,
    )


@cache
def sender() -> "Sender":
    """What sends requests to addresses that users gave, with settings of its own: it reaches no data.

    Raises:
        SettingsError: names the variables that are wrong.
    """
    from shoal.outbound.client import Client
    from shoal.outbound.sender import Sender
    from shoal.outbound.settings import OutboundSettings
    from shoal.storage.aws_clients import ssm_client
    from shoal.storage.aws_parameters import AwsParameters

    found = OutboundSettings.from_env(os.environ)
    configure(os.environ.get("POWERTOOLS_SERVICE_NAME", "shoal"), found.log_level)
    client = Client(allow_loopback=found.allow_loopback)
    return Sender(client, read_key=AwsParameters(ssm_client()).get, prefix=found.parameter_prefix)


def forget() -> None:
    """Start anew, as in a new container; for tests."""
    for made in (settings, ports, sender):
        made.cache_clear()


class Unset:
    """Stands for a port that the function was not given."""

    def __init__(self, variable: str) -> None:
        self._variable = variable

    def __getattr__(self, name: str) -> NoReturn:
        raise SettingsError(f"not set: {self._variable}")
