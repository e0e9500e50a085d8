"""Every test of this folder runs once over memory and once over the AWS adapters."""

import time
from collections.abc import Callable, Iterator

import pytest

from shoal.storage.memory import MemoryObjects, MemoryTable
from shoal.storage.ports import ObjectStore, Table
from tests.contract.stores import Aws, QueueUnderTest, memory_queue, pretended_aws


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    """A pretended AWS for the tests of a module."""
    with pretended_aws() as found:
        yield found


@pytest.fixture(params=["memory", "moto"])
def backend(request: pytest.FixtureRequest) -> str:
    """What the test runs over."""
    return str(request.param)


@pytest.fixture
def moto_cannot(backend: str, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say why a case fails over moto only; it is reported when moto learns it."""

    def expect(reason: str) -> None:
        if backend == "moto":
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))

    return expect


@pytest.fixture
def table(backend: str, aws: Aws) -> Table:
    """An empty table."""
    return MemoryTable(time.time) if backend == "memory" else aws.table()


@pytest.fixture
def objects(backend: str, aws: Aws) -> ObjectStore:
    """An empty versioned bucket."""
    return MemoryObjects(time.time) if backend == "memory" else aws.objects()


@pytest.fixture
def queue(backend: str, aws: Aws) -> QueueUnderTest:
    """An empty queue."""
    return memory_queue() if backend == "memory" else aws.queue()
