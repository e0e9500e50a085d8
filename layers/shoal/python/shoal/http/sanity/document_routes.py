"""Routes of documents: mutations, and imports of whole exports. Handlers are imported with the first call."""

from pydantic import BaseModel

from shoal.http.context import Context
from shoal.http.native.import_types import CompleteImport
from shoal.http.response import Response
from shoal.http.router import Answer, Handler, Parameter, Route
from shoal.http.sanity.mutate_types import (
    CreateDocumentImport,
    DocumentImportOut,
    DocumentImports,
    MutateDocuments,
    MutationAnswer,
    NewDocumentImport,
)
from shoal.http.sanity.project import VERSION_PREFIX, project_route
from shoal.model.tenants import Scope

_IMPORTS = VERSION_PREFIX + "/data/import/{dataset}"
_IMPORT = _IMPORTS + "/{import_id}"
_TAG = "sanity: documents"
_UNKNOWN = "dataset_not_found, import_not_found"


def _mutate(context: Context) -> Response:
    from shoal.http.sanity.mutate import mutate

    return mutate(context)


def _create(context: Context) -> Response:
    from shoal.http.sanity.imports import create

    return create(context)


def _list(context: Context) -> Response:
    from shoal.http.sanity.imports import list_newest

    return list_newest(context)


def _get(context: Context) -> Response:
    from shoal.http.sanity.imports import get

    return get(context)


def _complete(context: Context) -> Response:
    from shoal.http.sanity.imports import complete

    return complete(context)


def _cancel(context: Context) -> Response:
    from shoal.http.sanity.imports import cancel

    return cancel(context)


def _route(
    method: str,
    template: str,
    handler: Handler,
    summary: str,
    *,
    answers: dict[int, Answer],
    errors: dict[int, str],
    request: type[BaseModel] | None = None,
    request_required: bool = False,
    parameters: tuple[Parameter, ...] = (),
) -> Route:
    return project_route(
        method,
        template,
        handler,
        Scope.READ if method == "GET" else Scope.WRITE,
        summary,
        _TAG,
        answers=answers,
        errors=errors,
        request=request,
        request_required=request_required,
        parameters=parameters,
    )


DOCUMENT_ROUTES: tuple[Route, ...] = (
    _route(
        "POST",
        VERSION_PREFIX + "/data/mutate/{dataset}",
        _mutate,
        "Create, change and delete documents",
        answers={200: Answer("All of it is done.", MutationAnswer)},
        errors={
            400: "invalid_dataset, invalid_request, invalid_mutation, invalid_document, invalid_document_id, "
            "invalid_path, immutable_attribute, too_many_mutations, transaction_too_large, response_too_large",
            404: "document_not_found: of a patch",
            409: "document_exists: of a create; revision_mismatch: of a patch",
            413: "document_too_large, payload_too_large",
            429: "vector_quota_exceeded, backlog_full",
            503: "busy: nothing was changed",
        },
        request=MutateDocuments,
        request_required=True,
        parameters=(
            Parameter("returnDocuments", "Whether results hold the documents.", "boolean"),
            Parameter("returnIds", "Accepted: results hold ids in any case.", "boolean"),
            Parameter("dryRun", "Whether nothing is written.", "boolean"),
            Parameter("autoGenerateArrayKeys", "Whether objects in arrays are given a `_key`.", "boolean"),
            Parameter("visibility", "sync, async or deferred: indexes follow by themselves in any case."),
        ),
    ),
    _route(
        "POST",
        _IMPORTS,
        _create,
        "Create an import of documents",
        answers={201: Answer("Created: PUT the file to `upload`, then complete.", NewDocumentImport)},
        errors={
            400: "invalid_dataset, invalid_request",
            409: "too_many_imports",
            429: "vector_quota_exceeded",
        },
        request=CreateDocumentImport,
    ),
    _route(
        "GET",
        _IMPORTS,
        _list,
        "List imports of documents, newest first",
        answers={200: Answer("The newest; as many as were asked for, or as fit.", DocumentImports)},
        errors={400: "invalid_dataset, invalid_limit", 404: "dataset_not_found"},
        parameters=(Parameter("limit", "How many at most; 100, up to 1000.", "integer"),),
    ),
    _route(
        "GET",
        _IMPORT,
        _get,
        "Show an import of documents",
        answers={200: Answer("The import with its status.", DocumentImportOut)},
        errors={404: _UNKNOWN},
    ),
    _route(
        "POST",
        f"{_IMPORT}/complete",
        _complete,
        "Start an import of documents: its file is uploaded",
        answers={202: Answer("Started; the import shows how far it is.", DocumentImportOut)},
        errors={
            400: "upload_missing, invalid_parts, invalid_request",
            404: _UNKNOWN,
            409: "import_not_pending: started already, or over",
        },
        request=CompleteImport,
    ),
    _route(
        "POST",
        f"{_IMPORT}/cancel",
        _cancel,
        "Cancel an import of documents",
        answers={202: Answer("Failed, as `cancelled`, with none of it stored.", DocumentImportOut)},
        errors={404: _UNKNOWN, 409: "import_not_cancellable: completed, or about to be"},
    ),
)
