"""Where the dialect of Sanity is spoken to: in this process, and over the local stack."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from infra.cli.local_stack import ports_of
from infra.local.info import StackInfo
from infra.local.session import session_of
from shoal.model.tenants import Scope
from shoal.services.api_keys import create_key
from shoal.services.content.projects import choose_project
from shoal.services.tenants import create_tenant
from tests.compat.in_process import served
from tests.unit.http.api import Api
from tests.unit.http.sanity.pump import ContentPump

PROJECT = "ab2cdefg"
"""The project of the documentation."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a new tenant is served, and with which key."""

    url: str
    key: str


@pytest.fixture(params=["in process", pytest.param("stack", marks=pytest.mark.e2e)])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A new tenant whose project has the id of the documentation: in this process, or on the local stack."""
    if request.param == "in process":
        api = Api()
        choose_project(api.ports, api.tenant_id, PROJECT)
        with served(api.app, meanwhile=ContentPump(api).run) as where:
            yield Place(where, api.key)
    else:
        stack: StackInfo = request.getfixturevalue("local_stack")
        ports = ports_of(session_of(stack))
        tenant_id = create_tenant(ports, name=f"content {uuid.uuid4().hex[:8]}").tenant_id
        choose_project(ports, tenant_id, PROJECT)
        scopes = frozenset({Scope.ADMIN})
        _, key = create_key(ports, tenant_id=tenant_id, name="client", scopes=scopes, expires_at=None)
        yield Place(stack.api_url, key)
