"""Mutations of documents, one transaction a request."""

import re
from typing import Any

from shoal.errors import InvalidInput
from shoal.http.context import Context
from shoal.http.native.common import flag, json_object
from shoal.http.response import Response, fits, json_response
from shoal.http.sanity.project import dataset_name, project_of
from shoal.model.mutations import parse_mutations
from shoal.services.content.documents import ensure_documents
from shoal.services.content.mutate import Mutated, Transaction
from shoal.services.content.mutate import mutate as do_mutate

_TRANSACTION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VISIBILITIES = ("sync", "async", "deferred")


def mutate(context: Context) -> Response:
    """Do all mutations of the body, or none. A dataset comes into being with its first document.

    Raises:
        InvalidInput: what is wrong, and with which mutation.
    """
    project_of(context)
    name = dataset_name(context)
    with_documents, dry_run = flag(context, "returnDocuments"), flag(context, "dryRun")
    _check_visibility(context)
    body = json_object(context.body())
    unknown = next((each for each in body if each not in {"mutations", "transactionId"}), None)
    if unknown is not None:
        raise InvalidInput(
            "invalid_request", f"{unknown[:80]}: there is no such field; use mutations and transactionId"
        )
    mutations = parse_mutations(body.get("mutations"), array_keys=flag(context, "autoGenerateArrayKeys"))
    transaction = Transaction(
        mutations,
        transaction_id=_transaction_id(body.get("transactionId")),
        dry_run=dry_run,
        check=lambda found: _check_room(found, with_documents=with_documents),
    )
    dataset = ensure_documents(context.ports, context.principal.tenant_id, name)
    done = do_mutate(
        context.ports,
        context.searcher.reader,
        dataset,
        transaction,
        vector_quota=context.principal.vector_quota,
        pause=context.deps.pause,
    )
    return json_response(200, _shown(done, with_documents=with_documents))


def _check_visibility(context: Context) -> None:
    """What clients ask for is known; a document is in the indexes once these have followed, whatever it is."""
    given = context.request.first("visibility")
    if given is not None and given not in _VISIBILITIES:
        raise InvalidInput("invalid_request", f"visibility: must be one of {', '.join(_VISIBILITIES)}")


def _transaction_id(given: object) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str) or not _TRANSACTION.fullmatch(given):
        raise InvalidInput("invalid_request", "transactionId: must be 1 to 64 of a-z, A-Z, 0-9, _ and -")
    return given


def _check_room(found: Mutated, *, with_documents: bool) -> None:
    """See, before anything is written, that an answer can say what was done."""
    if with_documents and not fits(json_response(200, _shown(found, with_documents=True)).body):
        raise InvalidInput(
            "response_too_large",
            "an answer with all documents would be too large: send returnDocuments=false, or several "
            "transactions; nothing was changed",
        )


def _shown(done: Mutated, *, with_documents: bool) -> dict[str, Any]:
    results: list[dict[str, Any]] = []
    for each in done.results:
        result: dict[str, Any] = {"id": each.document_id, "operation": each.operation}
        if with_documents and each.document is not None:
            result["document"] = each.document
        results.append(result)
    return {"transactionId": done.transaction_id, "results": results}
