"""Step `fail`: what the workflow does when a state has failed for good."""

from collections.abc import Mapping
from typing import Any

from shoal.services.imports import finish
from shoal.services.reindex.deploying import deploy_step
from shoal.services.reindex.ending import conclude
from shoal.services.waiting import Pause
from shoal.storage.ports import Ports


def handle_failure(ports: Ports, event: Mapping[str, Any], *, seconds: float, pause: Pause) -> dict[str, str]:
    """See that the import ends, and its reindex with it, and say why they did.

    `stopped`: for a reason that its owner was told; `error`: for one that an operator must look at. One whose
    import is completed is deployed: the step before died when it had done all but say so. One that is in the log
    for its commit is left to the sweep.

    Raises:
        StorageBusy: it could not be deployed in time; another attempt waits on.
    """
    import_id = str(event["import_id"])
    told = finish.handle_failure(ports, event)
    if conclude(ports, import_id):
        return told
    if told["outcome"] == "stopped":
        deploy_step(ports, import_id, seconds=seconds, pause=pause)
        return told
    return {"outcome": "error"}
