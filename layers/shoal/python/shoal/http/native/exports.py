"""Exports: a version of a dataset as Parquet files, which clients GET from S3 themselves."""

from typing import Any

from shoal.http.context import Context
from shoal.http.native.common import (
    dataset_of,
    json_object,
    optional_timestamp,
    parse_fields,
    timestamp,
)
from shoal.http.native.export_types import CreateExport, ExportList, ExportOut, ExportSummary
from shoal.http.response import Response, fits, json_response
from shoal.http.router import Answer, Route
from shoal.model.exports import Export
from shoal.model.tenants import Scope
from shoal.services.exports import lifecycle
from shoal.storage.ports import Target

_LISTED = 100


def create(context: Context) -> Response:
    """Begin an export; the body may be left out."""
    dataset = dataset_of(context)
    body = context.body()
    wanted = parse_fields(CreateExport, json_object(body) if body.strip() else {})
    job = lifecycle.create_export(context.ports, dataset, snapshot=wanted.snapshot)
    return json_response(202, _summary(job))


def get(context: Context) -> Response:
    """Show an export, and where its files are once it is completed."""
    job = lifecycle.get_export(context.ports, dataset_of(context), context.parameters["export_id"])
    manifest, files = lifecycle.downloads(context.ports, job)
    shown = [
        {
            "name": each.file.name,
            "rows": each.file.rows,
            "bytes": each.file.size,
            "sha256": each.file.sha256,
            **_address(each.target),
        }
        for each in files
    ]
    return json_response(
        200, {**_summary(job), "manifest": None if manifest is None else _address(manifest), "files": shown}
    )


def list_newest(context: Context) -> Response:
    """List the newest exports."""
    jobs = lifecycle.list_exports(context.ports, dataset_of(context), limit=_LISTED)
    response = json_response(200, {"exports": [_summary(job) for job in jobs]})
    if not fits(response.body):
        raise AssertionError("a hundred summaries fit into an answer")
    return response


def _address(target: Target) -> dict[str, str]:
    return {"url": target.url, "expires_at": timestamp(target.expires_at)}


def _summary(job: Export) -> dict[str, Any]:
    return {
        "export_id": job.export_id,
        "dataset": job.dataset_name,
        "status": job.status.value,
        "version": job.version,
        "progress": {"done": job.done, "total": job.total},
        "row_count": job.rows,
        "bytes": job.bytes,
        "created_at": timestamp(job.created_at),
        "completed_at": optional_timestamp(job.completed_at),
        "error_message": job.error_message,
    }


ROUTES = (
    Route(
        "POST",
        "/v1/datasets/{name}/exports",
        create,
        Scope.READ,
        "Export a dataset",
        "exports",
        answers={202: Answer("Begun; ask for it until it is completed.", ExportSummary)},
        errors={
            400: "invalid_request",
            404: "dataset_not_found, snapshot_not_found",
            409: "dataset_empty, too_many_exports",
        },
        request=CreateExport,
        request_required=False,
    ),
    Route(
        "GET",
        "/v1/datasets/{name}/exports",
        list_newest,
        Scope.READ,
        "List exports",
        "exports",
        answers={200: Answer("The newest, newest first.", ExportList)},
        errors={404: "dataset_not_found"},
    ),
    Route(
        "GET",
        "/v1/datasets/{name}/exports/{export_id}",
        get,
        Scope.READ,
        "Show an export",
        "exports",
        answers={200: Answer("The export, with its files once it is completed.", ExportOut)},
        errors={404: "export_not_found, dataset_not_found"},
    ),
)
