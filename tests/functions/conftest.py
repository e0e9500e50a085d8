"""A pretended AWS for each module, a deployment in it for each test."""

from collections.abc import Iterator

import pytest

from tests.contract.stores import Aws, pretended_aws
from tests.functions.world import World, new_world


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    """A pretended AWS."""
    with pretended_aws() as found:
        yield found


@pytest.fixture
def world(aws: Aws) -> World:
    """A seeded deployment."""
    return new_world(aws)
