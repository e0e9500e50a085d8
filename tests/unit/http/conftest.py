"""A fresh deployment for each test."""

import pytest

from tests.unit.http.api import Api


@pytest.fixture
def api() -> Api:
    """One tenant, no limits."""
    return Api()
