"""Patches of metadata, of one vector or of many, without sending their values again."""

from shoal.errors import InvalidInput, NotFound
from shoal.http.context import Context
from shoal.http.native.common import dataset_of, parse_body, record_id
from shoal.http.native.vectors import ID, listed_errors
from shoal.http.native.write_types import PatchIn, PatchLine, Written, WrittenLines
from shoal.http.native.written import (
    ACCEPTED_ANSWER,
    FOLLOWS,
    WAIT_PARAMETERS,
    WAITED_ANSWER,
    answer,
    wait_of,
)
from shoal.http.response import Response
from shoal.http.router import Answer, Route
from shoal.model.tenants import Scope


def patch_one(context: Context) -> Response:
    """Merge into the metadata of one vector; only where it is waited for is it known whether there is one."""
    from shoal.model import (
        patches,  # here: numpy is a fifth of a second that few routes of this function need
    )
    from shoal.services import write

    wanted, seconds = record_id(context), wait_of(context)
    change = patches.encoded_patch(parse_body(PatchIn, context.body()).metadata)
    if isinstance(change, str):
        raise InvalidInput("invalid_request", change)
    dataset = dataset_of(context)
    accepted = write.patch(context.ports, dataset, ids=[wanted], patches=[change])
    response, outcome = answer(context, dataset, accepted, {}, seconds=seconds)
    if outcome is not None and outcome.missing:
        raise NotFound("not_found", "vector not found")
    return response


def patch_many(context: Context) -> Response:
    """Merge into the metadata of the vectors that NDJSON lines name, as one write, in their order."""
    from shoal.model import patches
    from shoal.services import write

    seconds = wait_of(context)
    dataset = dataset_of(context)
    parsed = patches.parse_patches(context.body())
    accepted = write.patch(context.ports, dataset, ids=parsed.ids, patches=parsed.patches)
    body = {
        "accepted": len(parsed.ids),
        "rejected": len(parsed.errors),
        "errors": listed_errors(parsed.errors),
    }
    return answer(context, dataset, accepted, body, seconds=seconds)[0]


ROUTES = (
    Route(
        "POST",
        "/v1/datasets/{name}/vectors/patch",
        patch_many,
        Scope.WRITE,
        "Patch the metadata of many vectors, as NDJSON",
        "vectors",
        answers={200: Answer(WAITED_ANSWER, WrittenLines), 202: Answer(ACCEPTED_ANSWER, WrittenLines)},
        errors={
            400: "invalid_ndjson, invalid_encoding, invalid_request, too_many_ids: over 10,000",
            404: "dataset_not_found",
            409: FOLLOWS,
            413: "payload_too_large",
            429: "backlog_full, rate_limited",
        },
        request=PatchLine,
        request_type="application/x-ndjson",
        parameters=WAIT_PARAMETERS,
    ),
    Route(
        "PATCH",
        "/v1/datasets/{name}/vectors/{id+}",
        patch_one,
        Scope.WRITE,
        "Patch the metadata of a vector",
        "vectors",
        answers={200: Answer(WAITED_ANSWER, Written), 202: Answer(ACCEPTED_ANSWER, Written)},
        errors={
            400: "invalid_request",
            404: "dataset_not_found, not_found: where it was waited for",
            409: FOLLOWS,
            429: "backlog_full, rate_limited",
        },
        request=PatchIn,
        parameters=(ID, *WAIT_PARAMETERS),
    ),
)
