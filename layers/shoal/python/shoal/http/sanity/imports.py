"""Imports of documents: files that clients put into S3 themselves; as imports of any dataset, in these words."""

from typing import Any

from shoal.http.context import Context
from shoal.http.native.common import json_object, parse_fields
from shoal.http.native.imports import (
    as_many_as_fit,
    import_body,
    import_limit,
    new_import_body,
    uploaded_parts,
)
from shoal.http.response import Response, json_response
from shoal.http.sanity.mutate_types import CreateDocumentImport
from shoal.http.sanity.project import dataset_name, project_of
from shoal.model.datasets import Dataset
from shoal.model.imports import ErrorMode, Import, ImportFormat
from shoal.services.content.documents import ensure_documents, find_documents
from shoal.services.imports import lifecycle


def create(context: Context) -> Response:
    """Create an import: the answer says where to PUT the file. A dataset comes into being with its first one."""
    project_of(context)
    name, body = dataset_name(context), context.body()
    wanted = parse_fields(CreateDocumentImport, json_object(body) if body.strip() else {})
    job, targets = lifecycle.create_import(
        context.ports,
        ensure_documents(context.ports, context.principal.tenant_id, name),
        file_format=ImportFormat.DOCUMENTS,
        error_mode=ErrorMode(wanted.error_mode),
        max_bad_records=wanted.max_bad_records,
        multipart=wanted.multipart,
        vector_quota=context.principal.vector_quota,
    )
    return json_response(201, new_import_body(_body(context, job), targets))


def complete(context: Context) -> Response:
    """Say that the upload is done; what was uploaded is judged and stored from here on."""
    dataset, import_id = _dataset(context), context.parameters["import_id"]
    parts = uploaded_parts(context.body())
    job = lifecycle.complete_import(context.ports, dataset, import_id, parts=parts)
    return json_response(202, _body(context, job))


def cancel(context: Context) -> Response:
    """End an import with none of its documents stored."""
    job = lifecycle.cancel_import(context.ports, _dataset(context), context.parameters["import_id"])
    return json_response(202, _body(context, job))


def get(context: Context) -> Response:
    """Show an import."""
    job = lifecycle.get_import(context.ports, _dataset(context), context.parameters["import_id"])
    return json_response(200, _body(context, job))


def list_newest(context: Context) -> Response:
    """List the newest imports."""
    limit = import_limit(context.request.first("limit"))
    jobs = lifecycle.list_imports(context.ports, _dataset(context), limit=limit)
    return as_many_as_fit([_body(context, job) for job in jobs])


def _dataset(context: Context) -> Dataset:
    project_of(context)
    return find_documents(context.ports, context.principal.tenant_id, dataset_name(context))


def _body(context: Context, job: Import) -> dict[str, Any]:
    shown = import_body(context, job)
    return {**shown, "documents_skipped": job.skipped, "documents_outdated": job.outdated}
