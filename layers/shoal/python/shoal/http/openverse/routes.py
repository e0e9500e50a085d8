"""Every route of the dialect, and what answers to anything else below its paths.

The handlers are imported with the first call: few requests need them, and what they take along would be part of
every cold start.
"""

from collections.abc import Iterator, Mapping

from shoal.http.context import Context
from shoal.http.openverse.errors import openverse_error, plain_fault
from shoal.http.openverse.types import NameStat, ServerHealth, TaskAccepted, TaskIn, TaskStatus
from shoal.http.response import Response
from shoal.http.router import Answer, Handler, Parameter, Route
from shoal.model.tenants import Scope

_TAG = "openverse"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_PREFIXES = ("/task", "/stat", "/static", "/state", "/worker_finished")


def _health(context: Context) -> Response:
    from shoal.http.openverse import service

    return service.health(context)


def _stat(context: Context) -> Response:
    from shoal.http.openverse import service

    return service.name_stat(context)


def _worker_finished(context: Context) -> Response:
    from shoal.http.openverse import service

    return service.worker_finished(context)


def _static(context: Context) -> Response:
    from shoal.http.openverse import service

    return service.static_file(context)


def _create(context: Context) -> Response:
    from shoal.http.openverse import tasks

    return tasks.create(context)


def _list(context: Context) -> Response:
    from shoal.http.openverse import tasks

    return tasks.list_all(context)


def _get(context: Context) -> Response:
    from shoal.http.openverse import tasks

    return tasks.get(context)


def _forget(_: Context) -> Response:
    """Forget the job that the original's workers are at. Here no task is in the way of another one."""
    return Response(200)


def _not_found(_: Context) -> Response:
    raise plain_fault(404)


def _hidden(method: str, template: str, handler: Handler) -> Route:
    """A route that answers what is unknown, and needs no key for that."""
    return Route(
        method,
        template,
        handler,
        None,
        "Unknown",
        _TAG,
        answers={},
        rate_limited=False,
        answer_error=openverse_error,
        listed=False,
    )


_LISTED = (
    Route(
        "GET",
        "/",
        _health,
        None,
        "Is the ingestion server there?",
        _TAG,
        answers={
            200: Answer("It is.", ServerHealth),
            503: Answer("What it stands on is not.", ServerHealth),
        },
        parameters=(Parameter("check_deps", "`true`: also whether what it stands on is."),),
        answer_error=openverse_error,
    ),
    Route(
        "POST",
        "/task",
        _create,
        Scope.WRITE,
        "Ask for a task",
        _TAG,
        answers={
            202: Answer("It is done, or will be: its status is at `status_check`.", TaskAccepted),
            400: Answer("What is wrong with the request: `title` and `description`, or `message`."),
            500: Answer("It cannot be done: `message`, and `detail` says why."),
        },
        errors={415: "neither JSON nor a form"},
        request=TaskIn,
        answer_error=openverse_error,
    ),
    Route(
        "GET",
        "/task",
        _list,
        Scope.READ,
        "List the newest tasks",
        _TAG,
        answers={200: Answer("A list of statuses: those under way, and then as they finished.")},
        answer_error=openverse_error,
    ),
    Route(
        "GET",
        "/task/{task_id}",
        _get,
        Scope.READ,
        "Show how far a task is",
        _TAG,
        answers={200: Answer("Its status.", TaskStatus)},
        errors={404: "there is no such task"},
        answer_error=openverse_error,
    ),
    Route(
        "GET",
        "/stat/{name}",
        _stat,
        Scope.READ,
        "Say what a name stands for",
        _TAG,
        answers={200: Answer("An index, an alias, or nothing.", NameStat)},
        answer_error=openverse_error,
    ),
    Route(
        "POST",
        "/worker_finished",
        _worker_finished,
        Scope.WRITE,
        "Tell of a worker of the original server",
        _TAG,
        answers={200: Answer("Noted; it changes nothing."), 500: Answer("No task is under way.")},
        answer_error=openverse_error,
    ),
    Route(
        "DELETE",
        "/state",
        _forget,
        Scope.WRITE,
        "Forget the job of the original server's workers",
        _TAG,
        answers={200: Answer("There is none.")},
        answer_error=openverse_error,
    ),
    Route(
        "GET",
        "/static/{name+}",
        _static,
        Scope.READ,
        "Read mock_sensitive_terms.txt: the sensitive terms",
        _TAG,
        answers={200: Answer("A term a line.")},
        errors={404: "there is no other file"},
        answer_error=openverse_error,
    ),
)


def _others(routes: tuple[Route, ...]) -> Iterator[Route]:
    """What answers other methods of the same paths: OPTIONS tells which there are, the others are refused."""
    known: dict[str, list[str]] = {}
    for route in routes:
        known.setdefault(route.template, []).append(route.method)
    for template, methods in known.items():
        allow = {"allow": ", ".join(sorted([*methods, "OPTIONS"]))}
        yield _hidden("OPTIONS", template, _options(allow))
        for method in _METHODS:
            if method not in (*methods, "OPTIONS"):
                yield _hidden(method, template, _refused(allow))


def _options(allow: Mapping[str, str]) -> Handler:
    return lambda _: Response(200, headers=allow)


def _refused(allow: Mapping[str, str]) -> Handler:
    def refuse(_: Context) -> Response:
        raise plain_fault(405, allow)

    return refuse


ROUTES: tuple[Route, ...] = (
    *_LISTED,
    *_others(_LISTED),
    *(
        _hidden(method, template, _not_found)
        for prefix in _PREFIXES
        for template in (prefix, f"{prefix}/", f"{prefix}/{{rest+}}")
        for method in _METHODS
    ),
)
"""The last ones answer what is unknown. None of them stands for a path that another dialect has."""
