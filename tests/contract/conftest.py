"""Every test of this folder runs once over memory and once over the AWS adapters."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shoal.storage.memory import MemoryObjects, MemoryTable
from shoal.storage.ports import ObjectStore, Table, Workflows
from tests.benchmarks.file_objects import FileObjects
from tests.contract.stores import (
    Aws,
    QueueUnderTest,
    UploadsUnderTest,
    memory_queue,
    memory_uploads,
    memory_workflows,
    pretended_aws,
)


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


@pytest.fixture(params=["memory", "files", "moto"])
def objects(request: pytest.FixtureRequest, aws: Aws, tmp_path: Path) -> ObjectStore:
    """An empty versioned bucket; that of files is the benchmarks'."""
    if request.param == "files":
        return FileObjects(tmp_path)
    return MemoryObjects(time.time) if request.param == "memory" else aws.objects()


@pytest.fixture
def queue(backend: str, aws: Aws) -> QueueUnderTest:
    """An empty queue."""
    return memory_queue() if backend == "memory" else aws.queue()


@pytest.fixture
def uploads(backend: str, aws: Aws) -> UploadsUnderTest:
    """Uploads to an empty bucket."""
    return memory_uploads() if backend == "memory" else aws.uploads()


@pytest.fixture
def workflows(backend: str, aws: Aws) -> Workflows:
    """A state machine without executions."""
    return memory_workflows() if backend == "memory" else aws.workflows()
