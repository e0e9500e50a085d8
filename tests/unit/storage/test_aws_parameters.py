"""Parameters: decrypted, kept for a minute, and never longer."""

import threading
from collections.abc import Iterator

import pytest

from shoal.errors import ObjectMissing
from shoal.storage.aws_clients import ssm_client
from shoal.storage.aws_parameters import KEPT_SECONDS, AwsParameters
from tests.contract.stores import pretended_aws
from tests.unit.storage.clock import ManualClock

NAME = "/shoal/keys/a"


@pytest.fixture
def aws() -> Iterator[None]:
    with pretended_aws():
        yield


def put(value: str) -> None:
    ssm_client().put_parameter(Name=NAME, Value=value, Type="SecureString", Overwrite=True)


def test_a_value_is_decrypted_and_kept_for_a_minute(aws: None) -> None:
    clock = ManualClock()
    parameters = AwsParameters(ssm_client(), clock=clock)
    put("first")
    assert parameters.get(NAME) == "first"
    put("second")
    clock.now += KEPT_SECONDS - 0.001
    assert parameters.get(NAME) == "first"
    clock.now += 0.001
    assert parameters.get(NAME) == "second"


def test_what_is_not_there_is_asked_for_again(aws: None) -> None:
    parameters = AwsParameters(ssm_client(), clock=ManualClock())
    with pytest.raises(ObjectMissing, match=NAME):
        parameters.get(NAME)
    put("there now")
    assert parameters.get(NAME) == "there now"


def test_what_is_gone_is_gone_after_a_minute(aws: None) -> None:
    clock = ManualClock()
    parameters = AwsParameters(ssm_client(), clock=clock)
    put("first")
    parameters.get(NAME)
    ssm_client().delete_parameter(Name=NAME)
    clock.now += KEPT_SECONDS
    with pytest.raises(ObjectMissing):
        parameters.get(NAME)


def test_many_threads_read_once(aws: None) -> None:
    put("one")
    client = ssm_client()
    calls: list[str] = []
    client.meta.events.register("before-call.ssm.GetParameter", lambda **_: calls.append("read"))
    parameters = AwsParameters(client, clock=ManualClock())
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(parameters.get(NAME))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["one"] * 8
    assert calls == ["read"]
