"""Blue: the active collection of a family, an alias in its scope that is moved in one write."""

from contextlib import suppress
from dataclasses import dataclass

from shoal.errors import Conflict, NotFound, TransactionCancelled, TryAgain
from shoal.model.bindings import BLUE, Family
from shoal.model.datasets import Dataset
from shoal.model.embedding_models import ModelRegistry
from shoal.model.ids import new_token, transaction_token
from shoal.services.collections.catalog import create_collection, find_collection
from shoal.services.heads import keys_of, parse_meta
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys, FamilyKeys, TenantKeys
from shoal.storage.ports import (
    Absent,
    Assign,
    CheckItem,
    Compare,
    Condition,
    Key,
    Ports,
    UpdateItem,
    Write,
)

_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Blue:
    """The alias as read: which dataset it points at, how often it was moved, and when last (epoch seconds)."""

    dataset_id: str
    moves: int
    moved_at: float


def blue_key(keys: FamilyKeys) -> Key:
    """Where a family's alias is stored."""
    return TenantKeys(keys.tenant_id).name(Family(keys.family).scope, BLUE)


def read_blue(ports: Ports, keys: FamilyKeys) -> Blue | None:
    """The alias as it is now; None before there is one."""
    item = retry_busy(lambda: ports.table.get(blue_key(keys)))
    return Blue(str(item["dataset_id"]), int(item["moves"]), float(item["moved_at"])) if item else None


def blue_of(ports: Ports, tenant_id: str, family: Family) -> Dataset | None:
    """The active collection; None before there is one."""
    blue = read_blue(ports, FamilyKeys(tenant_id, family.value))
    if blue is None:
        return None
    meta = retry_busy(lambda: ports.table.get(DatasetKeys(tenant_id, blue.dataset_id).meta))
    return parse_meta(meta) if meta else None


def move_blue(keys: FamilyKeys, dataset_id: str, read: Blue | None, *, now: float) -> UpdateItem:
    """What makes a dataset the active one, if nobody has moved the alias since it was read.

    That the dataset is there has to be checked beside it (`is_live`).
    """
    not_moved: Condition = Absent("pk") if read is None else Compare("moves", "=", read.moves)
    actions = (
        Assign("dataset_id", dataset_id),
        Assign("alias", True),
        Assign("moved_at", now),
        Assign("moves", 1 if read is None else read.moves + 1),
    )
    return UpdateItem(blue_key(keys), actions, condition=not_moved)


def is_live(keys: DatasetKeys) -> CheckItem:
    """That a dataset has not been deleted."""
    return CheckItem(keys.head, Compare("state", "=", "live"))


def set_blue(ports: Ports, tenant_id: str, family: Family, model_id: str) -> Dataset:
    """Make a model's collection the active one. Of two at once, the later wins.

    Raises:
        NotFound: code `collection_not_found`.
        TryAgain: the alias is moved all the time.
    """
    keys = FamilyKeys(tenant_id, family.value)
    for _ in range(_ATTEMPTS):
        dataset = find_collection(ports, tenant_id, family, model_id)
        read = read_blue(ports, keys)
        if read is not None and read.dataset_id == dataset.dataset_id:
            return dataset
        if _moved(ports, keys, dataset, read):
            return dataset
    raise TryAgain("the active collection is being changed by others; send the request again")


def ensure_blue(ports: Ports, registry: ModelRegistry, tenant_id: str, family: Family) -> Dataset:
    """The active collection; where there is none yet, that of the default model, made now if need be.

    Raises:
        TryAgain: others make and delete it all the time.
    """
    keys = FamilyKeys(tenant_id, family.value)
    for _ in range(_ATTEMPTS):
        active = blue_of(ports, tenant_id, family)
        if active is not None:
            return active
        with suppress(Conflict):  # somebody else has made it
            create_collection(ports, tenant_id, family, registry.find(registry.default))
        try:
            made = find_collection(ports, tenant_id, family, registry.default)
        except NotFound:
            continue  # and deleted it
        _moved(ports, keys, made, None)
    raise TryAgain("the default collection is being made by others; send the request again")


def _moved(ports: Ports, keys: FamilyKeys, dataset: Dataset, read: Blue | None) -> bool:
    """Whether the alias points at the dataset now because of us; False where something was not as read."""
    writes: list[Write] = [
        move_blue(keys, dataset.dataset_id, read, now=ports.clock()),
        is_live(keys_of(dataset)),
    ]
    token = transaction_token("blue", new_token())
    try:
        retry_busy(lambda: ports.table.transact(writes, token=token))
    except TransactionCancelled:
        return False
    return True
