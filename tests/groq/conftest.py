"""groq-js, once for all tests that ask it."""

import pytest

from tests.groq.oracle import HERE, Oracle
from tests.node_packages import installed_or_skipped


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    return Oracle(installed_or_skipped(HERE, name="groq-js"))
