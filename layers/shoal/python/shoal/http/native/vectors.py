"""Writes: upload NDJSON, delete a vector. Both are in the log, for good, before they are answered.

Content-Type is not looked at: a body is what it is, and clients of the original API send what they like.
"""

from shoal.http.context import Context
from shoal.http.native.common import dataset_name, record_id
from shoal.http.native.types import JobRef, UploadRecord, UploadResult
from shoal.http.response import Response, json_response
from shoal.http.router import Answer, Parameter, Route
from shoal.model.datasets import NATIVE_SCOPE, Dataset, Metric
from shoal.model.limits import MAX_RESPONSE_BYTES
from shoal.model.tenants import Scope
from shoal.services import datasets

_ERROR_BYTES = 160
_MAX_LISTED_ERRORS = MAX_RESPONSE_BYTES // _ERROR_BYTES
"""Rejected lines that one answer lists; `rejected` counts all of them."""


def upload(context: Context) -> Response:
    """Accept the good lines of an NDJSON body as one write; name the reason of every bad one."""
    # Imported here: numpy is a fifth of a second that no other route of this function needs.
    from shoal.model import ndjson
    from shoal.services import write

    dataset = _dataset(context)
    batch = ndjson.parse(
        context.body(), dimension=dataset.dimension, refuse_zero=dataset.metric is Metric.COSINE
    )
    accepted = write.upsert(
        context.ports,
        dataset,
        ids=batch.ids,
        vectors=batch.vectors,
        metadata=batch.metadata,
        namespaces=batch.namespaces,
        documents=batch.documents,
        vector_quota=context.principal.vector_quota,
    )
    listed = batch.errors[:_MAX_LISTED_ERRORS]
    body = {
        "accepted": len(batch),
        "rejected": len(batch.errors),
        "errors": [{"line": error.line, "reason": error.reason} for error in listed],
        "job_id": accepted.job_id,
    }
    return json_response(202, body)


def delete(context: Context) -> Response:
    """Delete a vector; one that does not exist is fine."""
    from shoal.services import write

    wanted = record_id(context)
    accepted = write.delete_ids(context.ports, _dataset(context), [wanted])
    return json_response(202, {"job_id": accepted.job_id})


def _dataset(context: Context) -> Dataset:
    name = dataset_name(context)
    return datasets.resolve(context.ports, context.principal.tenant_id, scope=NATIVE_SCOPE, name=name)


ID = Parameter("id", "The id, in place of the one in the path; for ids that a path cannot hold.")

ROUTES = (
    Route(
        "POST",
        "/v1/datasets/{name}/vectors",
        upload,
        Scope.WRITE,
        "Upload vectors as NDJSON",
        "vectors",
        answers={202: Answer("Accepted and safe; also where every line was rejected.", UploadResult)},
        errors={
            400: "invalid_ndjson, invalid_encoding",
            404: "dataset_not_found",
            413: "payload_too_large: over 10 MiB, unpacked; over 4.5 MiB a body must come gzipped",
            429: "vector_quota_exceeded, backlog_full, rate_limited",
        },
        request=UploadRecord,
        request_type="application/x-ndjson",
    ),
    Route(
        "DELETE",
        "/v1/datasets/{name}/vectors/{id+}",
        delete,
        Scope.WRITE,
        "Delete a vector",
        "vectors",
        answers={202: Answer("Accepted, whether the id exists or not.", JobRef)},
        errors={400: "invalid_request", 404: "dataset_not_found", 429: "backlog_full, rate_limited"},
        parameters=(ID,),
    ),
)
