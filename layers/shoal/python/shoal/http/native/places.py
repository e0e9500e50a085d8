"""Which dataset a read means: by its name, or `openverse/<name>` where it is an index of that dialect.

Names of the native scope have no slash, so there is no doubt; a path has no room for one, so it is bodies that can
name an index. It is read here, and written by its own dialect alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shoal.errors import InvalidInput, NotFound
from shoal.http.context import Context
from shoal.http.native.common import dataset_name, existing_name
from shoal.model.datasets import NATIVE_SCOPE
from shoal.model.openverse import SCOPE as OPENVERSE

_OPENVERSE = f"{OPENVERSE}/"
_MAX_CHARACTERS = 255
"""More than the name of any index has."""


@dataclass(frozen=True, slots=True)
class Place:
    """A dataset's name, or that of an alias, in its scope."""

    scope: str
    name: str


def in_path(context: Context) -> Place:
    """What the path names.

    Raises:
        NotFound: code `dataset_not_found`: no dataset can have this name.
    """
    return Place(NATIVE_SCOPE, dataset_name(context))


def in_body(fields: Mapping[str, Any]) -> Place:
    """What the field `dataset` names.

    Raises:
        InvalidInput: code `invalid_request`: it is no text.
        NotFound: code `dataset_not_found`: it is not there, or no dataset can have this name.
    """
    name = fields.get("dataset")
    if name is None or name == "":
        raise NotFound("dataset_not_found", "dataset is required")
    if not isinstance(name, str):
        raise InvalidInput("invalid_request", "dataset: must be a string")
    if not name.startswith(_OPENVERSE):
        return Place(NATIVE_SCOPE, existing_name(name))
    name = name.removeprefix(_OPENVERSE)
    if not 1 <= len(name) <= _MAX_CHARACTERS or not name.isprintable():
        raise NotFound("dataset_not_found", "dataset not found")
    return Place(OPENVERSE, name)


def shown(scope: str, name: str) -> str:
    """How a dataset is named to whoever is told of it."""
    return name if scope == NATIVE_SCOPE else f"{scope}/{name}"
