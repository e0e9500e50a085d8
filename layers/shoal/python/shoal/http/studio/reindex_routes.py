"""Routes of reindexes. Their handlers are imported with the first call: few requests need them, and what they take
along would be part of every cold start.
"""

from shoal.http.context import Context
from shoal.http.response import Response
from shoal.http.router import Answer, Route
from shoal.http.studio.common import INTERNAL
from shoal.http.studio.errors import studio_error
from shoal.http.studio.reindex_types import ReindexIn, ReindexOut
from shoal.http.studio.task_routes import TAG, task_routes
from shoal.model.tenants import Scope

PATH = f"{INTERNAL}/reindex-tasks"


def _run(context: Context) -> Response:
    from shoal.http.studio import reindex

    return reindex.run(context)


def _get(context: Context) -> Response:
    from shoal.http.studio import reindex

    return reindex.get(context)


def _info(context: Context) -> Response:
    from shoal.http.studio import reindex

    return reindex.info(context)


def _list(context: Context) -> Response:
    from shoal.http.studio import reindex

    return reindex.list_all(context)


def _restart(context: Context) -> Response:
    from shoal.http.studio import reindex

    return reindex.restart(context)


def _cancel(context: Context) -> Response:
    from shoal.http.studio import reindex

    return reindex.cancel(context)


ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        f"{PATH}/run",
        _run,
        Scope.ADMIN,
        "Fill a collection from that of another model",
        TAG,
        answers={
            200: Answer(
                "The task; of `dry_run` the estimate: `documents`, `tokens`, `dollars`, `minutes`.",
                ReindexOut,
            )
        },
        errors={
            404: "model_not_found, collection_not_found",
            409: "destination_not_empty, collection_is_blue",
            429: "too_many_reindexes, vector_quota_exceeded, rate_limited",
        },
        request=ReindexIn,
        answer_error=studio_error,
    ),
    *task_routes(
        PATH,
        "reindex",
        ReindexOut,
        (Scope.ADMIN, Scope.ADMIN),
        {"info": _info, "list": _list, "restart": _restart, "cancel": _cancel, "{task_id}": _get},
    ),
)
