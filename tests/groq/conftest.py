"""groq-js, once for all tests that ask it."""

import os

import pytest

from tests.groq.oracle import Oracle, RegistryUnreachable, installed


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    try:
        return installed()
    except RegistryUnreachable as error:
        if "CI" in os.environ:
            raise
        pytest.skip(f"groq-js is not installed, and the npm registry is out of reach: {error}")
