"""The workflow port over one state machine of Step Functions."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from shoal.errors import ObjectMissing, PreconditionFailed
from shoal.storage.aws_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

RUNNING = "RUNNING"
AGAIN_SOON = "PENDING_REDRIVE"
"""An execution that somebody has told to go on where it failed."""


class AwsWorkflows:
    """`Workflows` over a standard state machine; the client may be shared between threads."""

    def __init__(self, client: "SFNClient", state_machine_arn: str) -> None:
        self._client = client
        self._machine = state_machine_arn

    def start(self, name: str, given: Mapping[str, str]) -> None:
        """Start an execution.

        While one of that name runs, Step Functions itself takes the same input as the same call; once it has
        ended, the input has to be looked at.
        """
        text = json.dumps(dict(given), separators=(",", ":"), sort_keys=True)
        try:
            with translated("start execution", name):
                self._client.start_execution(stateMachineArn=self._machine, name=name, input=text)
        except PreconditionFailed:
            with translated("describe execution", name):
                there = self._client.describe_execution(executionArn=self._arn(name))
            if json.loads(there["input"]) != dict(given):
                raise ValueError(f"execution {name} was started with another input") from None

    def status(self, name: str) -> str | None:
        """How an execution is; None where there is none, or none of the last 90 days."""
        try:
            with translated("describe execution", name):
                status = self._client.describe_execution(executionArn=self._arn(name))["status"]
        except ObjectMissing:
            return None
        return RUNNING if status == AGAIN_SOON else status

    def stop(self, name: str, *, cause: str) -> None:
        """End an execution; one that has ended stays as it is."""
        if self.status(name) != RUNNING:
            return
        try:
            with translated("stop execution", name):
                self._client.stop_execution(executionArn=self._arn(name), error="Stopped", cause=cause)
        except ObjectMissing:
            return
        except ValueError:
            if self.status(name) == RUNNING:
                raise  # else it has ended between the two calls

    def _arn(self, name: str) -> str:
        return f"{self._machine.replace(':stateMachine:', ':execution:')}:{name}"
