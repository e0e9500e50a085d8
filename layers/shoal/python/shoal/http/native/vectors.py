"""Uploads of NDJSON, in the log for good before they are answered, perhaps under a condition.

Content-Type is not looked at: a body is what it is, and clients of the original API send what they like.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shoal.errors import InvalidInput
from shoal.http.context import Context
from shoal.http.native.common import dataset_of, flag
from shoal.http.native.types import UploadRecord
from shoal.http.native.write_types import WrittenLines
from shoal.http.native.written import (
    ACCEPTED_ANSWER,
    FOLLOWS,
    WAIT_PARAMETERS,
    WAITED_ANSWER,
    answer,
    namespace_of,
    wait_of,
)
from shoal.http.response import Response
from shoal.http.router import Answer, Parameter, Route
from shoal.model.datasets import Metric
from shoal.model.limits import MAX_RESPONSE_BYTES
from shoal.model.tenants import Scope
from shoal.model.writes import WriteCondition, newer_than

if TYPE_CHECKING:  # numpy: a fifth of a second that most routes of this function do not need
    from shoal.model.parsed_lines import LineError

_ERROR_BYTES = 160
_MAX_LISTED_ERRORS = MAX_RESPONSE_BYTES // _ERROR_BYTES
"""Rejected lines that one answer lists; `rejected` counts all of them."""


def upload(context: Context) -> Response:
    """Accept the good lines of an NDJSON body as one write; name the reason of every bad one."""
    from shoal.model import ndjson
    from shoal.services import write

    seconds, condition, namespace = wait_of(context), _condition(context), namespace_of(context)
    dataset = dataset_of(context)
    batch = ndjson.parse(
        context.body(), dimension=dataset.dimension, refuse_zero=dataset.metric is Metric.COSINE
    )
    namespaces = batch.namespaces
    if namespace:
        namespaces = tuple(own or namespace for own in namespaces or [""] * len(batch))
    accepted = write.upsert(
        context.ports,
        dataset,
        ids=batch.ids,
        vectors=batch.vectors,
        metadata=batch.metadata,
        namespaces=namespaces,
        documents=batch.documents,
        vector_quota=context.principal.vector_quota,
        condition=condition,
    )
    body = {
        "accepted": len(batch),
        "rejected": len(batch.errors),
        "errors": listed_errors(batch.errors),
    }
    return answer(context, dataset, accepted, body, seconds=seconds)[0]


def listed_errors(errors: "Sequence[LineError]") -> list[dict[str, object]]:
    """The rejected lines that an answer lists."""
    return [{"line": error.line, "reason": error.reason} for error in errors[:_MAX_LISTED_ERRORS]]


def _condition(context: Context) -> WriteCondition | None:
    """The condition that the query string names.

    Raises:
        InvalidInput: names the parameter.
    """
    if_absent, path = flag(context, "if_absent"), context.request.first("if_newer_than")
    if path is None:
        return WriteCondition("if_absent") if if_absent else None
    if if_absent:
        raise InvalidInput("invalid_request", "if_newer_than: cannot be asked for together with if_absent")
    return newer_than(path)


ID = Parameter("id", "The id, in place of the one in the path; for ids that a path cannot hold.")

ROUTES = (
    Route(
        "POST",
        "/v1/datasets/{name}/vectors",
        upload,
        Scope.WRITE,
        "Upload vectors as NDJSON",
        "vectors",
        answers={
            200: Answer(WAITED_ANSWER, WrittenLines),
            202: Answer(f"{ACCEPTED_ANSWER} So also where every line was rejected.", WrittenLines),
        },
        errors={
            400: "invalid_ndjson, invalid_encoding, invalid_request",
            404: "dataset_not_found",
            409: FOLLOWS,
            413: "payload_too_large: over 10 MiB, unpacked; over 4.5 MiB a body must come gzipped",
            429: "vector_quota_exceeded, backlog_full, rate_limited",
        },
        request=UploadRecord,
        request_type="application/x-ndjson",
        parameters=(
            Parameter("namespace", "The namespace of lines that name none."),
            Parameter("if_absent", "Whether to skip records whose id exists.", "boolean"),
            Parameter(
                "if_newer_than",
                "A path in the metadata, such as `version`: skip records whose value there is not greater than "
                "that of the record that exists.",
            ),
            *WAIT_PARAMETERS,
        ),
    ),
)
