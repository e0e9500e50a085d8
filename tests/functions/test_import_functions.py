"""Every sample event of the functions of the bulk import, replayed, also twice."""

import json
from typing import Any

import pytest

from shoal.errors import ImportStopped
from shoal.model.import_work import Settled
from shoal.model.imports import ImportStatus
from shoal.services import datasets
from shoal.services.imports.workspace import open_workspace
from shoal.storage.ports import Assign
from tests.functions.world import EVENTS, World

GOOD: dict[str, Any] = {"batchItemFailures": []}
INTAKE: dict[str, tuple[dict[str, Any], bool]] = {
    "put": (GOOD, True),
    "multipart": (GOOD, True),
    "event_bridge": (GOOD, True),
    "repeated": (GOOD, True),
    "encoded_key": (GOOD, True),
    "test_event": (GOOD, False),
    "of_nobody": (GOOD, False),
    "unreadable_among_good": (
        {
            "batchItemFailures": [
                {"itemIdentifier": f"{number:08d}-0000-4000-8000-000000000000"} for number in (1, 3, 4, 5)
            ]
        },
        True,
    ),
}
"""What the function answers, and whether the import starts."""


STEPS = (
    ("import_plan", "inspect"),
    ("import_plan", "plan"),
    ("import_validate", "validate"),
    ("import_cells", "settle"),
    ("import_cells", "build_shard"),
    ("import_finish", "commit"),
)
"""What the workflow does of a small file, in order. Those of cells need many rows, and have tests of their own."""


def test_every_sample_event_is_replayed() -> None:
    assert {path.stem for path in (EVENTS / "import_intake").iterdir()} == set(INTAKE)
    steps = {(function, step) for function, step in STEPS if function != "import_finish"}
    for function in ("import_plan", "import_validate", "import_cells"):
        found = {(function, path.stem) for path in (EVENTS / function).iterdir()}
        assert found == {step for step in steps if step[0] == function}
    assert {path.stem for path in (EVENTS / "import_finish").iterdir()} == {"commit", "fail"}


@pytest.mark.parametrize("case", INTAKE)
def test_an_event_of_an_upload_starts_the_import(world: World, case: str) -> None:
    answer, starts = INTAKE[case]
    assert world.replay("import_intake", case) == answer
    job = world.job()
    assert job.status is (ImportStatus.VALIDATING if starts else ImportStatus.AWAITING_UPLOAD)
    assert world.ports.imports.status(job.import_id) == ("RUNNING" if starts else None)


def test_an_event_that_comes_again_changes_nothing(world: World) -> None:
    world.replay("import_intake", "put")
    job = world.job()
    assert world.replay("import_intake", "event_bridge") == GOOD
    assert world.job() == job


def test_the_upload_of_a_deleted_dataset_is_nobodys(world: World) -> None:
    from shoal.services.datasets import delete_dataset

    delete_dataset(world.ports, world.values["TENANT_ID"], scope="native", name="products")
    assert world.replay("import_intake", "put") == GOOD


def test_an_import_is_committed(world: World) -> None:
    world.replay("import_intake", "put")
    work = open_workspace(world.ports, world.values["IMPORT_ID"])
    work.record("settled", Settled(layout="nothing", rows=0, accepted=0, rejected=1))
    work.update(Assign("status", ImportStatus.INDEXING.value))
    assert world.replay("import_finish", "commit") == {"status": "completed"}
    assert world.job().status is ImportStatus.COMPLETED
    with pytest.raises(ImportStopped):
        world.replay("import_finish", "commit")
    assert world.replay("import_finish", "fail") == {"outcome": "stopped"}


def test_an_import_whose_step_failed_is_ended(world: World) -> None:
    world.replay("import_intake", "put")
    assert world.replay("import_finish", "fail") == {"outcome": "error"}
    job = world.job()
    assert job.status is ImportStatus.FAILED
    assert "Sandbox.Timedout" in str(job.error_message)
    assert world.replay("import_finish", "fail") == {"outcome": "stopped"}


@pytest.mark.parametrize("times", [1, 2])
def test_step_by_step_from_the_event_to_the_commit(world: World, times: int) -> None:
    world.replay("import_intake", "put")
    answers: dict[str, dict[str, Any]] = {}
    for function, step in STEPS:
        for _ in range(1 if step == "commit" else times):
            answers[step] = world.replay(function, step)
    assert answers["inspect"] == {"compressed": False}
    assert answers["settle"] == {"layout": "shard"}
    assert answers["commit"] == {"status": "completed"}
    listed = json.loads(world.ports.objects.get(answers["plan"]["items_key"]))
    assert listed.pop("seal")
    assert listed == world.event("import_validate", "validate")["item"]
    job = world.job()
    assert (job.records_accepted, job.records_rejected) == (1, 0)
    view = datasets.get_dataset(world.ports, world.values["TENANT_ID"], scope="native", name="products")
    assert view.head.row_count == 4
