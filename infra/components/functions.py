"""Functions: what each one is, as data, and the constructs that follow from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.components.layers import NO_BYTECODE, ROOT, Layers
from infra.components.logs import make_log_group
from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function: the name of its folder, what it does, and its layers. Memory and timeout are settings."""

    name: str
    purpose: str
    layers: tuple[str, ...] = ("shoal", "api", "engine")
    answers_http: bool = False

    @property
    def construct_id(self) -> str:
        """The function's name as constructs are called."""
        return "".join(part.capitalize() for part in self.name.split("_"))


WITH_MODEL: Final = ("shoal", "api", "engine", "embed")
WITH_PARQUET: Final = ("shoal", "api", "engine", "parquet")

SPECS: Final = (
    FunctionSpec(
        "api", "datasets, uploads, deletes, jobs, keys, usage and the documentation", answers_http=True
    ),
    FunctionSpec("query", "query, fetch and get, over cached shards", WITH_MODEL, answers_http=True),
    FunctionSpec("indexer", "drains a dataset's log into one delta and one swap"),
    FunctionSpec("builder", "builds the resident shard, or starts a compaction, where either is due"),
    FunctionSpec(
        "sweep", "looks after datasets and imports that nobody else looks after", layers=("shoal", "api")
    ),
    FunctionSpec(
        "import_intake", "starts the imports whose uploads S3 tells of", layers=("shoal", "api", "engine")
    ),
    FunctionSpec("import_plan", "inspects, unpacks and splits the file of an import", layers=WITH_PARQUET),
    FunctionSpec("import_validate", "validates a piece of the file of an import", layers=WITH_PARQUET),
    FunctionSpec("import_cells", "settles an import and builds its cells, or its one shard"),
    FunctionSpec("import_finish", "commits an import, or ends it as failed"),
    FunctionSpec("compaction", "compacts a dataset: few pieces, few dead rows, measured recall"),
    FunctionSpec("janitor", "removes what no version, snapshot or job needs any more"),
    FunctionSpec("export", "writes a version of a dataset as Parquet files", layers=WITH_PARQUET),
    FunctionSpec("tasks", "does the tasks of collections in order: embeds, and writes", layers=WITH_MODEL),
    FunctionSpec("reindex", "embeds a collection anew with another model", layers=WITH_MODEL),
    FunctionSpec("derivation", "derives a dataset from another one by a filter or a list of terms"),
    FunctionSpec("ingestion", "does the tasks of the Openverse dialect, step by step"),
    FunctionSpec(
        "content",
        "documents, content indexes and webhooks of the Sanity dialect",
        WITH_MODEL,
        answers_http=True,
    ),
    FunctionSpec(
        "outbound", "sends requests to addresses that users gave; reaches no data", layers=("shoal", "api")
    ),
)


class Function(Construct):
    """One function with a role and a log group of its own. Its role may log and trace, and nothing else yet."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: FunctionSpec,
        settings: Settings,
        layers: Layers,
        environment: Mapping[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        self.spec = spec
        log_group = make_log_group(self, "Logs", retention_days=settings.log_retention_days)
        # A role of our own making: the one CDK makes carries a managed policy over every log group there is.
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"shoal: what the function {spec.name} may do",
        )
        self.allow(["logs:CreateLogStream", "logs:PutLogEvents"], log_group.log_group_arn)
        snap_start = settings.snap_start and spec.answers_http
        self.function = lambda_.Function(
            self,
            "Handler",
            description=f"shoal: {spec.purpose}",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.custom(settings.architecture),
            code=lambda_.Code.from_asset(str(ROOT / "functions" / spec.name), exclude=NO_BYTECODE),
            handler="handler.handler",
            role=self.role,
            layers=[layers[name] for name in spec.layers],
            memory_size=getattr(settings, f"{spec.name}_memory_mb"),
            timeout=Duration.seconds(getattr(settings, f"{spec.name}_timeout_s")),
            environment={
                **environment,
                "SHOAL_LOG_LEVEL": settings.log_level,
                "POWERTOOLS_SERVICE_NAME": spec.name,
            },
            log_group=log_group,
            tracing=lambda_.Tracing.ACTIVE,
            snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS if snap_start else None,
        )
        # Snapshots belong to versions, so requests must go to one.
        self.target: lambda_.IFunction = (
            lambda_.Alias(self, "Live", alias_name="live", version=self.function.current_version)
            if snap_start
            else self.function
        )

    def allow(self, actions: list[str], *resources: str) -> None:
        """Let the function do just these actions on just these resources."""
        self.role.add_to_principal_policy(iam.PolicyStatement(actions=actions, resources=list(resources)))

    def tell(self, **variables: str) -> None:
        """Put more into the environment: what is made only after the function."""
        for name, value in variables.items():
            self.function.add_environment(name, value)

    def poll(self, queue: sqs.IQueue, *, batch_size: int, max_concurrency: int) -> None:
        """Have Lambda hand the queue's messages to the function; only those it names come back."""
        self.allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], queue.queue_arn)
        self.function.add_event_source_mapping(
            "Poller",
            event_source_arn=queue.queue_arn,
            batch_size=batch_size,
            max_concurrency=max_concurrency,
            report_batch_item_failures=True,
        )
