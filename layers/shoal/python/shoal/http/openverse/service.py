"""What the ingestion server has beside its tasks: its health, names looked up, a list of terms, and what workers
of the original tell, of which there are none here.
"""

from dataclasses import asdict

from shoal.errors import StorageError
from shoal.http.context import Context
from shoal.http.openverse.bodies import media
from shoal.http.openverse.errors import Fault, plain_fault
from shoal.http.response import Response, json_response
from shoal.model.terms import SENSITIVE
from shoal.services.openverse.lookup import stat
from shoal.services.openverse.tasks import list_tasks
from shoal.services.term_lists import get_terms
from shoal.storage.keys import DatasetKeys
from shoal.storage.ports import Ports

TERMS_FILE = "mock_sensitive_terms.txt"
_RECENT = 100
"""Tasks among which the one is looked for that workers could be at."""
_TRUE = frozenset({"true", "True", "t", "yes", "y", "1", "on"})
_FALSE = frozenset({"false", "False", "f", "no", "n", "0", "off", ""})
_NOTHING = DatasetKeys("ten_" + "0" * 32, "0" * 16)
"""A dataset that is not there, of a tenant that nobody is: looking for it touches nothing of anybody's."""


def health(context: Context) -> Response:
    """Say that the service runs; with `check_deps=true` also whether what it stands on does."""
    wanted = context.request.first("check_deps") or ""
    if wanted not in _TRUE | _FALSE:
        raise Fault(
            400,
            {
                "title": "Invalid parameter",
                "description": 'The "check_deps" parameter is invalid. The value of the parameter must be '
                '"true" or "false".',
            },
        )
    missing = _missing(context.ports) if wanted in _TRUE else {}
    if missing:
        return json_response(503, {"status": "503 Service Unavailable", "dependencies": missing})
    return json_response(200, {"status": "200 OK"})


def _missing(ports: Ports) -> dict[str, list[str]]:
    """What cannot be reached, under the original's names: `es` holds indexes, `db` everything else."""
    missing = {}
    try:
        ports.objects.head(_NOTHING.descriptor)
    except StorageError:
        missing["es"] = ["The storage of indexes could not be reached"]
    try:
        ports.table.get(_NOTHING.meta)
    except StorageError:
        missing["db"] = ["The table could not be reached"]
    return missing


def name_stat(context: Context) -> Response:
    """Say what a name stands for."""
    found = stat(context.ports, context.principal.tenant_id, context.parameters["name"])
    return json_response(200, asdict(found))


def worker_finished(context: Context) -> Response:
    """Take note of a worker of the original. There are none here: its word changes nothing."""
    body = media(context)
    if not isinstance(body, dict) or "error" not in body:
        raise Fault(
            400,
            {"title": "Request data failed validation", "description": "'error' is a required property"},
        )
    recent = list_tasks(context.ports, context.principal.tenant_id, limit=_RECENT)
    if all(task.status.terminal for task in recent):
        raise plain_fault(500, detail="no task is under way that a worker could have finished")
    return Response(200)


def static_file(context: Context) -> Response:
    """The list of sensitive terms, a term a line, where the original has one for its tests."""
    if context.parameters["name"] != TERMS_FILE:
        raise plain_fault(404)
    terms = get_terms(context.ports, context.principal.tenant_id, SENSITIVE).terms
    return Response(200, "".join(f"{term}\n" for term in terms).encode(), "text/plain; charset=utf-8")
