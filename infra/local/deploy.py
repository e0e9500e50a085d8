"""Deploys an assembly through the emulator's CloudFormation."""

import time
from typing import Any, Final

from botocore.exceptions import ClientError

from infra.local.assembly import Assembly
from infra.local.assets import publish, read_assets
from infra.local.commands import Progress, Ticker
from infra.local.errors import DeployFailed
from infra.local.session import LocalSession

BOOTSTRAP: Final = ("/cdk-bootstrap/hnb659fds/version", "30")
"""The template asks which version of the CDK's bootstrap stack the account has."""

CAPABILITIES: Final = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
LONGEST_S: Final = 300.0
SETTLED: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
GONE: Final = frozenset({"DELETE_COMPLETE"})


def deploy(session: LocalSession, assembly: Assembly, progress: Progress) -> bool:
    """Publish the assets and bring the stack to the assembly's template.

    Returns:
        Whether the stack is new, so that nothing of a former one is left.

    Raises:
        DeployFailed: the stack did not reach a complete state.
    """
    session.client("ssm").put_parameter(Name=BOOTSTRAP[0], Value=BOOTSTRAP[1], Type="String", Overwrite=True)
    assets = read_assets(assembly)
    progress("publishing assets")
    publish(session.client("s3"), assets, progress)
    template = next(asset for asset in assets if asset.source == assembly.template)
    cloudformation = session.client("cloudformation")
    progress("deploying the stack")
    existing = status_of(cloudformation, assembly.stack_name)
    if existing is not None and existing not in SETTLED:
        cloudformation.delete_stack(StackName=assembly.stack_name)
        _wait(cloudformation, assembly.stack_name, progress, GONE)
        existing = None
    _change(
        cloudformation.create_stack if existing is None else cloudformation.update_stack,
        StackName=assembly.stack_name,
        TemplateURL=f"{session.endpoint_url}/{template.bucket}/{template.key}",
        Capabilities=CAPABILITIES,
    )
    _wait(cloudformation, assembly.stack_name, progress, SETTLED)
    return existing is None


def _change(call: Any, **arguments: Any) -> None:
    """Create or update; that there is nothing to update is not an error here."""
    try:
        call(**arguments)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise DeployFailed(f"the emulator refused the stack: {error}") from error


def status_of(cloudformation: Any, stack_name: str) -> str | None:
    """The status of a stack; None if there is none."""
    try:
        status: str = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]["StackStatus"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return None if status in GONE else status


def outputs_of(session: LocalSession, stack_name: str) -> dict[str, str]:
    """What the stack puts out, by key."""
    (stack,) = session.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}


def _wait(cloudformation: Any, stack_name: str, progress: Progress, wanted: frozenset[str]) -> None:
    ticker = Ticker(progress, "deploying the stack")
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        status = status_of(cloudformation, stack_name)
        if status in wanted or (status is None and wanted is GONE):
            return
        if status is None or status.endswith(("_FAILED", "ROLLBACK_COMPLETE")):
            reasons = _reasons(cloudformation, stack_name)
            raise DeployFailed(f"the stack {stack_name} ended as {status}:\n{reasons}")
        ticker.tick()
        time.sleep(0.05)
    raise DeployFailed(f"the stack {stack_name} was not done after {LONGEST_S:.0f} s")


def _reasons(cloudformation: Any, stack_name: str) -> str:
    events = cloudformation.describe_stack_events(StackName=stack_name)["StackEvents"]
    failed = [event for event in reversed(events) if event["ResourceStatus"].endswith("_FAILED")]
    return "\n".join(
        f"{event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', '')}"
        for event in failed
    )
