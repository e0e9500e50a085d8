"""Which workflow an import has, and how it is started."""

import logging

from shoal.errors import ShoalError
from shoal.model.imports import Import, ImportFormat
from shoal.services.retry import retry_busy
from shoal.storage.ports import Ports, Workflows

_log = logging.getLogger(__name__)


def workflow_of(ports: Ports, job: Import) -> Workflows:
    """The workflow that builds the import: of a file, or of what another dataset holds."""
    return ports.imports if job.format.uploaded else ports.reindexes


def start_workflow(ports: Ports, job: Import) -> None:
    """Start the import's execution. That it could not be is only logged: the sweep sees that it is missing.

    Its name is the import's id and its input nothing else, so that starting it twice is one start.
    """
    try:
        retry_busy(lambda: workflow_of(ports, job).start(job.import_id, {"import_id": job.import_id}))
    except ShoalError:
        _log.warning("workflow not started", extra={"import_id": job.import_id})


def how_to_try_again(job: Import) -> str:
    """What the owner of an import that failed through no fault of theirs may do."""
    match job.format:
        case ImportFormat.REINDEX:
            return "restart the reindex"
        case ImportFormat.CONTENT:
            return "delete the index and create it again"
        case _:
            return "try again with a new import"
