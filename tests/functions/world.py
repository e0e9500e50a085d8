"""A deployment in this process: the table, bucket and queues of the stack over moto, and the real handlers.

The sample events hold placeholders (`${API_KEY}`, `${JOB_ID}`, `$$` for a dollar sign) that are filled in from it.
"""

import importlib
import json
import logging
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pytest

from shoal import observability, runtime
from shoal.model.bindings import Binding
from shoal.model.datasets import Dataset, Metric
from shoal.model.imports import ErrorMode, Import, ImportFormat
from shoal.model.tenants import DEFAULT_SCOPES, Scope
from shoal.services.api_keys import create_key
from shoal.services.commit import drain
from shoal.services.datasets import create_dataset
from shoal.services.exports.lifecycle import create_export
from shoal.services.heads import keys_of, read_head
from shoal.services.imports.items import keys_of_import, parse_import
from shoal.services.imports.lifecycle import create_import
from shoal.services.parts import PartReader
from shoal.services.snapshot import open_snapshot
from shoal.services.tenants import create_tenant
from shoal.services.write import Accepted, upsert
from shoal.storage.aws_queue import AwsQueue
from shoal.storage.aws_workflows import AwsWorkflows
from shoal.storage.keys import ImportKeys
from shoal.storage.ports import Ports
from tests.contract.stores import UPLOAD_ROLE, Aws

EVENTS = Path(__file__).parents[2] / "events"
FUNCTIONS = (
    "api",
    "query",
    "indexer",
    "builder",
    "sweep",
    "janitor",
    "compaction",
    "export",
    "import_intake",
    "import_plan",
    "import_validate",
    "import_cells",
    "import_finish",
    "tasks",
    "reindex",
    "derivation",
    "ingestion",
    "content",
    "outbound",
)


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """The part of Lambda's context that handlers use."""

    aws_request_id: str = "11111111-2222-4333-8444-555555555555"
    milliseconds_left: int = 120_000

    def get_remaining_time_in_millis(self) -> int:
        """How long the function may still run."""
        return self.milliseconds_left


@dataclass(frozen=True, slots=True)
class World:
    """What was seeded: a dataset with `doc-1` and `a/b c` indexed, a write of `doc-2` still in the log, an import
    whose file is uploaded, but not started, and an export that has begun; and an empty one, `manuals`, that has an
    embedding model."""

    aws: Aws
    ports: Ports
    environment: dict[str, str]
    dataset: Dataset
    values: dict[str, str]

    def event(self, function: str, case: str) -> dict[str, Any]:
        """A sample event with its placeholders filled in."""
        text = (EVENTS / function / f"{case}.json").read_text()
        filled: dict[str, Any] = json.loads(Template(text).substitute(self.values))
        return filled

    def invoke(
        self, function: str, event: dict[str, Any], context: LambdaContext | None = None
    ) -> dict[str, Any]:
        """Run a handler in a new container that is told only what the function needs."""
        module = importlib.import_module(f"functions.{function}.handler")
        needs = {f"SHOAL_{field.upper()}" for field in ("table", *module.NEEDS)}
        with container({name: self.environment[name] for name in needs}, function):
            if hasattr(module, "app"):
                module.app.cache_clear()
            answer: dict[str, Any] = module.handler(event, context or LambdaContext())
            json.dumps(answer)  # as Lambda will
        return answer

    def replay(self, function: str, case: str) -> dict[str, Any]:
        """Run a handler on one of its sample events."""
        return self.invoke(function, self.event(function, case))

    def messages(self, queue: str) -> list[dict[str, str]]:
        """What waits in a queue, taken out of it."""
        url = self.environment[f"SHOAL_{queue.upper()}_QUEUE_URL"]
        answer = self.aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    def job(self) -> Import:
        """The import as it is now."""
        ids = (self.values[name] for name in ("TENANT_ID", "DATASET_ID", "IMPORT_ID"))
        item = self.ports.table.get(ImportKeys(*ids).item)
        assert item is not None
        return parse_import(item)

    def write(self, ids: list[str], *, quota: int | None = None) -> Accepted:
        """Accept records without telling anybody to index them."""
        return _write(self.ports, self.dataset, ids, quota=quota)


@contextmanager
def container(environment: dict[str, str], service: str) -> Iterator[None]:
    """The process as Lambda starts it: only these variables of ours, nothing cached, logs to standard output."""
    logger = logging.getLogger(observability.PACKAGE)
    before = (list(logger.handlers), logger.level, logger.propagate)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SHOAL_")]:
            patch.delenv(name)
        for name, value in {**environment, "POWERTOOLS_SERVICE_NAME": service}.items():
            patch.setenv(name, value)
        runtime.forget()
        try:
            yield
        finally:
            runtime.forget()
            logger.handlers, logger.level, logger.propagate = before


def new_world(aws: Aws) -> World:
    """A deployment of its own, seeded."""
    table, objects = aws.table(), aws.objects()
    wakeups = aws.sqs.create_queue(QueueName=f"wakeups-{uuid.uuid4().hex}")["QueueUrl"]
    builds = aws.sqs.create_queue(QueueName=f"builds-{uuid.uuid4().hex}")["QueueUrl"]
    tasks = aws.sqs.create_queue(QueueName=f"tasks-{uuid.uuid4().hex}")["QueueUrl"]
    machine, compactions, exports, reindexes, derivations, ingestions = (aws.machine() for _ in range(6))
    environment = {
        "SHOAL_TABLE": table._name,
        "SHOAL_BUCKET": objects._bucket,
        "SHOAL_WAKEUPS_QUEUE_URL": wakeups,
        "SHOAL_BUILDS_QUEUE_URL": builds,
        "SHOAL_UPLOAD_ROLE_ARN": UPLOAD_ROLE,
        "SHOAL_IMPORT_STATE_MACHINE_ARN": machine,
        "SHOAL_COMPACTION_STATE_MACHINE_ARN": compactions,
        "SHOAL_EXPORT_STATE_MACHINE_ARN": exports,
        "SHOAL_REINDEX_STATE_MACHINE_ARN": reindexes,
        "SHOAL_DERIVATION_STATE_MACHINE_ARN": derivations,
        "SHOAL_INGESTION_STATE_MACHINE_ARN": ingestions,
        "SHOAL_TASKS_QUEUE_URL": tasks,
        "SHOAL_INGEST_BUCKETS": '["upstream"]',
        "SHOAL_SECRETS_PREFIX": "/shoal-keys/tests",
        "SHOAL_OUTBOUND_FUNCTION_ARN": "arn:aws:lambda:us-east-1:123456789012:function:outbound",
    }
    ports = Ports(
        objects,
        table,
        AwsQueue(aws.sqs, wakeups),
        AwsQueue(aws.sqs, builds),
        time.time,
        aws.uploads_to(objects),
        AwsWorkflows(aws.stepfunctions, machine),
        AwsWorkflows(aws.stepfunctions, compactions),
        AwsWorkflows(aws.stepfunctions, exports),
        AwsWorkflows(aws.stepfunctions, reindexes),
        AwsQueue(aws.sqs, tasks),
        derivations=AwsWorkflows(aws.stepfunctions, derivations),
        ingestions=AwsWorkflows(aws.stepfunctions, ingestions),
    )
    tenant_id = create_tenant(ports, name="ours").tenant_id
    other_id = create_tenant(ports, name="theirs").tenant_id

    def key(owner: str, *scopes: Scope) -> tuple[str, str]:
        made, text = create_key(
            ports, tenant_id=owner, name="seed", scopes=frozenset(scopes) or DEFAULT_SCOPES, expires_at=None
        )
        return made.key_id, text

    key_id, api_key = key(tenant_id, Scope.ADMIN)
    dataset = create_dataset(
        ports, tenant_id, scope="native", name="products", dimension=4, metric=Metric.L2
    ).dataset
    create_dataset(
        ports,
        tenant_id,
        scope="native",
        name="manuals",
        dimension=256,
        metric=Metric.COSINE,
        binding=Binding("static-256"),
    )
    _write(ports, dataset, ["doc-1", "a/b c"])
    drain(ports, tenant_id, dataset.dataset_id, owner="seed")
    pending = _write(ports, dataset, ["doc-2"])
    job, _ = create_import(
        ports,
        dataset,
        file_format=ImportFormat.NDJSON,
        error_mode=ErrorMode.CONTINUE,
        max_bad_records=None,
        multipart=False,
        vector_quota=None,
    )
    uploaded = objects.put(keys_of_import(job).upload, b'{"id":"doc-3","values":[1,2,3,4]}\n')
    head = read_head(ports, keys_of(dataset))
    assert head is not None
    version = open_snapshot(PartReader(objects, cache_bytes=10**6), dataset, head)
    assert version is not None
    values = {
        "API_KEY": api_key,
        "KEY_ID": key_id,
        "READ_KEY": key(tenant_id, Scope.READ)[1],
        "OTHER_KEY": key(other_id)[1],
        "TENANT_ID": tenant_id,
        "ACCOUNT_ID": tenant_id.removeprefix("ten_"),
        "DATASET_ID": dataset.dataset_id,
        "JOB_ID": pending.job_id,
        "IMPORT_ID": job.import_id,
        "VERSION_ID": uploaded.version_id or "",
        "EXPORT_ID": create_export(ports, dataset).export_id,
        "SHARD_ID": version.manifest.shards[0].shard_id,
    }
    world = World(aws, ports, environment, dataset, values)
    while world.messages("wakeups"):
        pass  # sent while seeding
    return world


def _write(ports: Ports, dataset: Dataset, ids: list[str], *, quota: int | None = None) -> Accepted:
    vectors = np.tile(np.array([[0.1, 0.2, 0.3, 0.4]], dtype=np.float32), (len(ids), 1))
    metadata = [b'{"title":"Atlas of birds"}'] * len(ids)
    return upsert(ports, dataset, ids=ids, vectors=vectors, metadata=metadata, vector_quota=quota)
