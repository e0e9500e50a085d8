"""Which steps a run takes: operations by weight, each with luck of its own, out of one seed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from shoal.model.limits import BUILD_LEASE_SECONDS, LEASE_SECONDS
from shoal.storage.memory.faults import Fault
from tests.faults.answers import FILTERS, NAMESPACES
from tests.faults.dice import Dice, SeededDice
from tests.faults.functions import (
    Build,
    Clean,
    Commit,
    Compact,
    DeliverBuilds,
    DeliverWakeups,
    Pass,
    Sweep,
)
from tests.faults.imports import CancelImport, CompleteImport, DeliverEvents, StartImport
from tests.faults.life import CreateDataset, DeleteDataset
from tests.faults.luck import GOOD, Luck
from tests.faults.oracle import Row
from tests.faults.reads import Query
from tests.faults.rest import Rest
from tests.faults.steps import Alone, Operation, Step, Together
from tests.faults.versions import Clone, NameVersion, Restore
from tests.faults.workflows import Advance
from tests.faults.writes import Delete, DeleteWhere, Patch, Upsert, UpsertIf

STEPS_A_WORLD: Final = 50
"""A world gets old: after so many steps another one is begun, with the next seed."""
IDS: Final = tuple(f"id-{number:02}" for number in range(14))
SECONDS: Final = (0.1, 1.0, 5.5, 11.0, 65.0, 1000.0, 8000.0)
LONG_SECONDS: Final = (90_000.0, 700_000.0)
"""After which old versions are not kept any more, and after which garbage goes."""
SELECTIONS: Final = len(FILTERS) * len(NAMESPACES)


def rows(dice: Dice, most: int) -> tuple[tuple[str, Row], ...]:
    """Records for a write."""
    return tuple((name, row(dice)) for name in dice.some(IDS, 1, most))


def row(dice: Dice) -> Row:
    """A record whose values float32 holds exactly, and that has a direction."""
    values = tuple(float(dice.number(-4, 4)) for _ in range(3))
    n = dice.number(0, 5)
    metadata: dict[str, Any] = {"n": n, "even": n % 2 == 0}
    if dice.number(0, 2) == 2:
        metadata["in"] = {"step": n}
    if dice.number(0, 2) == 2:
        metadata["tags"] = ["a", "b"][: 1 + n % 2]
    namespace, document = dice.one([("", ""), ("", "text"), ("one", ""), ("one", "é")])
    return Row(values if any(values) else (1.0, 0.0, 0.0), metadata, namespace, document)


def patches(dice: Dice) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """Patches of some ids."""
    kinds: tuple[Mapping[str, Any], ...] = (
        {"n": dice.number(0, 5)},
        {"even": None, "in": {"step": 7}},
        {"in": {"step": None, "more": "é"}},
        {"tags": ["a"]},
        {"in": 5},
    )
    return tuple((name, dice.one(kinds)) for name in dice.some(IDS, 1, 4))


type Maker = Callable[[Dice], Operation]

MAKERS: Final[Mapping[str, Maker]] = {
    "upsert": lambda dice: Upsert(dice.number(0, 2), rows(dice, 5)),
    "upsert_if": lambda dice: UpsertIf(dice.number(0, 2), rows(dice, 5), dice.number(0, 1) == 1),
    "patch": lambda dice: Patch(dice.number(0, 2), patches(dice)),
    "delete": lambda dice: Delete(dice.number(0, 2), tuple(dice.some(IDS, 1, 4))),
    "delete_where": lambda dice: DeleteWhere(dice.number(0, 2), dice.number(1, SELECTIONS - 1)),
    "wakeups": lambda dice: DeliverWakeups(dice.number(0, 99), dice.number(1, 4)),
    "commit": lambda dice: Commit(dice.number(0, 2)),
    "build": lambda dice: Build(dice.number(0, 2)),
    "builds": lambda dice: DeliverBuilds(dice.number(0, 99)),
    "compact": lambda dice: Compact(dice.number(0, 2)),
    "sweep": lambda _dice: Sweep(),
    "clean": lambda dice: Clean(dice.one((0.0, 0.0, *LONG_SECONDS))),
    "pass": lambda dice: Pass(dice.one(SECONDS)),
    "import": lambda dice: StartImport(
        dice.number(0, 2), rows(dice, 8), dice.one(("soon", "soon", "late", "twice", "never"))
    ),
    "complete": lambda dice: CompleteImport(dice.number(0, 5)),
    "cancel": lambda dice: CancelImport(dice.number(0, 5)),
    "events": lambda _dice: DeliverEvents(),
    "advance": lambda dice: Advance(dice.number(0, 5), dice.number(1, 12)),
    "query": lambda dice: Query(
        dice.number(0, 2),
        tuple(float(dice.number(1, 4)) for _ in range(3)),
        dice.one((1, 3, 100)),
        dice.number(0, SELECTIONS - 1),
    ),
    "create": lambda dice: CreateDataset(dice.number(0, 1) == 1),
    "drop": lambda dice: DeleteDataset(dice.number(0, 2)),
    "name": lambda dice: NameVersion(dice.number(0, 2), dice.number(0, 2), dice.number(0, 5) == 5),
    "restore": lambda dice: Restore(dice.number(0, 2), dice.number(0, 2), dice.number(0, 2)),
    "clone": lambda dice: Clone(dice.number(0, 2), dice.one((None, None, 0, 1, 2))),
    "rest": lambda _dice: Rest(),
}


@dataclass(frozen=True, slots=True)
class Profile:
    """What a run is like: operations by weight, the share of unlucky ones in 100, and of two processes at once."""

    weights: Mapping[str, int]
    unlucky: int = 55
    together: int = 35


_WRITES: Final = {"upsert": 20, "upsert_if": 4, "patch": 5, "delete": 9, "delete_where": 3}
_LAMBDAS: Final = {"wakeups": 14, "commit": 4, "build": 3, "builds": 4, "compact": 5, "sweep": 5, "clean": 2}
_IMPORTS: Final = {"import": 6, "complete": 3, "cancel": 1, "events": 6, "advance": 16}
_VERSIONS: Final = {"create": 2, "drop": 1, "name": 4, "restore": 4, "clone": 2}
_REST: Final = {"query": 5, "pass": 7, "rest": 2}
_EVERYTHING: Final = {**_WRITES, **_LAMBDAS, **_IMPORTS, **_VERSIONS, **_REST}

PROFILES: Final[Mapping[str, Profile]] = {
    "everything": Profile(_EVERYTHING),
    "calm": Profile(_EVERYTHING, unlucky=0, together=0),
    "writes": Profile({**_WRITES, **_LAMBDAS, **_REST}),
    "imports": Profile({**_WRITES, **_LAMBDAS, **_IMPORTS, **_REST, "import": 12, "advance": 30}),
    "versions": Profile({**_EVERYTHING, **{name: 3 * weight for name, weight in _VERSIONS.items()}}),
    "meetings": Profile(_EVERYTHING, unlucky=25, together=60),
}


def step_of(dice: Dice, profile: Profile, name: str | None = None) -> Step:
    """The next step; of that operation, where one is named."""
    if name is None and dice.number(1, 100) <= profile.together:
        return _together(dice, profile)
    name = name or dice.one(_urn(profile))
    return Alone(MAKERS[name](dice), _luck(dice, profile, writes=name in _WRITES))


def _urn(profile: Profile) -> list[str]:
    return [name for name, weight in profile.weights.items() for _ in range(weight)]


def _luck(dice: Dice, profile: Profile, *, writes: bool = False) -> Luck:
    """Of a write, which makes eight calls, or of anything else, which makes up to hundreds."""
    if dice.number(1, 100) > profile.unlucky:
        return GOOD
    kind = dice.one(("rates", "once", "once", "storm") if writes else ("rates", "rates", "once", "storm"))
    if kind == "rates":
        return Luck(dice.one(("mixed", "busy", "dying", "steady")), dice.number(0, 2**20))
    if kind == "once":
        deaths = (Fault.CRASH_BEFORE, Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.BUSY_AFTER, Fault.TWICE)
        return Luck(fault=dice.one(deaths), number=dice.number(1, 6) if writes else dice.number(0, 40))
    fault = dice.one((Fault.BUSY_BEFORE, Fault.BUSY_AFTER))
    number = dice.number(2, 5) if writes else dice.number(0, 15)
    return Luck(fault=fault, number=number, length=dice.number(6, 14))


_AT_WORK: Final = (
    *("commit", "commit", "build", "build", "build", "compact", "advance", "advance", "wakeups"),
    *("sweep", "query", "upsert", "restore", "drop", "name", "clean"),
)
_WRITERS: Final = ("upsert", "upsert", "delete", "delete_where", "patch")
_BESIDES: Final = (
    "commit",
    "build",
    "advance",
    "complete",
    "cancel",
    "restore",
    "compact",
    "clean",
    "upsert",
)


_LEASE_RUNS_OUT: Final = (Alone(Pass(LEASE_SECONDS + 1)),)
_BUILD_LEASE_RUNS_OUT: Final = (Alone(Pass(BUILD_LEASE_SECONDS + 1)),)


def _together(dice: Dice, profile: Profile) -> Together:
    """Two processes at work on one dataset: an import and writes beside it; something that takes its time, and
    another process that writes, waits until the first may be taken for dead, and commits; or just any two.
    """
    dataset = dice.number(0, 2)

    def one_of(names: tuple[str, ...], *, lucky: bool = False) -> Alone:
        operation = MAKERS[dice.one([name for name in names if name in profile.weights])](dice)
        if hasattr(operation, "dataset") and dice.number(0, 9):
            operation = replace(operation, dataset=dataset)  # type: ignore[type-var] # all are data classes
        return Alone(operation, GOOD if lucky else _luck(dice, profile))

    def any_order(most: int) -> tuple[int, ...]:
        return tuple(dice.number(0, 1) for _ in range(dice.number(0, most)))

    kind = dice.one(
        ("import", "overtaken", "overtaken", "any") if "import" in profile.weights else ("overtaken", "any")
    )
    if kind == "import":
        begun = Alone(StartImport(dataset, rows(dice, 8))), Alone(CompleteImport(-1), _luck(dice, profile))
        going_on = tuple(Alone(Advance(-1, 8), _luck(dice, profile)) for _ in range(4))
        besides = tuple(one_of((*_WRITERS, "commit", "commit", "build")) for _ in range(dice.number(2, 5)))
        return Together((*begun, *going_on), besides, any_order(100))
    first: tuple[Alone, ...] = (one_of(_AT_WORK),)
    if dice.number(0, 1):
        first = (one_of(_WRITERS, lucky=True), *first)
    if kind == "overtaken":
        waits = dice.one(((), _LEASE_RUNS_OUT, _LEASE_RUNS_OUT, _BUILD_LEASE_RUNS_OUT))
        second = (one_of(_WRITERS, lucky=True), *waits, Alone(Commit(dataset)))
        stopped_at = dice.number(0, 40)
        return Together(first, second, (*(0 for _ in range(stopped_at)), *(1 for _ in range(200))))
    second = tuple(one_of((*_WRITERS, *_BESIDES)) for _ in range(dice.number(1, 4)))
    return Together(first, second, any_order(60))


def steps_of(seed: int, profile: str, count: int = STEPS_A_WORLD) -> tuple[Step, ...]:
    """The steps of one world: what comes later does not change what comes first."""
    dice = SeededDice(f"{profile}/{seed}")
    return tuple(step_of(dice, PROFILES[profile]) for _ in range(count))
