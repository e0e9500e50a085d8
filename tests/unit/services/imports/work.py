"""An import under way in a World: uploaded, started, and ready for any step of its workflow."""

from shoal.model.datasets import Dataset
from shoal.model.ids import new_import_id
from shoal.model.imports import ErrorMode, Import, ImportFormat, ImportStatus
from shoal.services.imports.items import import_item, keys_of_import
from shoal.services.imports.workspace import Workspace, open_workspace
from shoal.storage.keys import import_by_id
from shoal.storage.ports import Ports
from tests.unit.services.world import World


def make_work(
    world: World,
    dataset: Dataset,
    upload: bytes = b"",
    *,
    file_format: ImportFormat = ImportFormat.NDJSON,
    error_mode: ErrorMode = ErrorMode.CONTINUE,
    max_bad_records: int | None = None,
    sequence: int = 1,
    ports: Ports | None = None,
) -> Workspace:
    """The workspace of a new import of `upload`, in status validating.

    Args:
        world: where the import lives.
        dataset: what it is for.
        upload: the file.
        file_format: what the file is said to be.
        error_mode: what a bad record does.
        max_bad_records: how many of them fail the import.
        sequence: its place in the log; the log itself is not touched.
        ports: the ports of the process that works on it; the world's by default.
    """
    job = Import(
        import_id=new_import_id(world.clock()),
        tenant_id=dataset.tenant_id,
        dataset_id=dataset.dataset_id,
        dataset_name=dataset.name,
        format=file_format,
        error_mode=error_mode,
        max_bad_records=max_bad_records,
        created_at=world.clock(),
        expires_at=world.clock() + 3600,
        max_bytes=1 << 40,
        status=ImportStatus.VALIDATING,
    )
    keys = keys_of_import(job)
    stored = world.objects.put(keys.upload, upload)
    world.table.put(
        {
            **import_item(job),
            "version_id": stored.version_id,
            "etag": stored.etag,
            "size": stored.size,
            "sequence": sequence,
            "started_at": world.clock(),
        }
    )
    pointer = import_by_id(job.import_id)
    world.table.put(
        {
            "pk": pointer.pk,
            "sk": pointer.sk,
            "tenant_id": job.tenant_id,
            "dataset_id": job.dataset_id,
        }
    )
    return open_workspace(ports or world.ports, job.import_id)
