"""Routes of tasks, the same for every sort of them."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from shoal.http.context import Context
from shoal.http.response import Response
from shoal.http.router import Answer, Parameter, Route
from shoal.http.studio import tasks
from shoal.http.studio.errors import studio_error
from shoal.http.studio.paging import PARAMETERS
from shoal.http.studio.tasks import Tasks
from shoal.model.bindings import Family
from shoal.model.tenants import Scope

TAG = "embedding studio: tasks"
_ID = (Parameter("task_id", "The task."),)
_UNKNOWN = {404: "Task with ID `...` not found"}
type Call = Callable[[Context], Response]


def task_routes(
    path: str,
    noun: str,
    answer: type[BaseModel],
    scopes: tuple[Scope, Scope],
    calls: dict[str, Call],
) -> tuple[Route, ...]:
    """What every sort of tasks has beside `run`. `scopes` are those to read and to write."""
    shown = {200: Answer("The task.", answer)}
    reading, writing = scopes
    restarted, canceled = {409: "task_not_ended, task_expired"}, {409: "task_ended"}

    def route(method: str, name: str, summary: str, scope: Scope, **more: Any) -> Route:
        given: dict[str, Any] = {"answers": shown, "errors": _UNKNOWN, "parameters": _ID} | more
        return Route(
            method, f"{path}/{name}", calls[name], scope, summary, TAG, answer_error=studio_error, **given
        )

    return (
        route("GET", "info", f"Show a {noun}, by parameter", reading),
        route(
            "GET",
            "list",
            f"List tasks: {noun}",
            reading,
            answers={200: Answer("A list of tasks, oldest first.")},
            errors={},
            parameters=PARAMETERS,
        ),
        route("PUT", "restart", f"Restart a {noun}", writing, errors=_UNKNOWN | restarted),
        route("PUT", "cancel", f"Cancel a {noun}", writing, errors=_UNKNOWN | canceled),
        route("GET", "{task_id}", f"Show a {noun}", reading, parameters=()),
    )


def _routes_of(sort: Tasks) -> tuple[Route, ...]:
    def call(handler: Callable[[Context, Tasks], Response]) -> Call:
        return lambda context: handler(context, sort)

    def run(family: Family) -> Route:
        part, of = ("", "") if family is Family.ITEMS else ("/categories", " of categories")
        named = sort.writing is Scope.ADMIN
        return Route(
            "POST",
            f"{sort.path}{part}/run",
            lambda context: tasks.run(context, sort, family),
            sort.writing,
            f"Start a {sort.noun}{of}",
            TAG,
            answers={200: Answer("The task; where one of this id was there already, that one.", sort.answer)},
            errors={
                **({404: "model_not_found, collection_not_found"} if named else {}),
                429: "backlog_full, rate_limited",
            },
            request=sort.request,
            answer_error=studio_error,
        )

    calls = {
        "info": call(tasks.info),
        "list": call(tasks.list_all),
        "restart": call(tasks.restart),
        "cancel": call(tasks.cancel),
        "{task_id}": call(tasks.get),
    }
    scopes = (sort.reading, sort.writing)
    return (
        run(Family.ITEMS),
        run(Family.CATEGORIES),
        *task_routes(sort.path, sort.noun, sort.answer, scopes, calls),
    )


ROUTES: tuple[Route, ...] = tuple(route for sort in tasks.SORTS for route in _routes_of(sort))
