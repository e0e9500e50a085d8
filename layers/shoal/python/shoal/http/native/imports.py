"""Imports: files that clients put into S3 themselves, and what becomes of them."""

from itertools import pairwise
from typing import Any

from shoal.errors import InvalidInput
from shoal.http.context import Context
from shoal.http.native.common import (
    dataset_of,
    json_object,
    optional_timestamp,
    parse_fields,
    timestamp,
)
from shoal.http.native.import_types import CompleteImport, CreateImport, ImportList, ImportOut, NewImportOut
from shoal.http.response import Response, fits, json_response
from shoal.http.router import Answer, Parameter, Route
from shoal.model.imports import Import, ImportStatus, check_error_mode, check_format
from shoal.model.tenants import Scope
from shoal.services.imports import lifecycle
from shoal.services.imports.lifecycle import UploadTargets

_DEFAULT_LISTED, _MAX_LISTED = 100, 1000
_SHOWN_FIRST = ("import_id", "dataset", "status", "format", "error_mode", "max_bad_records")
"""Fields of a new import that stand before `upload` (contract)."""
_RUNNING = (ImportStatus.VALIDATING, ImportStatus.INDEXING)


def create(context: Context) -> Response:
    """Create an import: the answer says where to PUT the file."""
    dataset = dataset_of(context)
    fields = json_object(context.body())
    file_format = check_format(fields.get("format"))
    error_mode = check_error_mode(fields.get("error_mode", "continue"))
    wanted = parse_fields(CreateImport, fields)
    job, targets = lifecycle.create_import(
        context.ports,
        dataset,
        file_format=file_format,
        error_mode=error_mode,
        max_bad_records=wanted.max_bad_records,
        multipart=wanted.multipart,
        vector_quota=context.principal.vector_quota,
    )
    return json_response(201, new_import_body(import_body(context, job), targets))


def new_import_body(shown: dict[str, Any], targets: UploadTargets) -> dict[str, Any]:
    """A new import, with the address to which its file goes."""
    first = {name: shown.pop(name) for name in _SHOWN_FIRST}
    return {**first, "upload": upload_body(targets), **shown}


def complete(context: Context) -> Response:
    """Say that the upload is done; what was uploaded is validated and indexed from here on."""
    dataset = dataset_of(context)
    parts = uploaded_parts(context.body())
    job = lifecycle.complete_import(context.ports, dataset, context.parameters["import_id"], parts=parts)
    return json_response(202, import_body(context, job))


def cancel(context: Context) -> Response:
    """End an import with nothing of it indexed."""
    job = lifecycle.cancel_import(context.ports, dataset_of(context), context.parameters["import_id"])
    return json_response(202, import_body(context, job))


def get(context: Context) -> Response:
    """Show an import."""
    job = lifecycle.get_import(context.ports, dataset_of(context), context.parameters["import_id"])
    return json_response(200, import_body(context, job))


def list_newest(context: Context) -> Response:
    """List the newest imports: as many as were asked for, or as fit into an answer."""
    limit = import_limit(context.request.first("limit"))
    jobs = lifecycle.list_imports(context.ports, dataset_of(context), limit=limit)
    return as_many_as_fit([import_body(context, job) for job in jobs])


def as_many_as_fit(bodies: list[dict[str, Any]]) -> Response:
    """A list of imports, cut where an answer has no room for more."""
    while True:
        response = json_response(200, {"imports": bodies})
        if fits(response.body) or len(bodies) <= 1:
            return response
        bodies = bodies[: len(bodies) * 3 // 4]


def import_limit(text: str | None) -> int:
    """How many to list; more than we list at once is cut down, as in the contract's other lists.

    Raises:
        InvalidInput: code `invalid_limit`.
    """
    if text is None:
        return _DEFAULT_LISTED
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
        raise InvalidInput("invalid_limit", "limit must be an integer from 1 on")
    return min(int(text), _MAX_LISTED)


def uploaded_parts(body: bytes) -> list[tuple[int, str]] | None:
    """The parts that a body lists; None where there is no body, or none in it.

    Raises:
        InvalidInput: `invalid_request`: no JSON object; `invalid_parts`: numbers or ETags that no part can have,
            or not in rising order.
    """
    if not body.strip():
        return None
    wanted = parse_fields(CompleteImport, json_object(body), code="invalid_parts").parts
    if wanted is None:
        return None
    numbers = [part.part_number for part in wanted]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise InvalidInput("invalid_parts", "parts must come in rising order of part_number, each once")
    return [(part.part_number, part.etag) for part in wanted]


def upload_body(made: UploadTargets) -> dict[str, Any]:
    """Where the file goes: `url`, or `parts` of `part_bytes`."""
    first: dict[str, Any] = {"method": "PUT"}
    about = {"content_type": lifecycle.CONTENT_TYPE, "max_bytes": made.max_bytes}
    expires_at = {"expires_at": timestamp(made.expires_at)}
    if made.part_bytes is None:
        return first | {"url": made.targets[0].url} | about | expires_at
    parts = [{"part_number": number, "url": each.url} for number, each in enumerate(made.targets, 1)]
    return first | about | {"part_bytes": made.part_bytes} | expires_at | {"parts": parts}


def import_body(context: Context, job: Import) -> dict[str, Any]:
    """An import as it is shown."""
    rejects = lifecycle.rejects_target(context.ports, job)
    return {
        "import_id": job.import_id,
        "dataset": job.dataset_name,
        "format": job.format.value,
        "status": job.status.value,
        "error_mode": job.error_mode.value,
        "max_bad_records": job.max_bad_records,
        "records_processed": job.records_processed,
        "records_accepted": job.records_accepted,
        "records_rejected": job.records_rejected,
        "percent_complete": job.percent_complete,
        "rejected_records_url": None if rejects is None else rejects.url,
        "error_message": job.error_message,
        "created_at": timestamp(job.created_at),
        "completed_at": optional_timestamp(job.completed_at),
        "progress": _progress(job),
        "reasons": [{"reason": reason, "count": count} for reason, count in job.reasons],
    }


def _progress(job: Import) -> dict[str, Any] | None:
    if job.status not in _RUNNING:
        return None
    return {"stage": job.stage, "done": job.done, "total": job.total}


_PATH = "/v1/datasets/{name}/imports"
_UNKNOWN = "import_not_found, dataset_not_found"

ROUTES = (
    Route(
        "POST",
        _PATH,
        create,
        Scope.WRITE,
        "Create an import of a large file",
        "imports",
        answers={
            201: Answer("Created: PUT the file to the address in `upload`, then complete.", NewImportOut)
        },
        errors={
            400: "invalid_format, invalid_error_mode, invalid_request",
            404: "dataset_not_found",
            409: "too_many_imports, dataset_follows",
            429: "vector_quota_exceeded, rate_limited",
        },
        request=CreateImport,
    ),
    Route(
        "GET",
        _PATH,
        list_newest,
        Scope.READ,
        "List imports, newest first",
        "imports",
        answers={200: Answer("The newest; as many as were asked for, or as fit.", ImportList)},
        errors={400: "invalid_limit", 404: "dataset_not_found"},
        parameters=(
            Parameter("limit", f"How many at most; {_DEFAULT_LISTED}, up to {_MAX_LISTED}.", "integer"),
        ),
    ),
    Route(
        "GET",
        f"{_PATH}/{{import_id}}",
        get,
        Scope.READ,
        "Show an import",
        "imports",
        answers={200: Answer("The import with its status.", ImportOut)},
        errors={404: _UNKNOWN},
    ),
    Route(
        "POST",
        f"{_PATH}/{{import_id}}/complete",
        complete,
        Scope.WRITE,
        "Start an import: its file is uploaded",
        "imports",
        answers={202: Answer("Started; the import shows how far it is.", ImportOut)},
        errors={
            400: "upload_missing, invalid_parts, invalid_request",
            404: _UNKNOWN,
            409: "import_not_pending: started already, or over",
        },
        request=CompleteImport,
        request_required=False,
    ),
    Route(
        "POST",
        f"{_PATH}/{{import_id}}/cancel",
        cancel,
        Scope.WRITE,
        "Cancel an import",
        "imports",
        answers={202: Answer("Failed, as `cancelled`, with nothing of it indexed.", ImportOut)},
        errors={404: _UNKNOWN, 409: "import_not_cancellable: completed, or about to be"},
    ),
)
