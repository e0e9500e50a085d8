"""The settings of a deployment: every choice, its unit, its default and the reason for it, in one class.

They come from the CDK context and from nowhere else: a `shoal:<name>` key in `cdk.json` or on the command line
(`cdk deploy -c shoal:log_retention_days=90`), or several at once as a JSON object (`-c shoal:settings='{...}'`).
The table in `infra/README.md` is `markdown_table()` of this class; a test fails when the two drift apart.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from infra.setting_types import (
    ApiTimeout,
    Counts,
    Days,
    Memory,
    Names,
    Objects,
    Origins,
    PollerConcurrency,
    Prices,
    Quota,
    Retention,
    Timeout,
    explain,
)

PREFIX: Final = "shoal:"
ALL_SETTINGS: Final = f"{PREFIX}settings"
LAYERS: Final = f"{PREFIX}layers"
"""Context key of the tests: `placeholder` synthesizes without built vendor layers. Not a setting."""


class InvalidSettings(Exception):
    """The context holds a setting that does not exist, or a value that does not fit it."""


class Settings(BaseModel):
    """What a deployment can choose. The description of a field says why its default is what it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Literal["arm64", "x86_64"] = Field(
        "arm64", description="Lambda's processor. arm64 costs a fifth less a GB-second than x86_64."
    )

    api_memory_mb: Memory = Field(
        1024, description="MB. Parses uploads of 10 MB into arrays; CPU comes with memory, so less is slower."
    )
    query_memory_mb: Memory = Field(
        3008, description="MB. The most a new account allows: shards are cached in it, and CPU comes with it."
    )
    indexer_memory_mb: Memory = Field(
        3008,
        description="MB. Holds one commit: 64 MB of log and its delta, or the ids of 10 million imported rows.",
    )
    builder_memory_mb: Memory = Field(
        3008,
        description="MB. Holds the resident shard and the graph it builds; the most a new account allows.",
    )
    sweep_memory_mb: Memory = Field(512, description="MB. Reads an index once a minute; little is enough.")
    import_intake_memory_mb: Memory = Field(
        512, description="MB. Looks at an upload and starts its import; little is enough."
    )
    import_plan_memory_mb: Memory = Field(
        1769, description="MB. One whole CPU: unpacking is one stream, which more would not make faster."
    )
    import_validate_memory_mb: Memory = Field(
        1769, description="MB. One whole CPU for a piece of 32 MB; many pieces go side by side instead."
    )
    import_cells_memory_mb: Memory = Field(
        3008, description="MB. Holds the sample and the cells that it builds; the most a new account allows."
    )
    import_finish_memory_mb: Memory = Field(
        3008, description="MB. Holds the ids of the import beside those of the dataset, as for a commit."
    )
    compaction_memory_mb: Memory = Field(
        3008, description="MB. Holds the ids of 10 million rows, or a sample and its cells, as imports do."
    )
    janitor_memory_mb: Memory = Field(
        1769, description="MB. Holds the names of a tenant's objects; one whole CPU, as parts are decoded."
    )
    export_memory_mb: Memory = Field(
        3008,
        description="MB. Holds the rows of a file of 256 MB several times; the most a new account allows.",
    )

    tasks_memory_mb: Memory = Field(
        1769,
        description="MB. One whole CPU: the bundled model computes in one thread; others are waited for.",
    )
    reindex_memory_mb: Memory = Field(
        1769,
        description="MB. One whole CPU for a piece of a collection; many pieces go side by side instead.",
    )
    derivation_memory_mb: Memory = Field(
        1769,
        description="MB. One whole CPU for a piece of a dataset; many pieces go side by side instead.",
    )
    ingestion_memory_mb: Memory = Field(
        1769, description="MB. Copies records between datasets in batches, and waits for others otherwise."
    )
    content_memory_mb: Memory = Field(
        3008, description="MB. Caches content indexes and the documents they are made of, as queries do."
    )
    outbound_memory_mb: Memory = Field(
        512, description="MB. Sends one request and reads 1 MB; little is enough."
    )

    api_timeout_s: ApiTimeout = Field(29, description="Seconds. The HTTP API itself gives up after 30.")
    query_timeout_s: ApiTimeout = Field(29, description="Seconds. The HTTP API itself gives up after 30.")
    indexer_timeout_s: Timeout = Field(
        120, description="Seconds. A commit takes a few; a message that failed is seen again after as long."
    )
    builder_timeout_s: Timeout = Field(
        900, description="Seconds. Building a graph of 400,000 rows takes two minutes; 900 is Lambda's most."
    )
    sweep_timeout_s: Timeout = Field(
        90,
        description="Seconds. It looks after imports for 20 and after datasets for 45, then leaves the rest.",
    )
    import_intake_timeout_s: Timeout = Field(
        60, description="Seconds. Starting takes one; an event that failed is seen again after as long."
    )
    import_plan_timeout_s: Timeout = Field(
        900, description="Seconds. Unpacking 20 GiB may take twelve minutes; 900 is Lambda's most."
    )
    import_validate_timeout_s: Timeout = Field(
        900, description="Seconds. A piece takes a few; 900 is Lambda's most."
    )
    import_cells_timeout_s: Timeout = Field(
        900, description="Seconds. Training takes the longest; 900 is Lambda's most."
    )
    import_finish_timeout_s: Timeout = Field(
        900,
        description="Seconds. It waits until the log before the import is applied, for ten minutes at most.",
    )
    compaction_timeout_s: Timeout = Field(
        900, description="Seconds. Training takes the longest; 900 is Lambda's most."
    )
    janitor_timeout_s: Timeout = Field(
        900,
        description="Seconds. What it does not reach, the next day's run goes on with; 900 is Lambda's most.",
    )
    export_timeout_s: Timeout = Field(
        900, description="Seconds. A file of 256 MB takes about ten; 900 is Lambda's most."
    )
    tasks_timeout_s: Timeout = Field(
        900,
        description="Seconds. What a call does not reach, the next one goes on with; 900 is Lambda's most.",
    )
    reindex_timeout_s: Timeout = Field(
        900, description="Seconds. A piece is cut to take a few minutes; 900 is Lambda's most."
    )
    derivation_timeout_s: Timeout = Field(
        900, description="Seconds. A piece takes a few; 900 is Lambda's most, for a log that is waited for."
    )
    ingestion_timeout_s: Timeout = Field(
        900, description="Seconds. A step takes up to five minutes, copying an object of 5 GiB longest."
    )
    content_timeout_s: ApiTimeout = Field(29, description="Seconds. The HTTP API itself gives up after 30.")
    outbound_timeout_s: Timeout = Field(
        15, description="Seconds. A request is given up after 10; the rest is for looking up name and key."
    )

    indexer_max_concurrency: PollerConcurrency = Field(
        5, description="Functions. Leaves half of a new account's 10 concurrent executions to requests."
    )
    builder_max_concurrency: PollerConcurrency = Field(
        2,
        description="Functions. Builds are long; the least SQS allows keeps them from crowding out requests.",
    )
    import_max_concurrency: Annotated[int, Field(ge=1, le=10_000)] = Field(
        5,
        description="Functions of one import at once. Leaves half of a new account's 10 to everything else.",
    )
    compaction_max_concurrency: Annotated[int, Field(ge=1, le=10_000)] = Field(
        5,
        description="Functions of one compaction at once. Leaves half of a new account's 10 to everything else.",
    )
    export_max_concurrency: Annotated[int, Field(ge=1, le=10_000)] = Field(
        2, description="Files of one export written at once. A backup must not crowd out requests."
    )
    tasks_max_concurrency: PollerConcurrency = Field(
        2, description="Functions. Each does the tasks of one family of one tenant; the least SQS allows."
    )
    reindex_max_concurrency: Annotated[int, Field(ge=1, le=10_000)] = Field(
        3,
        description="Functions of one reindex at once. A model's rate is used up sooner than functions are.",
    )

    derivation_max_concurrency: Annotated[int, Field(ge=1, le=10_000)] = Field(
        3,
        description="Functions of one derivation at once. Leaves most of a new account's 10 to everything else.",
    )
    ingest_buckets: Names = Field(
        (),
        description="Buckets of yours, by name, that `INGEST_UPSTREAM` may read; `shoal sources add` says who "
        "reads what of them. Never Shoal's own. Empty: none.",
    )

    default_embedding_model: str = Field(
        "static-256",
        description="Model of collections for which none was named. Bundled: no network, no price.",
    )
    bedrock_models: Names = Field(
        (
            "bedrock:amazon.titan-embed-text-v2:0",
            "bedrock:amazon.titan-embed-text-v2:0@512",
            "bedrock:amazon.titan-embed-text-v2:0@256",
            "bedrock:cohere.embed-english-v3",
            "bedrock:cohere.embed-multilingual-v3",
        ),
        description="Models of Amazon Bedrock that may be used: functions get rights for them. Billed by use.",
    )
    http_embedding_models: Objects = Field(
        (),
        description="Models behind endpoints of yours that answer as OpenAI's `/v1/embeddings`: a JSON list of "
        "`{id, url, model, dimension, key_parameter}`, the key in SSM Parameter Store below `/shoal/`.",
    )
    embedding_prices: Prices = Field(
        {},
        description="US dollars for a million tokens by model, as JSON, in place of the known list prices.",
    )
    embedding_tokens_per_day: Quota | None = Field(
        None, description="Tokens that models read for one tenant on one UTC day. None: unlimited."
    )
    model_tokens_per_minute: Counts = Field(
        {},
        description="Tokens that a model may read in a minute, by model, as JSON: what its provider grants you. "
        "Bulk work waits for the next minute, and leaves a fifth to queries. Empty: no limit.",
    )
    reindex_failed_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.05, description="Share of the objects of a reindex that may fail without failing it."
    )
    outbound_allow_loopback: bool = Field(
        False, description="Let requests to users' addresses reach this machine. For local stacks only."
    )
    vectorize_max_dimensions: Annotated[int, Field(ge=32, le=4096)] = Field(
        1536, description="Dimensions of an index made through the Vectorize API. The original's own limit."
    )
    vectorize_max_ids: Annotated[int, Field(ge=20, le=1000)] = Field(
        20, description="Ids of one `get_by_ids` of the Vectorize API. The original's own limit."
    )

    api_throttle_rps: Annotated[float, Field(gt=0)] = Field(
        500, description="Requests/s over all tenants, at the gateway. Bounds the bill of a flood."
    )
    api_throttle_burst: Annotated[int, Field(ge=1)] = Field(
        1000, description="Requests at once over all tenants, at the gateway. Two seconds' worth."
    )
    rate_limit_rps: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Requests/s of one key. None: unlimited, as you own the stack and its callers."
    )
    rate_limit_burst: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Requests of one key at once before the rate limit counts. None: two seconds' worth.",
    )
    vector_quota: Quota | None = Field(
        None, description="Vectors of a tenant that has no quota of its own. None: unlimited."
    )
    query_quota: Quota | None = Field(
        None, description="Queries a day of a tenant that has no quota of its own. None: unlimited."
    )

    removal_policy: Literal["retain", "destroy"] = Field(
        "retain", description="What deleting the stack does to table and bucket. Data outlives a slip."
    )
    point_in_time_recovery: bool = Field(
        True,
        description="Continuous backups of the table, 35 days. Billed by size: $0.20 a GB-month.",
    )
    staging_days: Days = Field(
        7, description="Days until an upload in staging expires. As long as anything unreferenced is kept."
    )
    rejects_days: Annotated[int, Field(ge=31, le=3650)] = Field(
        31,
        description="Days until the rejected records of an import expire. Promised are 30, and S3 rounds up.",
    )
    exports_days: Annotated[int, Field(ge=8, le=3650)] = Field(
        8, description="Days until the files of an export expire. Promised are 7, and S3 rounds up."
    )
    tasks_days: Annotated[int, Field(ge=31, le=3650)] = Field(
        31, description="Days until bodies and failures of tasks expire. Promised are 30, and S3 rounds up."
    )
    noncurrent_days: Days = Field(
        1,
        description="Days that overwritten and deleted object versions stay. Objects are immutable: 1, the least.",
    )
    incomplete_upload_days: Days = Field(
        1,
        description="Days until an unfinished multipart upload is aborted. Its parts are billed until then.",
    )

    cors_origins: Origins = Field(
        (),
        description="Browser origins that may call and upload, `https://a.example` or `*`. None: no browser may.",
    )
    domain_name: str | None = Field(
        None, description="Custom domain of the API. None: the address that API Gateway gives."
    )
    certificate_arn: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:acm:")] | None = Field(
        None, description="ACM certificate of `domain_name`, in the stack's region."
    )
    docs_enabled: bool = Field(
        True, description="Serve `/docs` and `/openapi.json`. They tell nothing that the repository does not."
    )

    alarms_email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = Field(
        None, description="Address that gets the alarms. None: alarms go to a topic without a subscriber."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least level that functions log. One line a request or commit at INFO."
    )
    log_retention_days: Retention = Field(
        30, description="Days that logs are kept. CloudWatch's own default is forever, billed forever."
    )
    snap_start: bool = Field(
        False,
        description="Start `api` and `query` from a snapshot. Shortens cold starts; off, as it costs while idle: "
        "$3.90 a GB-month of memory (about $15 a month at the defaults), and $0.00014 a GB restored.",
    )

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        if (self.domain_name is None) != (self.certificate_arn is None):
            raise ValueError("domain_name and certificate_arn come together")
        if self.rate_limit_burst is not None and self.rate_limit_rps is None:
            raise ValueError("rate_limit_burst needs rate_limit_rps")
        return self

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> Self:
        """Read the `shoal:` keys of a CDK context.

        Raises:
            InvalidSettings: a name does not exist, or a value does not fit; the message says which and why.
        """
        values: dict[str, Any] = {}
        if (together := context.get(ALL_SETTINGS)) is not None:
            values.update(_read_object(together))
        for key, value in context.items():
            if key.startswith(PREFIX) and key not in (ALL_SETTINGS, LAYERS):
                values[key.removeprefix(PREFIX)] = value
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InvalidSettings(explain(error, prefix=PREFIX, known=cls.model_fields)) from error


def _read_object(value: object) -> Mapping[str, Any]:
    """The settings of `shoal:settings`: an object in cdk.json, text on the command line."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise InvalidSettings(f"{ALL_SETTINGS} is not JSON: {error}") from error
    if not isinstance(value, Mapping):
        raise InvalidSettings(f"{ALL_SETTINGS} must be a JSON object of settings")
    return value


TABLE_BEGINS: Final = "<!-- settings: written by `python -m infra.settings` -->\n"
TABLE_ENDS: Final = "<!-- end of settings -->\n"


def markdown_table() -> str:
    """The settings as a Markdown table, for `infra/README.md`."""
    rows = ["| setting | default | unit, and why |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = field.default if field.default not in (None, ()) else "none"
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        rows.append(f"| `{name}` | {shown} | {field.description} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Write the table into `infra/README.md` anew."""
    path = Path(__file__).with_name("README.md")
    before, rest = path.read_text().split(TABLE_BEGINS)
    path.write_text(before + TABLE_BEGINS + markdown_table() + TABLE_ENDS + rest.split(TABLE_ENDS)[1])


if __name__ == "__main__":
    main()
