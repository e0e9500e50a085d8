"""The stack, as a diagram: its parts, who calls whom, who may do what, and what raises an alarm."""

from collections.abc import Mapping

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from infra.components.api import Api
from infra.components.functions import SPECS, Function
from infra.components.layers import Layers
from infra.components.messaging import Messaging
from infra.components.monitoring import Monitoring
from infra.components.storage import Storage
from infra.components.uploads import Uploads
from infra.components.workflow import Workflow
from infra.content_grants import grant_content
from infra.derived_grants import grant_derived
from infra.environments import environments_of
from infra.import_grants import COMMITTED, DESCRIPTORS, MANIFESTS, UPLOAD, WRITE, grant_imports
from infra.settings import Settings
from infra.text_grants import grant_text
from infra.upkeep_grants import grant_compactions, grant_exports, grant_janitor

READ = ("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query")
STUDIO = "/api/v1"
"""Where the Embedding Studio API begins."""
VECTORIZE = "/client/v4/accounts/{account_id}/vectorize/v2/indexes/{index_name}"
"""One index, as Cloudflare's Vectorize calls it."""
IMPORT_STARTERS = ("api", "import_intake", "sweep", "content")
"""The functions that start imports, and sign the addresses of their uploads."""
OWN = ("api", "query", "indexer", "builder", "sweep", "janitor")
"""The functions that are not steps of a workflow."""


class ShoalStack(Stack):
    """One Shoal: API, functions, queues, table and bucket."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        placeholder_layers: bool = False,
    ) -> None:
        super().__init__(scope, construct_id, description="Shoal: a vector database made of serverless parts")
        self.settings = settings
        self.storage = Storage(self, "Storage", settings=settings)
        self.messaging = Messaging(self, "Messaging", settings=settings)
        self.layers = Layers(self, "Layers", settings=settings, placeholder=placeholder_layers)
        self.functions = self._make_functions()
        self.uploads, self.imports = self._make_imports()
        self.compactions = self._make_workflow(
            "compaction",
            "compacts a dataset",
            items_at_once=settings.compaction_max_concurrency,
            starter="builder",
        )
        self.exports = self._make_workflow(
            "export",
            "writes a version of a dataset as Parquet files",
            items_at_once=settings.export_max_concurrency,
            starter="api",
        )
        self.reindexes = self._make_workflow(
            "reindex",
            "embeds a collection anew with another model",
            items_at_once=settings.reindex_max_concurrency,
            starter="api",
            others={"CellsFunctionArn": "import_cells", "FinishFunctionArn": "import_finish"},
        )
        self.derivations = self._make_workflow(
            "derivation",
            "derives a dataset from another one",
            items_at_once=settings.derivation_max_concurrency,
            starter="api",
        )
        self.ingestions = self._make_workflow(
            "ingestion", "does a task of the Openverse dialect", items_at_once=1, starter="api"
        )
        self.functions["sweep"].tell(SHOAL_REINDEX_STATE_MACHINE_ARN=self.reindexes.machine.state_machine_arn)
        self.api = Api(self, "Api", settings=settings)
        self.monitoring = Monitoring(self, "Monitoring", settings=settings)

        self._connect()
        self._grant()
        grant_imports(
            self.functions,
            storage=self.storage,
            messaging=self.messaging,
            uploads=self.uploads,
            workflow=self.imports,
        )
        grant_compactions(
            self.functions, storage=self.storage, messaging=self.messaging, workflow=self.compactions
        )
        grant_janitor(self.functions, storage=self.storage)
        grant_exports(self.functions, storage=self.storage, workflow=self.exports)
        grant_derived(
            self.functions,
            storage=self.storage,
            messaging=self.messaging,
            derivations=self.derivations,
            ingestions=self.ingestions,
            settings=settings,
        )
        grant_content(
            self.functions, storage=self.storage, messaging=self.messaging, reindexes=self.reindexes
        )
        grant_text(
            self.functions,
            storage=self.storage,
            messaging=self.messaging,
            reindexes=self.reindexes,
            settings=settings,
        )
        self._watch()
        self._tell()

    def _make_functions(self) -> Mapping[str, Function]:
        """Every function, told of what it touches."""
        environments = environments_of(self.settings, self.storage, self.messaging)
        functions = Construct(self, "Functions")
        return {
            spec.name: Function(
                functions,
                spec.construct_id,
                spec=spec,
                settings=self.settings,
                layers=self.layers,
                environment=environments[spec.name],
            )
            for spec in SPECS
        }

    def _make_imports(self) -> tuple[Uploads, Workflow]:
        """The bulk import: who signs uploads, and the workflow that the same functions start."""
        starters = [self.functions[name] for name in IMPORT_STARTERS]
        uploads = Uploads(
            self,
            "Uploads",
            objects=[self.storage.bucket.arn_for_objects(UPLOAD)],
            signers=[starter.role for starter in starters],
        )
        workflow = Workflow(
            self,
            "Imports",
            name="import",
            purpose="builds an import outside the log, and commits it whole",
            settings=self.settings,
            items_at_once=self.settings.import_max_concurrency,
            bucket=self.storage.bucket,
            functions={
                "PlanFunctionArn": self.functions["import_plan"].function,
                "ValidateFunctionArn": self.functions["import_validate"].function,
                "CellsFunctionArn": self.functions["import_cells"].function,
                "FinishFunctionArn": self.functions["import_finish"].function,
            },
        )
        arn = workflow.machine.state_machine_arn
        for starter in starters:
            starter.tell(SHOAL_UPLOAD_ROLE_ARN=uploads.role.role_arn, SHOAL_IMPORT_STATE_MACHINE_ARN=arn)
        # It uploads nothing: what it imports is copied.
        self.functions["ingestion"].tell(SHOAL_IMPORT_STATE_MACHINE_ARN=arn)
        return uploads, workflow

    def _make_workflow(
        self,
        name: str,
        purpose: str,
        *,
        items_at_once: int,
        starter: str,
        others: Mapping[str, str] | None = None,
    ) -> Workflow:
        """A workflow whose steps are of one function, but for those of `others` (placeholder: function), and who
        starts it.
        """
        steps = {f"{name.capitalize()}FunctionArn": name, **(others or {})}
        workflow = Workflow(
            self,
            f"{name.capitalize()}{'es' if name.endswith('x') else 's'}",
            name=name,
            purpose=purpose,
            settings=self.settings,
            items_at_once=items_at_once,
            bucket=self.storage.bucket,
            functions={placeholder: self.functions[step].function for placeholder, step in steps.items()},
        )
        arn = workflow.machine.state_machine_arn
        self.functions[starter].tell(**{f"SHOAL_{name.upper()}_STATE_MACHINE_ARN": arn})
        return workflow

    def _connect(self) -> None:
        """Who calls whom."""
        functions = self.functions
        self.api.route(
            functions["api"].target,
            "$default",
            "ANY /v1/{proxy+}",
            "ANY /auth/{proxy+}",
            "ANY /api/{proxy+}",
            "ANY /client/{proxy+}",
        )
        self.api.route(
            functions["query"].target,
            *(f"POST /v1/{what}" for what in ("query", "fetch", "list", "count", "stats")),
            "POST /v1/datasets/{name}/query",
            "POST /v1/datasets/{name}/vectors/fetch",
            "POST /v1/datasets/{name}/vectors/list",
            "GET /v1/datasets/{name}/vectors",
            "GET /v1/datasets/{name}/vectors/{proxy+}",
            "GET /v1/datasets/{name}/count",
            "POST /v1/datasets/{name}/count",
            "GET /v1/datasets/{name}/stats",
            *(f"POST {STUDIO}/embeddings/{what}" for what in ("similarity-search", "payload-search")),
            f"POST {STUDIO}/embeddings/payload-count",
            *(
                f"POST {STUDIO}/internal/vectordb/collections/{family}objects/{what}"
                for family in ("", "categories/")
                for what in ("find-by-ids", "find-similar")
            ),
            f"POST {VECTORIZE}/query",
            f"POST {VECTORIZE}/get_by_ids",
            f"GET {VECTORIZE}/list",
        )
        self.api.route(
            functions["content"].target,
            "ANY /{version}/embeddings-index/{proxy+}",
            "ANY /{version}/data/{proxy+}",
            "ANY /webhooks/{proxy+}",
            # More exact than the native API's own, so that both can have the version that they ask for.
            "ANY /v1/embeddings-index/{proxy+}",
            "ANY /v1/data/{proxy+}",
            "ANY /v1/webhooks/{proxy+}",
        )
        functions["indexer"].poll(
            self.messaging.wakeups, batch_size=10, max_concurrency=self.settings.indexer_max_concurrency
        )
        functions["builder"].poll(
            self.messaging.builds, batch_size=1, max_concurrency=self.settings.builder_max_concurrency
        )
        functions["tasks"].poll(
            self.messaging.tasks, batch_size=1, max_concurrency=self.settings.tasks_max_concurrency
        )
        self.storage.tell_of_uploads(self.messaging.uploads)
        functions["import_intake"].poll(self.messaging.uploads, batch_size=10, max_concurrency=2)
        events.Rule(
            self,
            "EveryMinute",
            description="shoal: looks for datasets and imports whose message got lost",
            schedule=events.Schedule.rate(Duration.minutes(1)),
            # The next minute brings the next sweep: a late one is of no use.
            targets=[targets.LambdaFunction(functions["sweep"].function, retry_attempts=0)],
        )
        events.Rule(
            self,
            "EveryDay",
            description="shoal: removes what nothing needs, and looks for datasets to compact",
            # At night in most of Europe and America, and not at a full hour, as everybody's is.
            schedule=events.Schedule.cron(hour="3", minute="23"),
            targets=[
                targets.LambdaFunction(functions["janitor"].function, retry_attempts=1),
                targets.LambdaFunction(
                    functions["sweep"].function,
                    event=events.RuleTargetInput.from_object({"task": "compaction"}),
                    retry_attempts=1,
                ),
            ],
        )

    def _grant(self) -> None:
        """Who may do what; the test of the roles holds the table a second time."""
        api, query, indexer, builder, sweep, _ = (self.functions[name] for name in OWN)
        table = self.storage.table.table_arn
        objects = self.storage.bucket.arn_for_objects
        wakeups, builds = self.messaging.wakeups.queue_arn, self.messaging.builds.queue_arn

        api.allow([*READ, *WRITE, "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"], table)
        # Writes, and what is left of refused ones; descriptors; versions, which clones and snapshots name.
        api.allow(["s3:PutObject", "s3:DeleteObject"], objects("t/*/log/*"))
        api.allow(["s3:PutObject"], objects("t/*/tenant.json"), objects(DESCRIPTORS), objects(MANIFESTS))
        api.allow(["s3:GetObject"], objects(MANIFESTS), objects(DESCRIPTORS))
        api.allow(["sqs:SendMessage"], wakeups)

        # A query counts itself and notes when a key was last used; it writes nothing else.
        query.allow(["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:UpdateItem"], table)
        query.allow(["s3:GetObject"], objects("t/*"))

        indexer.allow([*READ, *WRITE, "dynamodb:BatchWriteItem"], table)
        builder.allow([*READ, "dynamodb:UpdateItem"], table)
        for committer in (indexer, builder):
            committer.allow(["s3:GetObject"], objects("t/*"))
            committer.allow(["s3:PutObject"], *(objects(pattern) for pattern in COMMITTED))
            committer.allow(["sqs:SendMessage"], wakeups, builds)
        for reader in (query, indexer, builder):
            # Without it S3 says of a missing object that it is forbidden, and the two call for different things.
            reader.allow(["s3:ListBucket"], self.storage.bucket.bucket_arn)

        # It looks into the index, and settles what a crash left behind; once a day at every dataset.
        sweep.allow(["dynamodb:Query"], self.storage.index_arn, table)
        sweep.allow(["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:UpdateItem"], table)
        sweep.allow(["s3:GetObject", "s3:PutObject"], objects(DESCRIPTORS))
        sweep.allow(["sqs:SendMessage"], wakeups, builds)

    def _watch(self) -> None:
        """What raises an alarm."""
        watch = self.monitoring
        watch.dead_letters(self.messaging.dead_letters)
        watch.waiting("Wakeups", self.messaging.wakeups, meaning="writes are accepted but not applied")
        watch.waiting("Builds", self.messaging.builds, meaning="queries scan more than they should")
        watch.waiting("Uploads", self.messaging.uploads, meaning="files are uploaded but not imported")
        failing = {
            "Imports": (
                self.imports,
                "an import failed for a reason that is not in its file; see the logs of the import functions",
            ),
            "Compactions": (self.compactions, "a compaction failed; see the log of the compaction function"),
            "Exports": (self.exports, "an export failed; see the log of the export function"),
            "Reindexes": (
                self.reindexes,
                "a reindex failed for a reason that is not its owner's; see the log of the reindex function",
            ),
            "Derivations": (
                self.derivations,
                "a dataset could not be derived; see the log of the derivation function",
            ),
            "Ingestions": (
                self.ingestions,
                "an Openverse task failed for a reason that is not its owner's; see the ingestion function's log",
            ),
        }
        for name, (workflow, of) in failing.items():
            watch.failures(name, workflow.machine.metric_failed, of=of)
        watch.failures(
            "ImportTimeouts",
            self.imports.machine.metric_timed_out,
            of="an import took over eleven hours",
        )
        watch.server_errors(self.api.http_api)
        # A step of an import fails when its file is bad, too: there the workflow and the queue tell what matters.
        for name in OWN:
            function = self.functions[name]
            if function.spec.answers_http:
                # Its errors are the gateway's 5xx. Of the others, queues that wait or the next schedule tell of
                # throttling; and each alarm has its price.
                watch.throttles(function.spec.construct_id, function.function)
                continue
            watch.failures(
                function.spec.construct_id,
                function.function.metric_errors,
                of=f"the function {name} failed; see its log",
            )

    def _tell(self) -> None:
        """What the command line, the local stack and people need to know of it."""
        outputs = {
            "ApiUrl": (self.api.url, "where the API answers"),
            "ApiId": (self.api.http_api.api_id, "the HTTP API"),
            "TableName": (self.storage.table.table_name, "names, logs, jobs, keys and quotas"),
            "BucketName": (self.storage.bucket.bucket_name, "logs, shards and manifests"),
            "WakeupsQueueUrl": (self.messaging.wakeups.queue_url, "wake-ups of the indexer"),
            "BuildsQueueUrl": (self.messaging.builds.queue_url, "orders of the builder"),
            "UploadsQueueUrl": (self.messaging.uploads.queue_url, "news of uploads"),
            "ImportStateMachineArn": (
                self.imports.machine.state_machine_arn,
                "the workflow of imports; an execution is named after its import",
            ),
            "CompactionStateMachineArn": (
                self.compactions.machine.state_machine_arn,
                "the workflow of compactions; an execution is named after its compaction",
            ),
            "ExportStateMachineArn": (
                self.exports.machine.state_machine_arn,
                "the workflow of exports; an execution is named after its export",
            ),
            "TasksQueueUrl": (
                self.messaging.tasks.queue_url,
                "wake-ups of those who do tasks of collections",
            ),
            "ReindexStateMachineArn": (
                self.reindexes.machine.state_machine_arn,
                "the workflow of reindexes; an execution is named after its import",
            ),
            "DerivationStateMachineArn": (
                self.derivations.machine.state_machine_arn,
                "the workflow of derived datasets; an execution is named after its derivation",
            ),
            "IngestionStateMachineArn": (
                self.ingestions.machine.state_machine_arn,
                "the workflow of Openverse tasks; an execution is named after its task",
            ),
            "DeadLettersQueueUrl": (
                self.messaging.dead_letters.queue_url,
                "messages that nobody could handle",
            ),
            "AlarmsTopicArn": (self.monitoring.topic.topic_arn, "subscribe here to get the alarms"),
        }
        for name, (value, description) in outputs.items():
            CfnOutput(self, name, value=value, description=description)
        if self.api.domain_name is not None:
            CfnOutput(
                self,
                "DomainTarget",
                value=self.api.domain_name.regional_domain_name,
                description="point the custom domain's DNS record here",
            )
