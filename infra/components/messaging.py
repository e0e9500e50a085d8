"""Messaging: wake-ups of the indexer, orders of the builder, news of uploads, tasks of collections, and what
nobody could handle.
"""

from aws_cdk import Aws, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.settings import Settings

DELIVERIES = 5
"""Receives before a message counts as poison. AWS advises 5 or more: throttling returns good messages too."""


class Messaging(Construct):
    """The queues `wakeups`, `builds`, `uploads` and `tasks`, and their common `dead_letters`."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self.dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            retention_period=Duration.days(14),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
        )
        self.wakeups = self._make_queue("Wakeups", handled_within_s=settings.indexer_timeout_s)
        self.builds = self._make_queue("Builds", handled_within_s=settings.builder_timeout_s)
        self.uploads = self._make_queue("Uploads", handled_within_s=settings.import_intake_timeout_s)
        self.tasks = self._make_queue("Tasks", handled_within_s=settings.tasks_timeout_s)
        # The bucket cannot be named here: it tells this queue of uploads, so it must be made after it.
        self.uploads.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sqs:SendMessage"],
                principals=[iam.ServicePrincipal("s3.amazonaws.com")],
                resources=[self.uploads.queue_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            )
        )

    def _make_queue(self, construct_id: str, *, handled_within_s: int) -> sqs.Queue:
        """A queue that shows a message again only when its handler must have ended."""
        return sqs.Queue(
            self,
            construct_id,
            visibility_timeout=Duration.seconds(handled_within_s),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=DELIVERIES),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
        )
