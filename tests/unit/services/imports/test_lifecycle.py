"""Creating, completing, finding and starting imports: both triggers, in any order, and neither."""

import pytest

from shoal.errors import Conflict, InvalidInput, LimitReached, NotFound
from shoal.model.datasets import Dataset
from shoal.model.imports import ErrorMode, Import, ImportFormat, ImportStatus
from shoal.model.limits import IMPORT_SECONDS, MAX_UPLOAD_PARTS
from shoal.services.datasets import delete_dataset
from shoal.services.imports.ending import fail
from shoal.services.imports.items import keys_of_import
from shoal.services.imports.lifecycle import (
    cancel_import,
    complete_import,
    create_import,
    get_import,
    list_imports,
    rejects_target,
)
from shoal.services.imports.lookup import find_import
from shoal.services.imports.reconcile import reconcile_imports
from shoal.services.imports.starting import start_uploaded
from shoal.storage.keys import DatasetKeys, TenantKeys
from tests.unit.services.imports.small import begun, created, finished, uploaded, validated
from tests.unit.services.world import World, record


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def dataset(world: World) -> Dataset:
    return world.create()


def status(world: World, dataset: Dataset, job: Import) -> ImportStatus:
    return get_import(world.ports, dataset, job.import_id).status


def places(world: World, dataset: Dataset) -> list[str]:
    keys = DatasetKeys(dataset.tenant_id, dataset.dataset_id)
    return [item["kind"] for item in world.table.query(keys.partition, prefix="JOB#").items]


def test_complete_opens_the_import_in_the_log_and_starts_its_workflow(world: World, dataset: Dataset) -> None:
    job = begun(world, dataset)
    assert job.status is ImportStatus.VALIDATING
    assert (job.sequence, job.percent_complete) == (1, 25)
    assert job.version_id
    assert world.imports.started == {job.import_id: {"import_id": job.import_id}}
    assert places(world, dataset) == ["import_open"]


def test_complete_before_the_upload_says_so(world: World, dataset: Dataset) -> None:
    job = created(world, dataset)
    with pytest.raises(InvalidInput, match="PUT the file") as caught:
        complete_import(world.ports, dataset, job.import_id, parts=None)
    assert caught.value.code == "upload_missing"
    assert status(world, dataset, job) is ImportStatus.AWAITING_UPLOAD


def test_complete_twice_is_a_conflict(world: World, dataset: Dataset) -> None:
    job = begun(world, dataset)
    with pytest.raises(Conflict) as caught:
        complete_import(world.ports, dataset, job.import_id, parts=None)
    assert caught.value.code == "import_not_pending"


def test_the_event_starts_it_and_complete_after_it_succeeds_once(world: World, dataset: Dataset) -> None:
    job = created(world, dataset)
    uploaded(world, job)
    key = keys_of_import(job).upload
    assert start_uploaded(world.ports, key)
    assert not start_uploaded(world.ports, key)
    assert complete_import(world.ports, dataset, job.import_id, parts=None).status is ImportStatus.VALIDATING
    with pytest.raises(Conflict):
        complete_import(world.ports, dataset, job.import_id, parts=None)
    assert places(world, dataset) == ["import_open"]
    assert len(world.imports.started) == 1


def test_the_event_after_complete_does_nothing(world: World, dataset: Dataset) -> None:
    job = begun(world, dataset)
    assert not start_uploaded(world.ports, keys_of_import(job).upload)
    assert places(world, dataset) == ["import_open"]


@pytest.mark.parametrize("key", ["staging/t/x/upload", "t/secret", ""])
def test_keys_that_are_no_uploads_start_nothing(world: World, key: str) -> None:
    assert not start_uploaded(world.ports, key)


def test_a_file_over_the_limit_fails_before_it_is_read(world: World, dataset: Dataset) -> None:
    job = created(world, dataset)
    world.table.put({**(world.table.get(keys_of_import(job).item) or {}), "max_bytes": 3})
    uploaded(world, job, b"four")
    done = complete_import(world.ports, dataset, job.import_id, parts=None)
    assert done.status is ImportStatus.FAILED
    assert "4 bytes" in (done.error_message or "")
    assert world.imports.started == {}
    assert places(world, dataset) == []


def test_a_multipart_upload_is_joined_by_complete(world: World, dataset: Dataset) -> None:
    job, targets = create_import(
        world.ports,
        dataset,
        file_format=ImportFormat.NDJSON,
        error_mode=ErrorMode.CONTINUE,
        max_bad_records=None,
        multipart=True,
        vector_quota=None,
    )
    assert len(targets.targets) == MAX_UPLOAD_PARTS
    assert job.multipart is not None
    with pytest.raises(InvalidInput, match="with its parts"):
        complete_import(world.ports, dataset, job.import_id, parts=None)
    first = world.uploads.put_part(job.multipart, 1, bytes(5 * 1024 * 1024))
    second = world.uploads.put_part(job.multipart, 2, b"rest")
    with pytest.raises(InvalidInput) as caught:
        complete_import(world.ports, dataset, job.import_id, parts=[(1, first), (2, "wrong")])
    assert caught.value.code == "invalid_parts"
    done = complete_import(world.ports, dataset, job.import_id, parts=[(1, first), (2, second)])
    assert (done.status, done.size) == (ImportStatus.VALIDATING, 5 * 1024 * 1024 + 4)


def test_at_the_quota_no_import_is_created(world: World, dataset: Dataset) -> None:
    world.table.put({"pk": TenantKeys(world.tenant_id).quota.pk, "sk": "QUOTA", "used": 10})
    with pytest.raises(LimitReached) as caught:
        created(world, dataset, quota=10)
    assert caught.value.details == {"limit": 10, "used": 10}
    assert created(world, dataset, quota=11).status is ImportStatus.AWAITING_UPLOAD


def test_imports_are_listed_newest_first(world: World, dataset: Dataset) -> None:
    jobs = []
    for _ in range(3):
        jobs.append(created(world, dataset))
        world.clock.pass_seconds(1)
    listed = list_imports(world.ports, dataset, limit=2)
    assert [job.import_id for job in listed] == [jobs[2].import_id, jobs[1].import_id]


def test_unknown_ids_and_other_datasets_imports_are_not_found(world: World, dataset: Dataset) -> None:
    job = created(world, dataset)
    other = world.create("other")
    for where, import_id in ((dataset, "imp_" + "0" * 32), (dataset, "../x"), (other, job.import_id)):
        with pytest.raises(NotFound) as caught:
            get_import(world.ports, where, import_id)
        assert caught.value.code == "import_not_found"


def test_cancelling_before_the_upload_ends_it(world: World, dataset: Dataset) -> None:
    job = created(world, dataset)
    assert cancel_import(world.ports, dataset, job.import_id).error_message == "cancelled"
    uploaded(world, job)
    assert not start_uploaded(world.ports, keys_of_import(job).upload)
    with pytest.raises(Conflict):
        complete_import(world.ports, dataset, job.import_id, parts=None)
    assert places(world, dataset) == []


def test_cancelling_stops_the_workflow(world: World, dataset: Dataset) -> None:
    job = begun(world, dataset)
    cancel_import(world.ports, dataset, job.import_id)
    assert world.imports.status(job.import_id) == "ABORTED"


def test_rejects_have_an_address_only_where_there_are_any(world: World, dataset: Dataset) -> None:
    job = begun(world, dataset)
    assert rejects_target(world.ports, job) is None


# --- the sweep


def test_the_sweep_starts_what_neither_trigger_has(world: World, dataset: Dataset) -> None:
    job = created(world, dataset)
    uploaded(world, job)
    assert reconcile_imports(world.ports) == 0  # the event may be on its way
    world.clock.pass_seconds(130)
    assert reconcile_imports(world.ports) == 1
    assert status(world, dataset, job) is ImportStatus.VALIDATING
    assert job.import_id in world.imports.started


def test_the_sweep_leaves_an_upload_that_has_just_come_to_its_event(world: World, dataset: Dataset) -> None:
    job = created(world, dataset)
    world.clock.pass_seconds(600)
    uploaded(world, job)
    world.clock.pass_seconds(30)
    assert reconcile_imports(world.ports) == 0
    assert status(world, dataset, job) is ImportStatus.AWAITING_UPLOAD


def test_the_sweep_gives_up_on_uploads_that_never_come(world: World, dataset: Dataset) -> None:
    job = created(world, dataset)
    world.clock.pass_seconds(3700)
    assert reconcile_imports(world.ports) == 0
    world.clock.pass_seconds(3 * 3600)
    assert reconcile_imports(world.ports) == 1
    assert "did not arrive" in (get_import(world.ports, dataset, job.import_id).error_message or "")
    assert reconcile_imports(world.ports) == 0


def test_the_sweep_starts_a_workflow_that_was_not_started(world: World, dataset: Dataset) -> None:
    job = begun(world, dataset)
    world.imports.started.clear()
    world.imports.statuses.clear()
    world.clock.pass_seconds(100)
    assert reconcile_imports(world.ports) == 1
    assert job.import_id in world.imports.started


@pytest.mark.parametrize("ended", ["FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED"])
def test_the_sweep_fails_an_import_whose_workflow_is_dead(world: World, dataset: Dataset, ended: str) -> None:
    job = begun(world, dataset)
    world.imports.end(job.import_id, ended)
    world.clock.pass_seconds(100)
    assert reconcile_imports(world.ports) == 1
    assert status(world, dataset, job) is ImportStatus.FAILED
    world.drain(dataset)
    assert world.head(dataset).open_imports == 0


def test_the_sweep_ends_an_import_that_takes_too_long(world: World, dataset: Dataset) -> None:
    job = begun(world, dataset)
    world.clock.pass_seconds(IMPORT_SECONDS + 1)
    assert reconcile_imports(world.ports) == 1
    assert status(world, dataset, job) is ImportStatus.FAILED
    assert world.imports.status(job.import_id) == "ABORTED"


def test_the_sweep_concludes_an_import_whose_last_step_died_after_its_commit(
    world: World, dataset: Dataset
) -> None:
    job = begun(world, dataset)
    validated(world, job, [("a", record(1, 1, 1, 1))])
    finished(world, dataset, job)
    item = dict(world.table.get(keys_of_import(job).item) or {})
    for gone in ("completed_at", "gsi1pk"):
        item.pop(gone, None)
    world.table.put({**item, "status": "indexing", "gsi1pk": "IMPORTS", "gsi1sk": job.import_id})
    world.clock.pass_seconds(100)
    assert reconcile_imports(world.ports) == 1
    concluded = find_import(world.ports, job.import_id)
    assert concluded is not None
    assert concluded.status is ImportStatus.COMPLETED


def test_the_sweep_ends_imports_of_deleted_datasets(world: World, dataset: Dataset) -> None:
    waiting, open_one = created(world, dataset), begun(world, dataset)
    delete_dataset(world.ports, world.tenant_id, scope=dataset.scope, name=dataset.name)
    assert reconcile_imports(world.ports) == 2
    for job in (waiting, open_one):
        ended = find_import(world.ports, job.import_id)
        assert ended is not None
        assert ended.status is ImportStatus.FAILED
        assert ended.error_message == "the dataset has been deleted"
    assert reconcile_imports(world.ports) == 0


def test_failing_what_has_ended_changes_nothing(world: World, dataset: Dataset) -> None:
    job = begun(world, dataset)
    assert fail(world.ports, job, "first")
    assert not fail(world.ports, job, "second")
    assert get_import(world.ports, dataset, job.import_id).error_message == "first"
