"""A client for each test."""

import pytest

from tests.unit.http.api import Api
from tests.unit.http.sanity.client import Client


@pytest.fixture
def client(api: Api) -> Client:
    """Of one tenant that may do everything."""
    return Client(api)
