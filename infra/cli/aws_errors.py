"""AWS errors of operator tasks, as one line and what to do."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from infra.cli.failures import CliError, Unreachable


@contextmanager
def aws_errors() -> Iterator[None]:
    """Translate what botocore raises inside the block; without botocore loaded, there is nothing to translate."""
    try:
        yield
    except Exception as error:
        translated = translate(error)
        if translated is None:
            raise
        raise translated from error


def translate(error: Exception) -> CliError | None:
    """The error for the user; None for what botocore did not raise."""
    if "botocore.exceptions" not in sys.modules:
        return None
    from botocore import exceptions as aws

    if isinstance(error, aws.ClientError):
        code = error.response.get("Error", {}).get("Code", "unknown")
        message = error.response.get("Error", {}).get("Message", "")
        return CliError(f"AWS refused {error.operation_name}: {code}: {message}", hint=_HINTS.get(code))
    if isinstance(error, aws.NoCredentialsError | aws.PartialCredentialsError | aws.ProfileNotFound):
        return Unreachable(f"no AWS credentials: {error}", hint="`aws configure sso`, or set AWS_PROFILE")
    if isinstance(error, aws.NoRegionError):
        return Unreachable(
            "no AWS region",
            hint="set AWS_REGION, or `region` in the profile; for the local stack, `--profile local`",
        )
    if isinstance(error, aws.TokenRetrievalError | aws.UnauthorizedSSOTokenError):
        return Unreachable("the AWS sign-in has expired", hint="`aws sso login`")
    if isinstance(error, aws.BotoCoreError):
        return Unreachable(f"no answer from AWS: {error}", hint="check the network, then `shoal doctor`")
    return None


_HINTS = {
    "ExpiredToken": "sign in again: `aws sso login`",
    "ExpiredTokenException": "sign in again: `aws sso login`",
    "InvalidClientTokenId": "the access key is unknown to AWS: check AWS_PROFILE",
    "UnrecognizedClientException": "the access key is unknown to AWS: check AWS_PROFILE",
    "AccessDenied": "these credentials lack the permission; use those that deployed the stack",
    "AccessDeniedException": "these credentials lack the permission; use those that deployed the stack",
}
