"""Storage: one table for everything small and conditional, one bucket for everything large and immutable."""

from typing import cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.settings import Settings

INDEX = "gsi1"
"""The table's one index: pending datasets, and tenants."""


class Storage(Construct):
    """The `table` and the `bucket`. Neither has a fixed name, and both outlive the stack unless told otherwise."""

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        self.table = self._make_table(settings)
        self.bucket = self._make_bucket(settings)

    def _make_table(self, settings: Settings) -> dynamodb.Table:
        table = dynamodb.Table(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute="expires_at",
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=settings.point_in_time_recovery
            ),
            removal_policy=RemovalPolicy[settings.removal_policy.upper()],
        )
        table.add_global_secondary_index(
            index_name=INDEX,
            partition_key=dynamodb.Attribute(name="gsi1pk", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="gsi1sk", type=dynamodb.AttributeType.STRING),
            # Keys only: a write that leaves an item's index keys alone then costs the index nothing, and one
            # partition of the index is no bottleneck for every accepted write.
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )
        return table

    def _make_bucket(self, settings: Settings) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Bucket",
            versioned=True,
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            removal_policy=RemovalPolicy[settings.removal_policy.upper()],
        )
        bucket.add_lifecycle_rule(
            id="staging", prefix="staging/", expiration=Duration.days(settings.staging_days)
        )
        bucket.add_lifecycle_rule(
            id="rejects", prefix="rejects/", expiration=Duration.days(settings.rejects_days)
        )
        bucket.add_lifecycle_rule(
            id="exports", prefix="exports/", expiration=Duration.days(settings.exports_days)
        )
        bucket.add_lifecycle_rule(id="tasks", prefix="tasks/", expiration=Duration.days(settings.tasks_days))
        bucket.add_lifecycle_rule(
            id="noncurrent",
            noncurrent_version_expiration=Duration.days(settings.noncurrent_days),
            expired_object_delete_marker=True,
        )
        bucket.add_lifecycle_rule(
            id="incomplete-uploads",
            abort_incomplete_multipart_upload_after=Duration.days(settings.incomplete_upload_days),
        )
        if settings.cors_origins:
            # Browsers upload to presigned addresses, and read rejected records from one; a multipart upload needs
            # each part's ETag back.
            bucket.add_cors_rule(
                allowed_methods=[s3.HttpMethods.PUT, s3.HttpMethods.GET],
                allowed_origins=list(settings.cors_origins),
                allowed_headers=["*"],
                exposed_headers=["ETag"],
                max_age=3600,
            )
        return bucket

    def tell_of_uploads(self, queue: sqs.Queue) -> None:
        """Have S3 send the queue a message when an upload is complete.

        Written as the property of the bucket that it is: the CDK's own way deploys a function that sets it.
        """
        bucket = cast("s3.CfnBucket", self.bucket.node.default_child)
        rules = s3.CfnBucket.S3KeyFilterProperty(
            rules=[
                s3.CfnBucket.FilterRuleProperty(name="prefix", value="staging/"),
                s3.CfnBucket.FilterRuleProperty(name="suffix", value="/upload"),
            ]
        )
        bucket.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            queue_configurations=[
                s3.CfnBucket.QueueConfigurationProperty(
                    event="s3:ObjectCreated:*",
                    queue=queue.queue_arn,
                    filter=s3.CfnBucket.NotificationFilterProperty(s3_key=rules),
                )
            ]
        )
        # S3 sends a test at once, and refuses a queue that it may not send to.
        bucket.node.add_dependency(queue.node.find_child("Policy"))

    @property
    def index_arn(self) -> str:
        """The index, as policies name it."""
        return f"{self.table.table_arn}/index/{INDEX}"
