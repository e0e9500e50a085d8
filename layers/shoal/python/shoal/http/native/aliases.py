"""Aliases of datasets: names that are moved from one to the next at once, and back."""

from typing import Any

from shoal.errors import InvalidInput, NotFound
from shoal.http.context import Context
from shoal.http.native.alias_types import (
    DatasetAliasList,
    DatasetAliasOut,
    DatasetAliasWithHistory,
    PointAlias,
    RollBackAlias,
)
from shoal.http.native.common import existing_name, parse_body, timestamp
from shoal.http.response import Response, json_response
from shoal.http.router import Answer, Route
from shoal.model.aliases import Alias, Move
from shoal.model.datasets import NATIVE_SCOPE, check_name
from shoal.model.tenants import Scope
from shoal.services import aliases


def list_all(context: Context) -> Response:
    """List all aliases."""
    found = aliases.list_aliases(context.ports, context.principal.tenant_id, scope=NATIVE_SCOPE)
    return json_response(200, {"aliases": [_body(alias) for alias in found]})


def get(context: Context) -> Response:
    """Show an alias, with its last moves."""
    found, history = aliases.get_alias(
        context.ports, context.principal.tenant_id, scope=NATIVE_SCOPE, alias=_existing(context)
    )
    return json_response(200, {**_body(found), "history": [_move(move) for move in history]})


def point(context: Context) -> Response:
    """Have an alias point at a dataset: whoever asks by it is answered from the one or from the other, whole."""
    alias = check_name(context.parameters["alias"])
    wanted = parse_body(PointAlias, context.body())
    pointed = aliases.point_alias(
        context.ports,
        context.principal.tenant_id,
        scope=NATIVE_SCOPE,
        alias=alias,
        dataset=existing_name(wanted.dataset),
        if_dataset=wanted.if_dataset,
    )
    return json_response(201 if pointed.created else 200, _body(pointed.alias))


def roll_back(context: Context) -> Response:
    """Have an alias point where it did before its last move; that is a move, too."""
    body = context.body()
    wanted = parse_body(RollBackAlias, body) if body.strip() else RollBackAlias()
    back = aliases.roll_back_alias(
        context.ports,
        context.principal.tenant_id,
        scope=NATIVE_SCOPE,
        alias=_existing(context),
        if_dataset=wanted.if_dataset,
    )
    return json_response(200, _body(back))


def drop(context: Context) -> Response:
    """Take an alias away; the dataset stays as it is."""
    aliases.drop_alias(
        context.ports, context.principal.tenant_id, scope=NATIVE_SCOPE, alias=_existing(context)
    )
    return Response(204)


def _existing(context: Context) -> str:
    """The alias that the path names, where there can be one of that name.

    Raises:
        NotFound: code `alias_not_found`.
    """
    name = context.parameters["alias"]
    try:
        return check_name(name)
    except InvalidInput as error:
        raise NotFound("alias_not_found", f"there is no alias {name!r:.140}") from error


def _body(alias: Alias) -> dict[str, Any]:
    return {
        "alias": alias.name,
        "dataset": alias.target.name,
        "moves": alias.moves,
        "created_at": timestamp(alias.created_at),
        "moved_at": timestamp(alias.moved_at),
    }


def _move(move: Move) -> dict[str, Any]:
    return {
        "at": timestamp(move.at),
        "from_dataset": move.before.name if move.before else None,
        "to_dataset": move.after.name,
    }


_PATH = "/v1/aliases/{alias}"
_UNKNOWN = "alias_not_found"

ROUTES = (
    Route(
        "GET",
        "/v1/aliases",
        list_all,
        Scope.READ,
        "List aliases",
        "aliases",
        answers={200: Answer("All aliases, by name.", DatasetAliasList)},
    ),
    Route(
        "GET",
        _PATH,
        get,
        Scope.READ,
        "Show an alias with its last moves",
        "aliases",
        answers={200: Answer("The alias.", DatasetAliasWithHistory)},
        errors={404: _UNKNOWN},
    ),
    Route(
        "PUT",
        _PATH,
        point,
        Scope.WRITE,
        "Point an alias at a dataset",
        "aliases",
        answers={
            200: Answer("It points there now, or did already.", DatasetAliasOut),
            201: Answer("It is made, and points there.", DatasetAliasOut),
        },
        errors={
            400: "invalid_name, invalid_request",
            404: "dataset_not_found",
            409: "name_taken: a dataset is called so; is_alias: the target is one; alias_moved: it does not "
            "point at `if_dataset`; too_many_aliases",
        },
        request=PointAlias,
    ),
    Route(
        "POST",
        f"{_PATH}/rollback",
        roll_back,
        Scope.WRITE,
        "Point an alias where it did before its last move",
        "aliases",
        answers={200: Answer("It points there again.", DatasetAliasOut)},
        errors={
            400: "invalid_request",
            404: _UNKNOWN,
            409: "nothing_to_roll_back, rollback_target_gone, alias_moved",
        },
        request=RollBackAlias,
        request_required=False,
    ),
    Route(
        "DELETE",
        _PATH,
        drop,
        Scope.WRITE,
        "Delete an alias",
        "aliases",
        answers={204: Answer("Gone; the dataset stays as it is.")},
        errors={404: _UNKNOWN},
    ),
)
