"""The dialect of Vectorize over storage in memory."""

import pytest

from tests.unit.http.vectorize.client import Vectorize


@pytest.fixture
def api() -> Vectorize:
    return Vectorize()
