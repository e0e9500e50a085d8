"""What is done within the request that asks for it: pointing aliases and deleting indexes."""

from dataclasses import dataclass

from shoal.errors import Conflict, NotFound
from shoal.model.datasets import Dataset
from shoal.model.openverse import FILTERED, MEDIA_TYPES, SCOPE, Action, index_name
from shoal.services import aliases
from shoal.services.datasets import delete_dataset
from shoal.services.openverse.lookup import find_index, stat
from shoal.storage.ports import Ports

_FILTERED_ALIASES = frozenset(model + FILTERED for model in MEDIA_TYPES)
_MOVES = 4
"""How often an alias may be moved while what it points at is deleted."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an action: done, or `failed`, because of us or of what was asked for (`bad_request`).

    `detail` says why, or what was done, in words; `index` is the one that it was about.
    """

    failed: bool = False
    bad_request: bool = False
    detail: str | None = None
    index: str | None = None


def refused(detail: str, *, index: str | None = None) -> Outcome:
    """A failure that is the doing of whoever asked."""
    return Outcome(failed=True, bad_request=True, detail=detail, index=index)


def point_alias(ports: Ports, tenant_id: str, *, model: str, suffix: str, alias: str) -> Outcome:
    """Have an alias point at an index: made, or moved at once from where it points.

    The alias of a media type's filtered index never points at another one: where the suffix names one that is not
    filtered, its filtered twin is meant.

    Raises:
        TryAgain: others change the alias all the time.
    """
    name = index_name(model, suffix)
    target = find_index(ports, tenant_id, name)
    told = None
    if alias in _FILTERED_ALIASES and (target is None or not _is_filtered(target)):
        twin = find_index(ports, tenant_id, name + FILTERED)
        if twin is None or not _is_filtered(twin):
            if target is None:
                return _missing(name)
            return refused(
                f"{alias} stands for a filtered index, and there is none of {name}: make it with "
                f"{Action.CREATE_AND_POPULATE_FILTERED_INDEX} first",
                index=name,
            )
        target, told = twin, f"{alias} points at {twin.name}, the filtered twin of {name}"
    if target is None:
        return _missing(name)
    try:
        aliases.point_alias(ports, tenant_id, scope=SCOPE, alias=alias, dataset=target.name)
    except NotFound:  # deleted meanwhile
        return _missing(target.name)
    except Conflict as error:  # an index is called so, or there are too many aliases
        return Outcome(failed=True, detail=error.message, index=target.name)
    return Outcome(detail=told, index=target.name)


def _is_filtered(index: Dataset) -> bool:
    return index.name.endswith(FILTERED)


def _missing(name: str) -> Outcome:
    return Outcome(failed=True, detail=f"there is no index {name}, or it is not finished yet", index=name)


def delete_index(ports: Ports, tenant_id: str, *, name: str, force: bool) -> Outcome:
    """Delete an index to which no alias points; or, by an alias and with `force`, the one that it points at.

    Where there is nothing of that name, nothing has to be done; but the outcome says that it was asked for.

    Raises:
        TryAgain: aliases come and go all the time.
    """
    told = Outcome(
        bad_request=True, detail=f"there is no index {name}, so that nothing was deleted", index=name
    )
    for _ in range(_MOVES):
        found = stat(ports, tenant_id, name)
        if not found.exists:
            return told
        if found.is_alias and not force:
            return refused(
                f"{name} is an alias of {found.alt_names} and may be in use; force_delete deletes both",
                index=name,
            )
        index = str(found.alt_names) if found.is_alias else name
        try:
            delete_dataset(ports, tenant_id, scope=SCOPE, name=index, force=bool(found.is_alias))
        except NotFound:  # deleted meanwhile, and the alias may point elsewhere by now
            continue
        except Conflict as error:  # aliases point at it, or came to meanwhile
            return refused(error.message, index=index)
        return Outcome(index=index)
    return told
