"""Compaction: done by itself when it is due; asked for here, and shown."""

from shoal.errors import NotFound
from shoal.http.context import Context
from shoal.http.native.common import dataset_of, optional_timestamp, timestamp
from shoal.http.native.compaction_types import CompactionOut, CompactionRequested
from shoal.http.response import Response, json_response
from shoal.http.router import Answer, Route
from shoal.model.tenants import Scope
from shoal.services.compaction.items import newest_compaction
from shoal.services.heads import keys_of
from shoal.services.sequence import or_try_again
from shoal.services.wake import ask_to_compact


def request(context: Context) -> Response:
    """Ask for a compaction that leaves no dead rows and as few pieces as can be, whether or not one is due."""
    dataset = dataset_of(context)
    or_try_again(lambda: ask_to_compact(context.ports, keys_of(dataset)))
    return json_response(202, {"dataset": dataset.name, "status": "requested"})


def show(context: Context) -> Response:
    """Show the compaction that began last."""
    dataset = dataset_of(context)
    found = newest_compaction(context.ports, keys_of(dataset))
    if found is None:
        raise NotFound("compaction_not_found", "the dataset was not compacted in the last 30 days")
    progress = {"stage": found.stage, "done": found.done, "total": found.total}
    return json_response(
        200,
        {
            "compaction_id": found.run_id,
            "dataset": dataset.name,
            "status": found.status.value,
            "rows": found.rows,
            "error_message": found.error_message,
            "created_at": timestamp(found.created_at),
            "completed_at": optional_timestamp(found.completed_at),
            "progress": None if found.status.terminal else progress,
        },
    )


ROUTES = (
    Route(
        "POST",
        "/v1/datasets/{name}/compact",
        request,
        Scope.WRITE,
        "Compact a dataset now",
        "datasets",
        answers={202: Answer("Asked for; `compaction` shows how far it is.", CompactionRequested)},
        errors={404: "dataset_not_found"},
    ),
    Route(
        "GET",
        "/v1/datasets/{name}/compaction",
        show,
        Scope.READ,
        "Show the last compaction of a dataset",
        "datasets",
        answers={200: Answer("The compaction that began last.", CompactionOut)},
        errors={404: "compaction_not_found, dataset_not_found"},
    ),
)
