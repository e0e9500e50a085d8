"""Mutations: insert, upsert, delete. They are in the log before they are answered, with the id to wait for."""

from typing import Literal

from shoal.http.context import Context
from shoal.http.response import Response
from shoal.http.vectorize.common import Wanted, body_of, check_ids, index_of, mutation_id
from shoal.http.vectorize.envelope import BAD_BODY, Fault, message, success
from shoal.model.writes import WriteCondition

MAX_DELETE_IDS = 100
_MOST_MESSAGES = 1_000


class Ids(Wanted):
    """A list of ids."""

    ids: list[str]


def insert(context: Context) -> Response:
    """Store the vectors whose ids are not there yet."""
    return _store(context, WriteCondition("if_absent"))


def upsert(context: Context) -> Response:
    """Store vectors, in place of those of the same ids."""
    return _store(context, None)


def delete_by_ids(context: Context) -> Response:
    """Delete vectors; ids that do not exist are fine."""
    from shoal.services import (
        write,
    )  # here: numpy is a fifth of a second that few routes of this function need

    dataset = index_of(context)
    wanted = body_of(context, Ids)
    check_ids(wanted.ids, most=max(MAX_DELETE_IDS, context.deps.vectorize.max_ids))
    accepted = write.delete_ids(context.ports, dataset, wanted.ids)
    return success({"mutationId": mutation_id(accepted.job_id)})


def _store(context: Context, condition: WriteCondition | None) -> Response:
    from shoal.http.vectorize.uploads import ndjson_of
    from shoal.http.vectorize.vectors import parse_vectors
    from shoal.services import write

    behaviour = _behaviour(context)
    dataset = index_of(context)
    parsed = parse_vectors(ndjson_of(context.body()), dataset, discard=behaviour == "discard")
    accepted = write.upsert(
        context.ports,
        dataset,
        ids=parsed.ids,
        vectors=parsed.vectors(dataset.dimension),
        metadata=parsed.metadata,
        namespaces=parsed.namespaces,
        vector_quota=context.principal.vector_quota,
        condition=condition,
    )
    messages = [message(fault.code, fault.message) for fault in parsed.faults[:_MOST_MESSAGES]]
    left = len(parsed.faults) - len(messages)
    if left:
        messages.append(message(BAD_BODY, f"and {left} more lines were discarded"))
    return success({"mutationId": mutation_id(accepted.job_id)}, messages=messages)


def _behaviour(context: Context) -> Literal["error", "discard"]:
    """What happens to lines that cannot be stored.

    Raises:
        Fault: 40026.
    """
    match context.request.first("unparsable-behavior"):
        case None | "error":
            return "error"
        case "discard":
            return "discard"
        case _:
            raise Fault(400, BAD_BODY, "unparsable-behavior must be error or discard")
