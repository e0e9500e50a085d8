"""The id of a tenant's project: what the addresses of its content begin with.

It tells nobody apart: the key does. So two tenants may choose the same one.
"""

import base64
import hashlib
import re

from shoal.errors import InvalidInput
from shoal.services.retry import retry_busy
from shoal.storage.keys import TenantKeys
from shoal.storage.ports import Assign, Ports

_PROJECT = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_OWN_CHARACTERS = 8


def default_project(tenant_id: str) -> str:
    """The id of a tenant that has chosen none: 8 letters and digits, always the same."""
    digest = hashlib.sha256(f"project of {tenant_id}".encode()).digest()
    return base64.b32encode(digest).decode().lower()[:_OWN_CHARACTERS]


def read_project(ports: Ports, tenant_id: str) -> str:
    """The id of a tenant's project."""
    item = retry_busy(lambda: ports.table.get(TenantKeys(tenant_id).sanity))
    return default_project(tenant_id) if item is None else str(item["project_id"])


def choose_project(ports: Ports, tenant_id: str, project_id: str) -> str:
    """Give a tenant's project the id that its clients are set to already.

    Raises:
        InvalidInput: `invalid_project`: it cannot be a part of a host's name.
    """
    if not _PROJECT.fullmatch(project_id):
        raise InvalidInput(
            "invalid_project",
            "project_id: must be 1 to 63 of a-z, 0-9 and -, and neither begin nor end with -",
        )
    keys = TenantKeys(tenant_id)
    retry_busy(lambda: ports.table.update(keys.sanity, [Assign("project_id", project_id)]))
    return project_id
