"""Jobs: how far a write is."""

from shoal.http.context import Context
from shoal.http.native.common import timestamp
from shoal.http.native.types import Ready
from shoal.http.native.write_types import JobOut
from shoal.http.native.written import result
from shoal.http.response import Response, json_response
from shoal.http.router import Answer, Route
from shoal.model.tenants import Scope
from shoal.services import jobs


def get(context: Context) -> Response:
    """Show a job."""
    view = jobs.get_job(context.ports, context.principal.tenant_id, context.parameters["job_id"])
    body = {
        "job_id": view.job.job_id,
        "dataset": view.dataset_name,
        "kind": view.job.kind.value,
        "status": view.status.value,
        "rows": view.job.rows,
        "created_at": timestamp(view.job.accepted_at),
        "error_message": view.job.error,
        "result": None if view.outcome is None else result(view.outcome),
    }
    return json_response(200, body)


def query_status(context: Context) -> Response:
    """Whether a query would see the job's write; false for a job that nobody knows, too (contract)."""
    ready = jobs.is_ready(context.ports, context.principal.tenant_id, context.parameters["job_id"])
    return json_response(200, {"ready": ready})


ROUTES = (
    Route(
        "GET",
        "/v1/jobs/{job_id}",
        get,
        Scope.READ,
        "Show a job",
        "jobs",
        answers={200: Answer("The job with its status.", JobOut)},
        errors={404: "job_not_found"},
    ),
    Route(
        "GET",
        "/v1/query/status/{job_id}",
        query_status,
        Scope.READ,
        "Can the job's write be queried?",
        "jobs",
        answers={200: Answer("Yes or no; no for an unknown job.", Ready)},
    ),
)
