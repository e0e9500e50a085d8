"""Step `fail`: what the workflow does when a state has failed for good."""

from collections.abc import Mapping
from typing import Any

from shoal.services.imports import finish
from shoal.services.reindex.ending import conclude
from shoal.storage.ports import Ports


def handle_failure(ports: Ports, event: Mapping[str, Any]) -> dict[str, str]:
    """See that the import ends, and its reindex with it, and say why they did.

    `stopped`: for a reason that its owner was told; `error`: for one that an operator must look at. One whose
    import is completed, or is going to be, does not end: the sweep deploys it.
    """
    told = finish.handle_failure(ports, event)
    return told if conclude(ports, str(event["import_id"])) else {"outcome": "error"}
