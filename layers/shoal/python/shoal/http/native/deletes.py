"""Deletes: one vector, up to 10,000, what a filter means, or all. They are in the log before the answer."""

from shoal.errors import InvalidInput
from shoal.http.context import Context
from shoal.http.native.common import dataset_of, parse_body, record_id
from shoal.http.native.vectors import ID
from shoal.http.native.write_types import DeleteIn, Written
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
from shoal.model.filters import parse_filter
from shoal.model.record_texts import namespace_fault
from shoal.model.tenants import Scope


def delete_one(context: Context) -> Response:
    """Delete a vector; one that does not exist is fine."""
    from shoal.services import (
        write,  # here: numpy is a fifth of a second that few routes of this function need
    )

    wanted, seconds = record_id(context), wait_of(context)
    dataset = dataset_of(context)
    accepted = write.delete_ids(context.ports, dataset, [wanted])
    return answer(context, dataset, accepted, {}, seconds=seconds)[0]


def delete_many(context: Context) -> Response:
    """Delete ids, what a selection means, or everything; all but ids are waited for unless told otherwise."""
    from shoal.index.log_codec import SelectionJson
    from shoal.services import write

    wanted = parse_body(DeleteIn, context.body())
    _check(wanted)
    by_default = wanted.ids is None if wanted.wait is None else wanted.wait
    seconds = wait_of(context, default=by_default)
    dataset = dataset_of(context)
    if wanted.ids is not None:
        accepted = write.delete_ids(context.ports, dataset, wanted.ids)
    else:
        selection = SelectionJson(wanted.namespace, wanted.prefix, wanted.filter)
        accepted = write.delete_where(context.ports, dataset, selection)
    return answer(context, dataset, accepted, {}, seconds=seconds)[0]


def _check(wanted: DeleteIn) -> None:
    """See that the request means one thing, and that nothing left out by mistake means everything.

    Raises:
        InvalidInput: names the field.
    """
    selection = {name for name in ("filter", "namespace", "prefix") if getattr(wanted, name) is not None}
    if wanted.all is False:
        raise InvalidInput("invalid_request", "all: must be true where it is there")
    if wanted.all and (selection or wanted.ids is not None):
        raise InvalidInput("invalid_request", "all: must stand alone")
    if wanted.ids is not None and selection:
        raise InvalidInput(
            "invalid_request", f"ids: must stand alone, without {', '.join(sorted(selection))}"
        )
    if wanted.ids is None and not selection and not wanted.all:
        raise InvalidInput("invalid_request", "one of ids, filter, namespace, prefix and all is needed")
    if wanted.filter is not None:
        if not wanted.filter:
            raise InvalidInput("invalid_request", 'filter: must not be empty; {"all": true} deletes all')
        parse_filter(wanted.filter)
    fault = namespace_fault(wanted.namespace or "")
    if fault is not None:
        raise InvalidInput("invalid_request", fault)


_ANSWERS = {200: Answer(WAITED_ANSWER, Written), 202: Answer(ACCEPTED_ANSWER, Written)}

ROUTES = (
    Route(
        "POST",
        "/v1/datasets/{name}/vectors/delete",
        delete_many,
        Scope.WRITE,
        "Delete vectors by id, by filter, or all",
        "vectors",
        answers=_ANSWERS,
        errors={
            400: "invalid_request",
            404: "dataset_not_found",
            409: FOLLOWS,
            413: "payload_too_large",
            429: "backlog_full, rate_limited",
        },
        request=DeleteIn,
        parameters=WAIT_PARAMETERS,
    ),
    Route(
        "DELETE",
        "/v1/datasets/{name}/vectors/{id+}",
        delete_one,
        Scope.WRITE,
        "Delete a vector, there or not",
        "vectors",
        answers=_ANSWERS,
        errors={
            400: "invalid_request",
            404: "dataset_not_found",
            409: FOLLOWS,
            429: "backlog_full, rate_limited",
        },
        parameters=(ID, *WAIT_PARAMETERS),
    ),
)
