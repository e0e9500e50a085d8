"""The janitor at every call of what others do, and what others do at every call of the janitor.

Everything that can go is old enough to go in all of these: only what is needed stays.
"""

from collections.abc import Callable

import pytest

from shoal.storage.ports import Ports
from tests.unit.services.janitor.estate import LONG, Calls, Estate

type Act = Callable[[Estate, Ports], None]


def old_estate() -> Estate:
    """A dataset whose snapshot names objects that no later version names, all of them old."""
    estate = Estate()
    estate.create("a")
    estate.upsert("a", "one", "two", "three")
    estate.build("a")
    estate.delete_ids("a", "two")
    estate.snapshot("a", "x")
    estate.upsert("a", "one", "four")
    estate.delete_ids("a", "three")
    estate.build("a")
    estate.upsert("a", "five")
    estate.wait(LONG)
    estate.held.clear()
    return estate


def clone_and_forget(estate: Estate, ports: Ports) -> None:
    estate.clone("a", "b", "x", ports=ports)
    estate.forget("a", "x")


def clone_of_a_clone(estate: Estate, ports: Ports) -> None:
    estate.clone("a", "b", "x", ports=ports)
    estate.forget("a", "x")
    estate.clone("b", "c", ports=ports)
    estate.upsert("b", "one", "four")
    estate.build("b")
    estate.delete("b")


def clone_and_delete(estate: Estate, ports: Ports) -> None:
    estate.clone("a", "b", ports=ports)
    estate.delete("a")


def restore_and_forget(estate: Estate, ports: Ports) -> None:
    estate.restore("a", "x", ports=ports, drain=False)
    estate.forget("a", "x")
    estate.drain("a", ports=ports)


def restore_that_waits(estate: Estate, ports: Ports) -> None:
    estate.restore("a", "x", ports=ports, drain=False)
    estate.forget("a", "x")


def restore_twice(estate: Estate, ports: Ports) -> None:
    estate.snapshot("a", "y")
    estate.restore("a", "x", ports=ports)
    estate.forget("a", "x")
    estate.restore("a", "y", ports=ports)
    estate.forget("a", "y")


def write(estate: Estate, ports: Ports) -> None:
    estate.upsert("a", "one", "six", ports=ports)


def build(estate: Estate, ports: Ports) -> None:
    estate.build("a", ports=ports)


def import_cells(estate: Estate, ports: Ports) -> None:
    estate.import_("a", "one", "seven", in_cells=True, ports=ports)


ACTS: list[Act] = [
    clone_and_forget,
    clone_of_a_clone,
    clone_and_delete,
    restore_and_forget,
    restore_that_waits,
    restore_twice,
    write,
    build,
    import_cells,
]


STEPS: dict[Act, int] = {
    import_cells: 5,
    restore_twice: 4,
    clone_of_a_clone: 4,
    restore_and_forget: 2,
    clone_and_delete: 3,
    write: 2,
    build: 2,
}
"""Acts with many calls, or with little to hand on: only some of them are interrupted."""


def name_of(act: Act) -> str:
    return act.__name__


@pytest.mark.parametrize("act", ACTS, ids=name_of)
def test_the_janitor_runs_at_any_call_of_what_others_do(act: Act) -> None:
    step = STEPS.get(act, 1)
    place = 1 - step
    while True:
        place += step
        estate = old_estate()
        calls = Calls(place, lambda e=estate: e.clean() and None)  # type: ignore[misc]
        act(estate, calls.ports(estate.world.ports))
        estate.check()
        estate.clean()
        estate.check()
        if calls.made < place:
            break
    assert place > 5


@pytest.mark.parametrize("act", ACTS, ids=name_of)
def test_others_do_something_at_any_call_of_the_janitor(act: Act) -> None:
    step = STEPS.get(act, 1)
    place = 1 - step
    while True:
        place += step
        estate = old_estate()
        before = len(estate.objects())
        calls = Calls(place, lambda e=estate: act(e, e.world.ports))  # type: ignore[misc]
        estate.clean(ports=calls.ports(estate.world.ports))
        if calls.made < place:
            break
        estate.check()
        estate.clean()
        estate.check()
    assert place > 30
    assert len(estate.objects()) < before
