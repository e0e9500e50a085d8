"""Names of datasets as items of the table.

A dataset that is made of another one has its name from the first moment, so that nobody else takes it; but until
it is whole, the name says which run is building it, and is none to whoever looks it up. Its HEAD says so, too: for
whoever has to make the table anew, and finds it half built.
"""

from shoal.model.datasets import Dataset
from shoal.storage.keys import DatasetKeys, TenantKeys
from shoal.storage.ports import Absent, AllOf, Compare, Condition, Drop, Item, UpdateItem, Write

_BUILDING = "building"
_LIVE = Compare("state", "=", "live")


def own_name_item(dataset: Dataset, *, building: str | None = None) -> Item:
    """The name of a dataset; hidden while the run `building` makes it."""
    key = TenantKeys(dataset.tenant_id).name(dataset.scope, dataset.name)
    item: Item = {"pk": key.pk, "sk": key.sk, "dataset_id": dataset.dataset_id}
    return item if building is None else {**item, _BUILDING: building}


def built_by(item: Item | None) -> str | None:
    """The run that makes what a name stands for, or a HEAD belongs to; None where it is whole, or not there."""
    return str(item[_BUILDING]) if item and _BUILDING in item else None


def visible(item: Item | None) -> Item | None:
    """The item of a name, where there is one and what it stands for is to be seen."""
    return None if built_by(item) else item


def as_it_is(item: Item) -> Condition:
    """That a dataset's name still stands for what was read, to be seen or not as it was."""
    run_id = built_by(item)
    same_run: Condition = Absent(_BUILDING) if run_id is None else Compare(_BUILDING, "=", run_id)
    return AllOf((Compare("dataset_id", "=", item["dataset_id"]), same_run))


def appearance(dataset: Dataset, *, run_id: str) -> list[Write]:
    """What lets a dataset be seen that the run has built, in one transaction.

    The first is refused where it is not this run that is building it.
    """
    keys = TenantKeys(dataset.tenant_id)
    seen = (Drop(_BUILDING),)
    return [
        UpdateItem(keys.name(dataset.scope, dataset.name), seen, condition=Compare(_BUILDING, "=", run_id)),
        UpdateItem(DatasetKeys(dataset.tenant_id, dataset.dataset_id).head, seen, condition=_LIVE),
    ]


def head_while_building(head: Item, *, building: str | None) -> Item:
    """HEAD of a new dataset, which the run makes."""
    return head if building is None else {**head, _BUILDING: building}
