"""Secrets of the deployment: each key is made once, whoever asks, and stays."""

import threading
from collections.abc import Callable

import pytest

from shoal.errors import CorruptObject
from shoal.storage.aws_clients import ssm_client
from shoal.storage.aws_parameters import AwsSecrets
from shoal.storage.memory import MemorySecrets
from shoal.storage.ports import Secrets
from tests.contract.stores import Aws

PREFIX = "/shoal-test/keys"


@pytest.fixture
def containers(backend: str, aws: Aws) -> Callable[[], Secrets]:
    """Makes the port as each new container of one deployment has it."""
    if backend == "memory":
        kept = MemorySecrets()
        return lambda: kept
    return lambda: AwsSecrets(ssm_client(), PREFIX)


def test_a_key_is_made_once_and_stays(containers: Callable[[], Secrets]) -> None:
    first = containers().key("one")
    assert len(first) == 32
    assert containers().key("one") == first


def test_each_name_has_a_key_of_its_own(containers: Callable[[], Secrets]) -> None:
    found = containers()
    assert found.key("this") != found.key("that")


def test_all_who_ask_at_once_have_the_same(containers: Callable[[], Secrets]) -> None:
    found: list[bytes] = []
    start = threading.Barrier(6)

    def ask(port: Secrets) -> None:
        start.wait()
        found.append(port.key("at once"))

    threads = [threading.Thread(target=ask, args=(containers(),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1


def test_it_is_kept_encrypted_and_read_once(aws: Aws) -> None:
    client = ssm_client()
    calls: list[str] = []
    client.meta.events.register("before-call.ssm.GetParameter", lambda **_: calls.append("read"))
    port = AwsSecrets(client, f"{PREFIX}/")
    assert port.key("kept") == port.key("kept")
    assert len(calls) == 2  # not there; and as it was put
    stored = client.get_parameter(Name=f"{PREFIX}/kept")["Parameter"]
    assert stored["Type"] == "SecureString"


def test_a_parameter_that_holds_no_key(aws: Aws) -> None:
    ssm_client().put_parameter(Name=f"{PREFIX}/short", Value="c2hvcnQ=", Type="SecureString")
    with pytest.raises(CorruptObject, match="/shoal-test/keys/short"):
        AwsSecrets(ssm_client(), PREFIX).key("short")
