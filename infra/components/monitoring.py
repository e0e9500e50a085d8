"""Monitoring: one topic, and an alarm for each thing that somebody should look at."""

from typing import Protocol

from aws_cdk import Duration, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.settings import Settings

PERIOD = Duration.minutes(5)
OLDEST_MESSAGE_S = 300


class FailureMetric(Protocol):
    """A construct's method that gives the metric of its failures."""

    def __call__(self, *, period: Duration, statistic: str) -> cloudwatch.Metric:
        """The metric, over a period."""


class Monitoring(Construct):
    """The `topic`, and methods that add alarms to it. Past the tenth, an alarm costs $0.10 a month."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Alarms", display_name="shoal alarms", enforce_ssl=True)
        # A topic with a policy of its own loses the default one, which let alarms in.
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        if settings.alarms_email is not None:
            self.topic.add_subscription(subscriptions.EmailSubscription(settings.alarms_email))

    def alarm(self, construct_id: str, *, metric: cloudwatch.IMetric, above: float, meaning: str) -> None:
        """Tell the topic, and so the reader, the `meaning` of `metric` passing `above` within five minutes."""
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            metric=metric,
            threshold=above,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"shoal: {meaning}",
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))

    def dead_letters(self, queue: sqs.IQueue) -> None:
        """A message that nobody could handle needs a person."""
        self.alarm(
            "DeadLetters",
            metric=queue.metric_approximate_number_of_messages_visible(period=PERIOD, statistic="Maximum"),
            above=0,
            meaning="a message failed every time; read it, mend the cause, send it again",
        )

    def waiting(self, construct_id: str, queue: sqs.IQueue, *, meaning: str) -> None:
        """A queue whose oldest message is older than five minutes is not being worked off."""
        self.alarm(
            f"{construct_id}Waiting",
            metric=queue.metric_approximate_age_of_oldest_message(period=PERIOD, statistic="Maximum"),
            above=OLDEST_MESSAGE_S,
            meaning=f"the oldest message waits for over {OLDEST_MESSAGE_S} s: {meaning}",
        )

    def server_errors(self, api: apigateway.HttpApi) -> None:
        """Answers of 5xx, the gateway's own among them."""
        self.alarm(
            "ServerErrors",
            metric=api.metric_server_error(period=PERIOD, statistic="Sum"),
            above=0,
            meaning="the API answered 5xx; the access log says on which route",
        )

    def throttles(self, construct_id: str, function: lambda_.IFunction) -> None:
        """Calls that found no free execution: the account's concurrency is used up."""
        self.alarm(
            f"{construct_id}Throttles",
            metric=function.metric_throttles(period=PERIOD, statistic="Sum"),
            above=0,
            meaning="calls found no free execution; ask AWS for more concurrent executions",
        )

    def failures(self, construct_id: str, metric: FailureMetric, *, of: str) -> None:
        """Failed runs: of a function (`metric_errors`), or of a state machine (`metric_failed`)."""
        self.alarm(
            f"{construct_id}Failures", metric=metric(period=PERIOD, statistic="Sum"), above=0, meaning=of
        )
