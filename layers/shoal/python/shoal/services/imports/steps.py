"""Steps of the import workflow: from a state's input to a function of `shoal.services.imports`, and back."""

from collections.abc import Mapping
from typing import Any

from shoal.errors import ImportRejected, ImportStopped
from shoal.observability import bind
from shoal.services.imports.ending import fail
from shoal.services.imports.lookup import find_import
from shoal.services.imports.workspace import Step, open_workspace
from shoal.services.pipeline.steps import do_step
from shoal.storage.ports import Ports


def run_step(ports: Ports, event: Mapping[str, Any], steps: Mapping[str, Step]) -> dict[str, Any]:
    """Do the step that a state asks for: ``{"step", "import_id", "item"?}``.

    Raises:
        ImportStopped: the import has ended; the workflow must not go on.
        ValueError: the input or the output is over 200 KiB, or no step of that name is here.
    """
    import_id = str(event["import_id"])
    bind(import_id=import_id)
    try:
        return do_step(event, steps, lambda: open_workspace(ports, import_id))
    except ImportRejected as rejected:
        job = find_import(ports, import_id)
        if job is not None:
            fail(ports, job, rejected.message)
        raise ImportStopped(rejected.message) from rejected
