"""Uploads: the role whose sessions sign the addresses that clients PUT files to."""

from collections.abc import Iterable

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from constructs import Construct

LONGEST = Duration.hours(1)
"""A role that a role takes is given for no longer (role chaining)."""


class Uploads(Construct):
    """The `role`. It may put uploads; each session of it is narrowed further, to the key of one import."""

    def __init__(
        self, scope: Construct, construct_id: str, *, objects: Iterable[str], signers: Iterable[iam.IRole]
    ) -> None:
        """`objects` are the ARNs of what may be put, `signers` the roles that may take this one."""
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.CompositePrincipal(*(iam.ArnPrincipal(signer.role_arn) for signer in signers)),
            max_session_duration=LONGEST,
            description="shoal: signs uploads; every session is narrowed to one key",
        )
        self.role.add_to_principal_policy(
            iam.PolicyStatement(actions=["s3:PutObject", "s3:AbortMultipartUpload"], resources=list(objects))
        )
