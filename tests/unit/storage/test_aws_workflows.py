"""Executions that end while they are being stopped: between the look at one and the call that stops it."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from shoal.storage.aws_workflows import AwsWorkflows

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:machine"


class Client:
    """Step Functions, where an execution is looked at as often as there are states, and cannot be stopped."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)

    def describe_execution(self, **_: Any) -> dict[str, str]:
        return {"status": self.states.pop(0)}

    def stop_execution(self, **_: Any) -> None:
        response: Any = {"Error": {"Code": "ValidationException", "Message": "Execution is not running"}}
        raise ClientError(response, "StopExecution")


def workflows(*states: str) -> tuple[AwsWorkflows, Client]:
    client: Any = Client(*states)
    return AwsWorkflows(client, MACHINE), client


def test_one_that_ends_meanwhile_is_stopped_enough() -> None:
    port, client = workflows("RUNNING", "FAILED")
    port.stop("imp_1", cause="cancelled")
    assert client.states == []


def test_one_that_runs_on_is_an_error() -> None:
    port, _ = workflows("RUNNING", "RUNNING")
    with pytest.raises(ValueError, match="not running"):
        port.stop("imp_1", cause="cancelled")
