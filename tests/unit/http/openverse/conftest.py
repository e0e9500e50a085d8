"""The dialect of the Openverse ingestion server over storage in memory."""

import pytest

from tests.unit.http.openverse.client import Openverse


@pytest.fixture
def api() -> Openverse:
    return Openverse()
