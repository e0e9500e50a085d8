"""The checks of `shoal doctor`: each asks AWS one read-only thing and says what to change."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from infra.cli.aws_errors import translate
from infra.cli.aws_ports import stack_outputs
from infra.cli.failures import CliError

if TYPE_CHECKING:
    import boto3

type Client = Callable[[str], Any]

BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
LEAST_BOOTSTRAP = 6
"""What our template demands of the account's bootstrap stack; the CLI that deploys it checks the same."""
NEEDED_CONCURRENCY = 10
"""The queues may take 7 executions (5 indexers, 2 builders); a few must stay for requests."""
GOOD_CONCURRENCY = 100
LARGEST_MEMORY_MB = 3008
EMBEDDING_MODEL = "amazon.titan-embed-text-v2:0"


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check; `change` says what to do about it."""

    what: str
    state: Literal["ok", "warn", "fail"]
    found: str
    change: str | None = None


def quick_client(session: "Callable[[], boto3.Session]") -> Client:
    """Clients that give up within seconds, so that the doctor also finishes where there is no network."""
    made: list[Any] = []  # the stubs know only literal service names

    def client(service: str) -> Any:
        from botocore.config import Config

        if not made:
            made.append(session())
        config = Config(
            connect_timeout=3, read_timeout=8, retries={"mode": "standard", "total_max_attempts": 2}
        )
        return made[0].client(service, config=config)

    return client


def examine(client: Client, *, stack: str) -> Iterator[Finding]:
    """All checks, in order; without credentials the rest would only repeat that, so they are named as not done."""
    first = _guarded("credentials", _credentials, client)
    yield first
    checks: dict[str, Callable[[Client], Finding]] = {
        "CDK bootstrap": _bootstrap,
        "Lambda concurrency": _concurrency,
        "Lambda memory": _memory,
        "Bedrock": _bedrock,
        "stack": lambda each: _stack(each, stack),
    }
    for what, check in checks.items():
        if first.state == "fail":
            yield Finding(what, "fail", "not looked at, as AWS does not answer these credentials")
        else:
            yield _guarded(what, check, client)


def _guarded(what: str, check: Callable[[Client], Finding], client: Client) -> Finding:
    """A check's finding; an AWS error is one, too."""
    try:
        return check(client)
    except CliError as error:
        return Finding(what, "fail", error.message, error.hint)
    except Exception as error:
        known = translate(error)
        if known is None:
            raise
        return Finding(what, "fail", " ".join(known.message.split()), known.hint)


def _credentials(client: Client) -> Finding:
    sts = client("sts")
    who = sts.get_caller_identity()
    found = f"account {who['Account']}, {who['Arn'].rsplit(':', 1)[-1]}, region {sts.meta.region_name}"
    if who["Arn"].endswith(":root"):
        return Finding("credentials", "warn", found, "use a role or a user instead of the account's root")
    return Finding("credentials", "ok", found)


def _bootstrap(client: Client) -> Finding:
    from botocore.exceptions import ClientError

    what = "CDK bootstrap"
    try:
        version = int(client("ssm").get_parameter(Name=BOOTSTRAP_PARAMETER)["Parameter"]["Value"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        return Finding(what, "fail", "this account and region are not bootstrapped", "`cdk bootstrap`")
    if version < LEAST_BOOTSTRAP:
        return Finding(
            what, "fail", f"version {version} is older than {LEAST_BOOTSTRAP}", "`cdk bootstrap` again"
        )
    return Finding(what, "ok", f"version {version}")


def _concurrency(client: Client) -> Finding:
    what = "Lambda concurrency"
    limits = client("lambda").get_account_settings()["AccountLimit"]
    total = int(limits["ConcurrentExecutions"])
    ask = "Service Quotas → AWS Lambda → Concurrent executions → request 1,000 (free, often granted in a day)"
    if total < NEEDED_CONCURRENCY:
        return Finding(what, "fail", f"{total} at once, {NEEDED_CONCURRENCY} are needed", ask)
    if total < GOOD_CONCURRENCY:
        return Finding(
            what, "warn", f"{total} at once: enough to try, requests may be throttled under load", ask
        )
    return Finding(what, "ok", f"{total:,} at once")


def _memory(client: Client) -> Finding:
    """AWS has no call that tells the cap of new accounts: a larger function shows that it is lifted."""
    what = "Lambda memory"
    largest = 0
    for page in client("lambda").get_paginator("list_functions").paginate():
        largest = max([largest, *(int(each["MemorySize"]) for each in page["Functions"])])
    if largest > LARGEST_MEMORY_MB:
        return Finding(what, "ok", f"functions of {largest:,} MB run in this account")
    return Finding(
        what,
        "ok",
        f"new accounts get {LARGEST_MEMORY_MB:,} MB, which is our largest; AWS does not tell whether it is more",
    )


def _bedrock(client: Client) -> Finding:
    """Only embedding by Bedrock needs it: never a failure."""
    what = "Bedrock"
    later = "only needed for embeddings of better quality than the built-in model's"
    try:
        found = client("bedrock").get_foundation_model_availability(modelId=EMBEDDING_MODEL)
    except Exception as error:
        known = translate(error)
        if known is None:
            raise
        return Finding(what, "warn", " ".join(known.message.split()), later)
    state = (found["authorizationStatus"], found["entitlementAvailability"], found["regionAvailability"])
    if state == ("AUTHORIZED", "AVAILABLE", "AVAILABLE"):
        return Finding(what, "ok", f"{EMBEDDING_MODEL} may be called")
    if state[2] != "AVAILABLE":
        return Finding(what, "warn", f"{EMBEDDING_MODEL} is not in this region", later)
    change = f"allow bedrock:InvokeModel, or request access in the console: Bedrock → Model access; {later}"
    return Finding(what, "warn", f"{EMBEDDING_MODEL}: {' / '.join(state[:2]).lower()}", change)


def _stack(client: Client, stack: str) -> Finding:
    outputs = stack_outputs(client("cloudformation"), stack)
    return Finding("stack", "ok", f"{stack} answers at {outputs['ApiUrl']}")
