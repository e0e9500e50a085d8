"""What must be true before HEAD changes, and what changes with it in the same update."""

from dataclasses import replace

import pytest

from shoal.errors import ObjectMissing
from shoal.storage.memory.faults import Call, Fault, Faults, SimulatedCrash
from shoal.storage.ports import ObjectHead
from tests.unit.services.world import World, record


@pytest.mark.parametrize("kind", ["vectors.f32", "records.sqlite", "/parts/", "/manifests/"])
@pytest.mark.parametrize("lost", [True, False])
def test_a_commit_that_names_what_is_not_there_whole_does_not_happen(kind: str, lost: bool) -> None:
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": record(1, 1, 1, 1)})

    class Forgetful:
        """Acknowledges an object that it does not keep, or keeps a part of."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.objects, name)

        def put(self, key: str, body: bytes) -> ObjectHead:
            if kind not in key:
                return world.objects.put(key, body)
            stored = world.objects.put(key + ".other" if lost else key, body[:-1])
            return replace(stored, key=key, size=len(body))

    with pytest.raises(ObjectMissing):
        world.drain(dataset, ports=replace(world.ports, objects=Forgetful()))  # type: ignore[arg-type] # forwards
    assert world.head(dataset).version == 0
    world.drain(dataset)
    assert world.stored(dataset, ["a"])


def test_the_swap_of_a_build_ends_its_lease_too() -> None:
    """Else a builder that dies right after it would keep the next one waiting for a quarter of an hour."""
    world = World()
    dataset = world.create()
    world.upsert(dataset, {"a": record(1, 1, 1, 1)})
    world.drain(dataset)
    version = world.head(dataset).version

    def die_once_it_is_swapped_in(_: Call) -> Fault | None:
        return Fault.CRASH_BEFORE if world.head(dataset).version > version else None

    with pytest.raises(SimulatedCrash):
        world.build(dataset, ports=world.process(Faults(die_once_it_is_swapped_in)))
    head = world.head(dataset)
    assert (head.version, head.build_owner, head.build_inputs) == (version + 1, None, ())
