"""AWS clients, set up for functions that answer within seconds.

They are made by botocore: the clients are the same as boto3's, without the 60 ms that importing boto3 adds
to a cold start for resources nobody here uses.
"""

import os
from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import CredentialsTypeDef as Credentials

    from shoal.storage.aws_inference import BedrockRuntime

CONNECT_SECONDS = 2
ATTEMPTS = 4
CONNECTIONS = 50

# A slow answer is not worth waiting for where a healthy one takes milliseconds: all attempts of one call fit
# into the 29 s of the functions behind the API. S3 bodies may be 64 MB, and the time-out is between bytes.
DYNAMODB_SECONDS = 4
SQS_SECONDS = 4
STS_SECONDS = 4
STEPFUNCTIONS_SECONDS = 4
SSM_SECONDS = 2
S3_SECONDS = 10
# A model takes some two seconds for 96 long texts.
BEDROCK_SECONDS = 8
# The function `outbound` waits 10 s for who it asks, and may have to start and to read a key before.
LAMBDA_SECONDS = 20


def new_session() -> "Session":
    """A session to make several clients from: it reads the files that describe the services once."""
    return botocore.session.get_session()


def dynamodb_client(session: "Session | None" = None) -> "DynamoDBClient":
    """A DynamoDB client."""
    made = _session(session).create_client("dynamodb", config=client_config(read_seconds=DYNAMODB_SECONDS))
    return cast("DynamoDBClient", made)


def s3_client(
    session: "Session | None" = None,
    *,
    credentials: "Credentials | None" = None,
    read_seconds: float = S3_SECONDS,
) -> "S3Client":
    """An S3 client; it also signs upload URLs that work in every region.

    `credentials`: of a session that AWS has given; None: the process's own. `read_seconds`: how long S3 may take
    before it answers, or goes on answering.
    """
    # Left alone, URLs come out signed in version 2, which the newer regions refuse.
    config = client_config(read_seconds=read_seconds, signature="s3v4")
    signed_by: Mapping[str, Any] = (
        {}
        if credentials is None
        else {
            "aws_access_key_id": credentials["AccessKeyId"],
            "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials["SessionToken"],
        }
    )
    made = _session(session).create_client("s3", config=config, **signed_by)
    return cast("S3Client", made)


def sqs_client(session: "Session | None" = None) -> "SQSClient":
    """An SQS client."""
    made = _session(session).create_client("sqs", config=client_config(read_seconds=SQS_SECONDS))
    return cast("SQSClient", made)


def sts_client(session: "Session | None" = None) -> "STSClient":
    """An STS client of this region: the global endpoint is far away, and its sessions not good everywhere."""
    made = _session(session).create_client("sts", config=client_config(read_seconds=STS_SECONDS))
    return cast("STSClient", made)


def stepfunctions_client(session: "Session | None" = None) -> "SFNClient":
    """A Step Functions client."""
    config = client_config(read_seconds=STEPFUNCTIONS_SECONDS)
    made = _session(session).create_client("stepfunctions", config=config)
    return cast("SFNClient", made)


def lambda_client(session: "Session | None" = None) -> "LambdaClient":
    """A client that invokes functions, once: whoever asks knows whether asking again does harm."""
    config = client_config(read_seconds=LAMBDA_SECONDS, attempts=1)
    return cast("LambdaClient", _session(session).create_client("lambda", config=config))


def ssm_client(session: "Session | None" = None) -> "SSMClient":
    """A client of the Parameter Store, which asks once: whoever reads a key has a request waiting for it."""
    config = client_config(read_seconds=SSM_SECONDS, attempts=1)
    return cast("SSMClient", _session(session).create_client("ssm", config=config))


def bedrock_runtime_client(session: "Session | None" = None) -> "BedrockRuntime":
    """A client of Bedrock's models, which asks once: whoever embeds texts knows how long to try again."""
    config = client_config(read_seconds=BEDROCK_SECONDS, attempts=1)
    return cast("BedrockRuntime", _session(session).create_client("bedrock-runtime", config=config))


def client_config(*, read_seconds: float, signature: str | None = None, attempts: int = ATTEMPTS) -> Config:
    """The configuration of every client."""
    # No bucket has a host name of its own on a loopback address.
    local = is_loopback(os.environ.get("AWS_ENDPOINT_URL", ""))
    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        signature_version=signature,
        s3={"addressing_style": "path" if local else "virtual", "us_east_1_regional_endpoint": "regional"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def is_loopback(url: str) -> bool:
    """Whether a URL points at this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _session(session: "Session | None") -> "Session":
    return session or new_session()
