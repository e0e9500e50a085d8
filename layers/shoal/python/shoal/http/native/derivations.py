"""Derived datasets: made of another one by a filter or a list of terms, made anew, and where they come from."""

from collections.abc import Sequence
from typing import Any

from shoal.errors import NotFound
from shoal.http.context import Context
from shoal.http.native.common import dataset_name, dataset_of, optional_timestamp, parse_body, timestamp
from shoal.http.native.derivation_types import DerivationOut, DeriveIn, LineageOut, TermsOfFields
from shoal.http.native.places import shown
from shoal.http.response import Response, json_response
from shoal.http.router import Answer, Route
from shoal.model.datasets import NATIVE_SCOPE, Dataset, check_name
from shoal.model.derivations import Condition, Derivation, Lineage
from shoal.model.tenants import Scope
from shoal.services.derived import starting
from shoal.services.followers import visible_children
from shoal.services.heads import keys_of, read_head
from shoal.services.retry import retry_busy
from shoal.services.term_lists import get_terms
from shoal.storage.keys import DatasetKeys


def derive(context: Context) -> Response:
    """Begin to make a dataset of the records of this one that a condition leaves in."""
    tenant_id = context.principal.tenant_id
    wanted = parse_body(DeriveIn, context.body())
    name = check_name(wanted.name)
    condition = Condition(filter=wanted.filter, **_terms(context, wanted.terms))
    source = starting.source_named(context.ports, tenant_id, scope=NATIVE_SCOPE, name=dataset_name(context))
    run = starting.start_derivation(
        context.ports,
        tenant_id,
        source=source,
        scope=NATIVE_SCOPE,
        name=name,
        condition=condition,
        follow=wanted.follow,
        vector_quota=context.principal.vector_quota,
    )
    return json_response(202, _body(run))


def _terms(context: Context, wanted: TermsOfFields | None) -> dict[str, Any]:
    """The part of a condition that is about terms.

    Raises:
        NotFound: `term_list_not_found`.
    """
    if wanted is None:
        return {}
    found = get_terms(context.ports, context.principal.tenant_id, wanted.list)
    return {"terms": tuple(found.terms), "term_fields": tuple(wanted.fields), "list_name": found.name}


def get(context: Context) -> Response:
    """Show a run."""
    run_id = context.parameters["derivation_id"]
    return json_response(
        200, _body(starting.get_derivation(context.ports, context.principal.tenant_id, run_id))
    )


def cancel(context: Context) -> Response:
    """End a run; one that has ended stays as it is."""
    run_id = context.parameters["derivation_id"]
    over = starting.cancel_derivation(context.ports, context.principal.tenant_id, run_id)
    return json_response(200, _body(over))


def lineage(context: Context) -> Response:
    """Show where a dataset comes from, and what is made of it."""
    dataset = dataset_of(context)
    found = starting.lineage_of(context.ports, dataset)
    children = [
        {
            "dataset": shown(child.scope, child.name),
            "kind": child.kind.value,
            "follows": child.follows,
            "synced_version": child.synced_version,
        }
        for child in visible_children(context.ports, keys_of(dataset))
    ]
    body = {
        "dataset": dataset.name,
        "derived_from": _derived_from(context, dataset, found),
        "last_run": _last_run(context, found),
        "derived": children,
    }
    return json_response(200, body)


def rebuild(context: Context) -> Response:
    """Begin to make a derived dataset anew, of what its source holds now."""
    run = starting.start_rebuild(
        context.ports,
        context.principal.tenant_id,
        dataset=dataset_of(context),
        vector_quota=context.principal.vector_quota,
    )
    return json_response(202, _body(run))


def _derived_from(context: Context, dataset: Dataset, found: Lineage | None) -> dict[str, Any] | None:
    if found is None:
        return None
    source = DatasetKeys(dataset.tenant_id, found.source_id)
    head = retry_busy(lambda: read_head(context.ports, source))
    condition, terms = found.condition, found.condition.terms
    return {
        "source": shown(found.source_scope, found.source_name),
        "source_version": found.source_version,
        "source_newest": head.version if head is not None and head.live else None,
        "filter": condition.filter,
        "terms": None
        if terms is None
        else {"list": condition.list_name, "count": len(terms), "fields": condition.term_fields},
        "follow": found.follow,
        "built_at": optional_timestamp(found.built_at),
        "rows_removed": found.rows_removed,
        "removed_by_term": _removed(found.removed_by_term),
        "strategy": found.strategy,
        "error_message": found.error_message,
    }


def _last_run(context: Context, found: Lineage | None) -> dict[str, Any] | None:
    """The run that began last; none where it is forgotten by now."""
    if found is None or found.last_run is None:
        return None
    try:
        return _body(starting.get_derivation(context.ports, context.principal.tenant_id, found.last_run))
    except NotFound:
        return None


def _body(run: Derivation) -> dict[str, Any]:
    return {
        "derivation_id": run.run_id,
        "dataset": shown(run.scope, run.name),
        "source": shown(run.source_scope, run.source_name),
        "status": run.status.value,
        "stage": run.stage,
        "progress": run.progress,
        "rows_total": run.rows_total,
        "rows_removed": run.rows_removed,
        "removed_by_term": _removed(run.removed_by_term),
        "strategy": run.strategy,
        "source_version": run.source_version,
        "follow": run.follow,
        "rebuild": not run.first,
        "created_at": timestamp(run.created_at),
        "completed_at": optional_timestamp(run.completed_at),
        "error_message": run.error_message,
    }


def _removed(by_term: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"term": term, "records": count} for term, count in by_term]


_TAG = "derived datasets"
_RUN = "/v1/derivations/{derivation_id}"
_LINEAGE = "/v1/datasets/{name}/derivation"
_UNKNOWN_RUN = "derivation_not_found"

ROUTES = (
    Route(
        "POST",
        "/v1/datasets/{name}/derive",
        derive,
        Scope.WRITE,
        "Derive a dataset from another one",
        _TAG,
        answers={202: Answer("Begun; nothing is to be seen of it before it is completed.", DerivationOut)},
        errors={
            400: "invalid_name, invalid_fields, invalid_request",
            404: "dataset_not_found, term_list_not_found",
            409: "dataset_exists: also one that is being built; source_unfinished: the source is",
        },
        request=DeriveIn,
    ),
    Route(
        "GET",
        _LINEAGE,
        lineage,
        Scope.READ,
        "Show where a dataset comes from, and what is derived from it",
        _TAG,
        answers={
            200: Answer("Its source and its condition, where there is one; and its children.", LineageOut)
        },
        errors={404: "dataset_not_found"},
    ),
    Route(
        "POST",
        _LINEAGE + "/rebuild",
        rebuild,
        Scope.WRITE,
        "Derive a dataset anew from what its source holds now",
        _TAG,
        answers={202: Answer("Begun; until it is completed, the dataset stays as it is.", DerivationOut)},
        errors={
            404: "dataset_not_found, source_deleted",
            409: "not_derived; derivation_running: with Retry-After",
        },
    ),
    Route(
        "GET",
        _RUN,
        get,
        Scope.READ,
        "Show a derivation",
        _TAG,
        answers={200: Answer("The run, and how far it is.", DerivationOut)},
        errors={404: _UNKNOWN_RUN},
    ),
    Route(
        "DELETE",
        _RUN,
        cancel,
        Scope.WRITE,
        "Cancel a derivation",
        _TAG,
        answers={200: Answer("The run, which is over; a dataset that it was making is gone.", DerivationOut)},
        errors={404: _UNKNOWN_RUN, 409: "derivation_ending: what it made is about to be seen"},
    ),
)
