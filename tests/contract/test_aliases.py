"""Aliases and lists of terms: their items and their transactions, spoken to AWS's own client."""

import time
from dataclasses import replace

import pytest

from shoal.errors import Conflict, NotFound
from shoal.model.datasets import NATIVE_SCOPE, Dataset, Metric
from shoal.model.ids import (
    new_dataset_id,
    new_derivation_id,
    new_tenant_id,
    new_token,
    transaction_token,
)
from shoal.model.terms import MAX_LIST_BYTES
from shoal.services import aliases, datasets
from shoal.services.clone import clone_dataset
from shoal.services.heads import keys_of, new_head_item
from shoal.services.name_items import appearance
from shoal.services.term_lists import drop_terms, get_terms, list_term_lists, put_terms
from shoal.storage.memory import MemoryObjects, MemoryQueue, MemoryTable
from shoal.storage.ports import Ports
from tests.contract.stores import Aws

LIVE = "live"


@pytest.fixture
def ports(backend: str, aws: Aws) -> Ports:
    """Empty stores; nobody listens to the queues."""
    queues = (MemoryQueue(time.time), MemoryQueue(time.time))
    if backend == "memory":
        return Ports(MemoryObjects(time.time), MemoryTable(time.time), *queues, time.time)
    return Ports(aws.objects(), aws.table(), *queues, time.time)


@pytest.fixture
def tenant_id(ports: Ports) -> str:
    """One with the datasets `one` and `two`."""
    tenant_id = new_tenant_id()
    for name in ("one", "two"):
        create(ports, tenant_id, name)
    return tenant_id


def create(ports: Ports, tenant_id: str, name: str) -> None:
    datasets.create_dataset(ports, tenant_id, scope=NATIVE_SCOPE, name=name, dimension=2, metric=Metric.L2)


def point(ports: Ports, tenant_id: str, dataset: str) -> None:
    aliases.point_alias(ports, tenant_id, scope=NATIVE_SCOPE, alias=LIVE, dataset=dataset)


def delete(ports: Ports, tenant_id: str, name: str, *, force: bool = False) -> None:
    datasets.delete_dataset(ports, tenant_id, scope=NATIVE_SCOPE, name=name, force=force)


def test_an_alias_is_moved_and_moved_back(ports: Ports, tenant_id: str) -> None:
    for name in ("one", "two", "two"):
        point(ports, tenant_id, name)
        view = datasets.get_dataset(ports, tenant_id, scope=NATIVE_SCOPE, name=LIVE)
        assert (view.dataset.name, view.aliases) == (name, (LIVE,))
    back = aliases.roll_back_alias(ports, tenant_id, scope=NATIVE_SCOPE, alias=LIVE)
    found, history = aliases.get_alias(ports, tenant_id, scope=NATIVE_SCOPE, alias=LIVE)
    assert found == back == aliases.list_aliases(ports, tenant_id, scope=NATIVE_SCOPE)[0]
    assert (found.target.name, found.moves) == ("one", 3)
    told = [(move.before.name if move.before else None, move.after.name) for move in history]
    assert told == [("two", "one"), ("one", "two"), (None, "one")]
    aliases.drop_alias(ports, tenant_id, scope=NATIVE_SCOPE, alias=LIVE)
    with pytest.raises(NotFound):
        datasets.resolve(ports, tenant_id, scope=NATIVE_SCOPE, name=LIVE)
    delete(ports, tenant_id, "one")


def test_a_target_goes_with_force_alone_and_with_its_aliases(ports: Ports, tenant_id: str) -> None:
    point(ports, tenant_id, "one")
    with pytest.raises(Conflict) as caught:
        delete(ports, tenant_id, "one")
    assert (caught.value.code, caught.value.details) == ("alias_target", {"aliases": [LIVE]})
    delete(ports, tenant_id, "one", force=True)
    assert aliases.list_aliases(ports, tenant_id, scope=NATIVE_SCOPE) == []
    with pytest.raises(NotFound):
        point(ports, tenant_id, "one")


def test_a_name_is_had_once(ports: Ports, tenant_id: str) -> None:
    point(ports, tenant_id, "one")
    source = datasets.resolve(ports, tenant_id, scope=NATIVE_SCOPE, name="two")
    with pytest.raises(Conflict, match="it is an alias of the dataset one"):
        create(ports, tenant_id, LIVE)
    with pytest.raises(Conflict, match="it is an alias of the dataset one"):
        clone_dataset(ports, source, name=LIVE, vector_quota=None)
    with pytest.raises(Conflict) as caught:
        aliases.point_alias(ports, tenant_id, scope=NATIVE_SCOPE, alias="two", dataset="one")
    assert caught.value.code == "name_taken"


def test_lists_of_terms_up_to_their_most(ports: Ports, tenant_id: str) -> None:
    terms = [f"{n:04}" + "ä" * 125 for n in range(MAX_LIST_BYTES // 255)]
    put_terms(ports, tenant_id, "sensitive", terms)
    put_terms(ports, tenant_id, "empty", [])
    assert get_terms(ports, tenant_id, "sensitive").terms == tuple(terms)
    assert [each.name for each in list_term_lists(ports, tenant_id)] == ["empty", "sensitive"]
    drop_terms(ports, tenant_id, "empty")
    with pytest.raises(NotFound):
        get_terms(ports, tenant_id, "empty")


def clear(ports: Ports, young: Dataset, run_id: str) -> None:
    datasets.delete_dataset(ports, young.tenant_id, scope=young.scope, name=young.name, building=run_id)


def test_what_is_being_built_is_hidden_until_it_appears_or_is_cleared_away(
    ports: Ports, tenant_id: str
) -> None:
    one = datasets.resolve(ports, tenant_id, scope=NATIVE_SCOPE, name="one")
    for run_id, ends_well in ((new_derivation_id(1.0), True), (new_derivation_id(2.0), False)):
        young = replace(one, dataset_id=new_dataset_id(), name=f"young-{ends_well}".lower())
        writes = datasets.creation(young, new_head_item(keys_of(young)), building=run_id)
        ports.table.transact(writes, token=transaction_token("test", new_token()))
        with pytest.raises(NotFound):
            datasets.resolve(ports, tenant_id, scope=NATIVE_SCOPE, name=young.name)
        with pytest.raises(Conflict) as taken:
            create(ports, tenant_id, young.name)
        assert taken.value.details == {"building": run_id}
        with pytest.raises(NotFound):
            delete(ports, tenant_id, young.name, force=True)
        if ends_well:
            shown = appearance(young, run_id=run_id)
            ports.table.transact(shown, token=transaction_token("test", new_token()))
            assert datasets.resolve(ports, tenant_id, scope=NATIVE_SCOPE, name=young.name) == young
            with pytest.raises(NotFound):
                clear(ports, young, run_id)
            point(ports, tenant_id, young.name)
        else:
            clear(ports, young, run_id)
            create(ports, tenant_id, young.name)
