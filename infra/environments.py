"""What each function is told: names of what it touches, and the settings that it obeys."""

import json
from collections.abc import Mapping

from aws_cdk import Aws

from infra.components.messaging import Messaging
from infra.components.storage import Storage
from infra.settings import Settings

PARAMETERS = "/shoal/"
"""Where the keys of users' endpoints lie in SSM Parameter Store."""
SECRETS = f"/shoal-keys/{Aws.STACK_NAME}"
"""Where the deployment's own keys lie there: not below the other, which the way out may read."""
TMP_BYTES = 512 * 1024 * 1024
"""Of /tmp, as Lambda gives it without charge."""


def environments_of(
    settings: Settings, storage: Storage, messaging: Messaging
) -> Mapping[str, Mapping[str, str]]:
    """The environment of each function, but for what is made only after it (see `Function.tell`)."""
    limits = _given(
        SHOAL_RATE_LIMIT_RPS=settings.rate_limit_rps,
        SHOAL_RATE_LIMIT_BURST=settings.rate_limit_burst,
        SHOAL_VECTOR_QUOTA=settings.vector_quota,
        SHOAL_QUERY_QUOTA=settings.query_quota,
    )
    docs = {"SHOAL_DOCS_ENABLED": str(settings.docs_enabled).lower()}
    # Half of the memory for shards: the rest is code, arrays and answers.
    cache = {
        "SHOAL_CACHE_BYTES": str(settings.query_memory_mb * 500_000),
        "SHOAL_DISK_CACHE_BYTES": str(TMP_BYTES * 4 // 5),
    }
    table = {"SHOAL_TABLE": storage.table.table_name}
    bucket = {"SHOAL_BUCKET": storage.bucket.bucket_name}
    wakeups = {"SHOAL_WAKEUPS_QUEUE_URL": messaging.wakeups.queue_url}
    builds = {"SHOAL_BUILDS_QUEUE_URL": messaging.builds.queue_url}
    tasks = {"SHOAL_TASKS_QUEUE_URL": messaging.tasks.queue_url}
    models = {
        "SHOAL_DEFAULT_EMBEDDING_MODEL": settings.default_embedding_model,
        "SHOAL_BEDROCK_MODELS": json.dumps(settings.bedrock_models),
        "SHOAL_HTTP_EMBEDDING_MODELS": json.dumps(settings.http_embedding_models),
        "SHOAL_EMBEDDING_PRICES": json.dumps(settings.embedding_prices),
        "SHOAL_MODEL_TOKENS_PER_MINUTE": json.dumps(settings.model_tokens_per_minute),
        **_given(SHOAL_EMBEDDING_TOKENS_PER_DAY=settings.embedding_tokens_per_day),
    }
    vectorize = {
        "SHOAL_VECTORIZE_MAX_DIMENSIONS": str(settings.vectorize_max_dimensions),
        "SHOAL_VECTORIZE_MAX_IDS": str(settings.vectorize_max_ids),
    }
    secrets = {"SHOAL_SECRETS_PREFIX": SECRETS}
    share = {"SHOAL_REINDEX_FAILED_SHARE": str(settings.reindex_failed_share)}
    # The allocator of pyarrow's own maps 1 GiB at once: a limit on data counts all of it.
    arrow = {"ARROW_DEFAULT_MEMORY_POOL": "system"}
    return {
        "api": table | bucket | wakeups | builds | tasks | limits | docs | models | share | vectorize,
        "query": table | bucket | limits | cache | models | vectorize,
        "indexer": table | bucket | wakeups | builds | tasks,
        "builder": table | bucket | wakeups | builds,
        "sweep": table | bucket | wakeups | builds | tasks,
        "import_intake": table | bucket | wakeups,
        "import_plan": table | bucket | wakeups | arrow,
        "import_validate": table | bucket | wakeups | arrow,
        # Its steps share the work among threads of their own; BLAS's would only wait for each other.
        "import_cells": table | bucket | wakeups | {"OPENBLAS_NUM_THREADS": "1"},
        "import_finish": table | bucket | wakeups | builds | tasks,
        "compaction": table | bucket | wakeups | builds | {"OPENBLAS_NUM_THREADS": "1"},
        "janitor": table | bucket,
        "export": table | bucket | arrow,
        # Models of ours compute in the function's own thread.
        "tasks": table | bucket | wakeups | builds | tasks | models | {"OPENBLAS_NUM_THREADS": "1"},
        "reindex": table | bucket | wakeups | tasks | models | {"OPENBLAS_NUM_THREADS": "1"},
        "derivation": table | bucket | wakeups | builds | tasks,
        "ingestion": table
        | bucket
        | wakeups
        | builds
        | {"SHOAL_INGEST_BUCKETS": json.dumps(settings.ingest_buckets)},
        "content": table | bucket | wakeups | builds | tasks | limits | cache | models | secrets,
        "outbound": {
            "SHOAL_PARAMETER_PREFIX": PARAMETERS,
            "SHOAL_OUTBOUND_ALLOW_LOOPBACK": str(settings.outbound_allow_loopback).lower(),
        },
    }


def _given(**limits: float | None) -> dict[str, str]:
    """The limits that are set, as environment; a limit that is not there does not limit."""
    return {name: str(value) for name, value in limits.items() if value is not None}
