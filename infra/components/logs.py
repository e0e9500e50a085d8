"""Log groups, each made here with its retention: a group that AWS makes on first use keeps everything forever."""

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct


def make_log_group(scope: Construct, construct_id: str, *, retention_days: int) -> logs.LogGroup:
    """A log group that goes with the stack; its lines live for `retention_days`."""
    group = logs.LogGroup(scope, construct_id, removal_policy=RemovalPolicy.DESTROY)
    # The CDK spells periods as words; the setting is the number that CloudFormation wants anyway.
    cast("logs.CfnLogGroup", group.node.default_child).retention_in_days = retention_days
    return group
