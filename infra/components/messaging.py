"""Messaging: the indexer's wake-ups, the builder's orders, and the place of messages that nobody could handle."""

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.settings import Settings

DELIVERIES = 5
"""Receives before a message counts as poison. AWS advises 5 or more: throttling returns good messages too."""


class Messaging(Construct):
    """The queues `wakeups` and `builds`, and their common `dead_letters`."""

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
