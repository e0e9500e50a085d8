"""cdk-nag's AWS Solutions rules over the stack, and why some of what they find is meant to be so."""

from aws_cdk import Acknowledgment, App, Stack, Validations
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct

_BUCKET = "<StorageBucket5CB7C8EA.Arn>"
_READS_SHARDS = (
    "the part of the bucket that holds tenants' data; which tenant is decided by the key of each request"
)
_COMMITS = "keys are made anew by every commit, below the prefixes of what a commit makes"

REASONS: dict[str, dict[str, str]] = {
    "Storage/Bucket": {
        "AwsSolutions-S1": "only the functions reach the bucket, and they log what they do; access logs of S3 "
        "would be billed for every read of every query. CloudTrail's data events tell the same to who needs it."
    },
    "Api": {
        "AwsSolutions-APIG4": "keys are checked in the functions: each dialect has a refusal of its own shape, "
        "and a gateway's authorizer would answer in the gateway's",
    },
    "Functions": {
        "AwsSolutions-IAM5[Resource::*]": "X-Ray has no resources to name: its two write actions take only `*`",
        "AwsSolutions-L1": "Python 3.13 is what the layers' wheels and byte code are built for and tested with",
    },
    "Functions/Api": {
        f"AwsSolutions-IAM5[Resource::{_BUCKET}/t/*/log/*]": "every write is logged under a key of its own",
    },
    "Functions/Query": {
        f"AwsSolutions-IAM5[Resource::{_BUCKET}/t/*]": _READS_SHARDS,
    },
    **{
        f"Functions/{name}": {
            f"AwsSolutions-IAM5[Resource::{_BUCKET}/t/*]": _READS_SHARDS,
            f"AwsSolutions-IAM5[Resource::{_BUCKET}/t/*/shards/*]": _COMMITS,
            f"AwsSolutions-IAM5[Resource::{_BUCKET}/t/*/manifests/*]": _COMMITS,
            f"AwsSolutions-IAM5[Resource::{_BUCKET}/t/*/parts/*]": _COMMITS,
        }
        for name in ("Indexer", "Builder")
    },
}
"""What is acknowledged, by construct and rule, and the reason."""


def check_with_nag(app: App, stack: Stack) -> None:
    """Have `app.synth()` fail on every finding that has no reason here."""
    for path, reasons in REASONS.items():
        scope: IConstruct = stack
        for name in path.split("/"):
            scope = scope.node.find_child(name)
        Validations.of(scope).acknowledge(
            *(Acknowledgment(id=f"AwsSolutions::{rule}", reason=reason) for rule, reason in reasons.items())
        )
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
