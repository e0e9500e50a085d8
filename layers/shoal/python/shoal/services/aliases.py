"""Aliases of datasets: made, moved and moved back in one write each, so that whoever reads finds the one dataset
or the other, whole.

A move says in its transaction that the target is live and that the alias is as it was read; who deletes a dataset
says that no alias points there. So of a move and a deletion that meet, one loses.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shoal.errors import Conflict, NotFound, ShoalError, TransactionCancelled, TryAgain
from shoal.model.aliases import (
    MAX_ALIASES,
    MAX_OF_DATASET,
    Alias,
    Move,
    Target,
    moved,
    remembered,
    target_before,
)
from shoal.model.ids import new_token, transaction_token
from shoal.services.alias_items import (
    Pointers,
    StoredAlias,
    history_item,
    name_item,
    parse_history,
    parse_name,
    read_pointers,
    with_pointer,
    without_pointer,
)
from shoal.services.append import Requirement
from shoal.services.descriptors import describe_tenant
from shoal.services.name_items import visible
from shoal.services.paging import every_item
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys, TenantKeys
from shoal.storage.ports import Absent, CheckItem, Compare, DeleteItem, Item, Ports, PutItem, Write

_ATTEMPTS = 8
_TRIES_OF_STORAGE = 12
"""The target's HEAD is written by its commits all the time, and a transaction that meets one is refused."""


@dataclass(frozen=True, slots=True)
class Pointed:
    """What became of an alias: it was `created`, or it was `moved`, or neither: it pointed there already."""

    alias: Alias
    created: bool = False
    moved: bool = False


@dataclass(frozen=True, slots=True)
class _Read:
    """A name that is to be an alias, and the name of a dataset, of one read."""

    stored: StoredAlias | None
    history: tuple[Move, ...]
    taken: bool
    target: Item | None


def point_alias(
    ports: Ports,
    tenant_id: str,
    *,
    scope: str,
    alias: str,
    dataset: str,
    if_dataset: str | None = None,
    requires: Sequence[Requirement] = (),
) -> Pointed:
    """Have an alias point at a dataset of its scope: made where there is none, else moved.

    Nothing is done where it points there already.

    Args:
        ports: where.
        tenant_id: whose alias and dataset.
        scope: of both names.
        alias: its name, which the scope allows.
        dataset: the own name of the target.
        if_dataset: where the alias has to point now; None: wherever, or nowhere.
        requires: what else must be so, or becomes so at once.

    Raises:
        Conflict: `name_taken`: a dataset is called so; `is_alias`: the target is one; `alias_moved`: it does not
            point at `if_dataset`; `too_many_aliases`.
        NotFound: code `dataset_not_found`.
        ShoalError: something in `requires` is not so: the error that goes with it.
        TryAgain: others change it all the time.
    """
    tenant = TenantKeys(tenant_id)
    for _ in range(_ATTEMPTS):
        read = _read(ports, tenant, scope, alias, dataset)
        if read.target is None:
            raise NotFound("dataset_not_found", "dataset not found", {"dataset": dataset})
        if read.target.get("alias"):
            raise Conflict("is_alias", f"{dataset} is an alias; name the dataset that it points at")
        if read.taken:
            raise Conflict("name_taken", f"{alias} is the name of a dataset; take another one for the alias")
        target = Target(dataset, str(read.target["dataset_id"]))
        if read.stored is not None and read.stored.alias.target == target:
            return Pointed(read.stored.alias)
        _check_expected(alias, read.stored.alias if read.stored else None, if_dataset)
        if read.stored is None:
            _check_room(ports, tenant_id, scope)
        made = _moved(ports, tenant, scope, alias, read, target, requires)
        if made is not None:
            return Pointed(made, created=read.stored is None, moved=read.stored is not None)
    raise _contended(alias)


def roll_back_alias(
    ports: Ports,
    tenant_id: str,
    *,
    scope: str,
    alias: str,
    if_dataset: str | None = None,
    requires: Sequence[Requirement] = (),
) -> Alias:
    """Have an alias point where it did before its last move. That is a move, too: another one takes it back.

    Raises:
        Conflict: `nothing_to_roll_back`: it was never moved; `rollback_target_gone`: that dataset has been
            deleted; `alias_moved`: it does not point at `if_dataset`.
        NotFound: code `alias_not_found`.
        ShoalError: something in `requires` is not so: the error that goes with it.
        TryAgain: others change it all the time.
    """
    tenant = TenantKeys(tenant_id)
    for _ in range(_ATTEMPTS):
        now, history = get_alias(ports, tenant_id, scope=scope, alias=alias)
        _check_expected(alias, now, if_dataset)
        target = target_before(history)
        if target is None:
            raise Conflict(
                "nothing_to_roll_back", f"{alias} has pointed at {now.target.name} ever since it was made"
            )
        read = _read(ports, tenant, scope, alias, target.name)
        if read.stored is None or read.stored.alias != now:
            continue
        if read.target is None or read.target["dataset_id"] != target.dataset_id:
            raise Conflict(
                "rollback_target_gone",
                f"the dataset {target.name}, at which {alias} pointed before, has been deleted",
                {"dataset": target.name},
            )
        back = _moved(ports, tenant, scope, alias, read, target, requires)
        if back is not None:
            return back
    raise _contended(alias)


def get_alias(ports: Ports, tenant_id: str, *, scope: str, alias: str) -> tuple[Alias, tuple[Move, ...]]:
    """An alias, and its last moves, newest first.

    Raises:
        NotFound: code `alias_not_found`.
        TryAgain: it is moved all the time.
    """
    read = _read(ports, TenantKeys(tenant_id), scope, alias, None)
    if read.stored is None:
        raise _not_found(alias)
    return read.stored.alias, read.history


def list_aliases(ports: Ports, tenant_id: str, *, scope: str) -> list[Alias]:
    """All aliases of a scope, by name."""
    prefix = TenantKeys(tenant_id).name(scope, "").sk
    names = every_item(ports, TenantKeys(tenant_id).partition, prefix=prefix)
    return [stored.alias for stored in map(parse_name, names) if stored is not None]


def pointed_at(ports: Ports, tenant_id: str, *, scope: str, name: str) -> str | None:
    """The id of the dataset that a name points at now; None where the name is no alias."""
    item = retry_busy(lambda: ports.table.get(TenantKeys(tenant_id).name(scope, name)))
    return str(item["dataset_id"]) if item and item.get("alias") else None


def drop_alias(
    ports: Ports, tenant_id: str, *, scope: str, alias: str, requires: Sequence[Requirement] = ()
) -> None:
    """Take an alias away, with what is remembered of its moves. The dataset stays as it is.

    Raises:
        NotFound: code `alias_not_found`.
        ShoalError: something in `requires` is not so: the error that goes with it.
        TryAgain: others change it all the time.
    """
    tenant = TenantKeys(tenant_id)
    for _ in range(_ATTEMPTS):
        read = _read(ports, tenant, scope, alias, None)
        if read.stored is None:
            raise _not_found(alias)
        keys = DatasetKeys(tenant_id, read.stored.alias.target.dataset_id)
        pointers = read_pointers(ports, [keys])[keys.dataset_id]
        writes: list[Write] = [
            DeleteItem(tenant.name(scope, alias), condition=read.stored.unchanged),
            DeleteItem(tenant.alias_history(scope, alias)),
            without_pointer(keys, pointers, alias),
        ]
        if _done(ports, writes, requires):
            describe_tenant(ports, tenant_id)
            return
    raise _contended(alias)


def put_back(ports: Ports, tenant: TenantKeys, name: Item, history: Item | None) -> None:
    """Put an alias back as it was stored, where its name is free: the table has been lost.

    Raises:
        StorageBusy: storage is busy.
    """
    stored = parse_name(name)
    if stored is None:
        raise ValueError("not an alias")
    scope, alias, revision = str(name["scope"]), stored.alias, stored.revision
    keys = DatasetKeys(tenant.tenant_id, alias.target.dataset_id)
    if history is None or history["revision"] != revision:
        only = [Move(alias.moved_at, None, alias.target)]
        history = history_item(tenant, scope, alias.name, only, revision=revision)
    for _ in range(_ATTEMPTS):
        if retry_busy(lambda: ports.table.get(tenant.name(scope, alias.name))) is not None:
            return
        pointers = read_pointers(ports, [keys])[keys.dataset_id]
        writes: list[Write] = [
            PutItem(name, condition=Absent("pk")),
            with_pointer(keys, pointers, alias.name),
            PutItem(history),
        ]
        if _done(ports, writes, ()):
            return
    raise _contended(alias.name)


def _read(ports: Ports, tenant: TenantKeys, scope: str, alias: str, dataset: str | None) -> _Read:
    name, history = tenant.name(scope, alias), tenant.alias_history(scope, alias)
    wanted = [name, history]
    if dataset is not None:
        wanted.append(tenant.name(scope, dataset))
    for _ in range(_ATTEMPTS):
        found = retry_busy(lambda: ports.table.batch_get(list(dict.fromkeys(wanted))))
        items = {item["sk"]: item for item in found}
        item, told = items.get(name.sk), items.get(history.sk)
        stored = parse_name(item) if item else None
        if stored is None or (told is not None and told["revision"] == stored.revision):
            return _Read(
                stored,
                parse_history(told) if stored else (),
                taken=item is not None and stored is None,
                target=None if dataset is None else visible(items.get(tenant.name(scope, dataset).sk)),
            )
    raise _contended(alias)  # each time it was moved while its items were read


def _check_expected(alias: str, now: Alias | None, if_dataset: str | None) -> None:
    if if_dataset is None or (now is not None and now.target.name == if_dataset):
        return
    raise Conflict(
        "alias_moved",
        f"{alias} points at {now.target.name}, not at {if_dataset}"
        if now
        else f"there is no alias {alias} yet",
        {"expected": if_dataset, "dataset": now.target.name if now else None},
    )


def _check_room(ports: Ports, tenant_id: str, scope: str) -> None:
    if len(list_aliases(ports, tenant_id, scope=scope)) >= MAX_ALIASES:
        raise Conflict(
            "too_many_aliases",
            f"there are {MAX_ALIASES} aliases; delete one that is not needed any more",
            {"limit": MAX_ALIASES},
        )


def _moved(
    ports: Ports,
    tenant: TenantKeys,
    scope: str,
    alias: str,
    read: _Read,
    target: Target,
    requires: Sequence[Requirement],
) -> Alias | None:
    """The alias as it is now because of us; None where something was not as read."""
    before = read.stored.alias if read.stored else None
    made = moved(alias, before, target, now=ports.clock())
    history = remembered(read.history, Move(made.moved_at, before.target if before else None, target))
    keys = DatasetKeys(tenant.tenant_id, target.dataset_id)
    old = DatasetKeys(tenant.tenant_id, before.target.dataset_id) if before else None
    pointers = read_pointers(ports, [keys, old] if old else [keys])
    _check_room_at(target, pointers[target.dataset_id])
    revision = new_token()
    writes: list[Write] = [
        PutItem(
            name_item(tenant, scope, made, revision=revision),
            condition=read.stored.unchanged if read.stored else Absent("pk"),
        ),
        CheckItem(keys.head, Compare("state", "=", "live")),
        with_pointer(keys, pointers[target.dataset_id], alias),
        PutItem(history_item(tenant, scope, alias, history, revision=revision)),
    ]
    if old is not None and old != keys:
        writes.append(without_pointer(old, pointers[old.dataset_id], alias))
    if not _done(ports, writes, requires):
        return None
    describe_tenant(ports, tenant.tenant_id)
    return made


def _check_room_at(target: Target, pointers: Pointers) -> None:
    if len(pointers.names) >= MAX_OF_DATASET:
        raise Conflict(
            "too_many_aliases",
            f"{MAX_OF_DATASET} aliases point at {target.name}; that is the most of one dataset",
            {"limit": MAX_OF_DATASET},
        )


def _done(ports: Ports, writes: list[Write], requires: Sequence[Requirement]) -> bool:
    """Whether all was written; False where something of ours was not as read."""
    # This attempt's alone: whoever does the same at the same time must lose, not be taken for us.
    token = transaction_token("alias", new_token())
    every = [*writes, *(requirement.write for requirement in requires)]
    try:
        retry_busy(lambda: ports.table.transact(every, token=token), attempts=_TRIES_OF_STORAGE)
    except TransactionCancelled as lost:
        if not any(lost.failed[: len(writes)]):
            raise _first_of(requires, lost) from lost
        return False
    return True


def _first_of(requires: Sequence[Requirement], lost: TransactionCancelled) -> ShoalError:
    failed = lost.failed[len(lost.failed) - len(requires) :]
    return next((each.error for each, so in zip(requires, failed, strict=True) if so), lost)


def _not_found(alias: str) -> NotFound:
    return NotFound("alias_not_found", f"there is no alias {alias!r:.140}")


def _contended(alias: str) -> TryAgain:
    return TryAgain(f"the alias {alias} is being changed by others; send the request again")
