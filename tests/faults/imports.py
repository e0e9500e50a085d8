"""Imports as their owners and S3 see them: created, uploaded, completed, cancelled; and the events of S3."""

from dataclasses import dataclass
from typing import Any

import orjson

from shoal.errors import Conflict, InvalidInput, LimitReached, NotFound
from shoal.model.imports import ErrorMode, Import, ImportFormat
from shoal.services.imports.items import keys_of_import
from shoal.services.imports.lifecycle import cancel_import, complete_import, create_import
from shoal.services.imports.starting import start_uploaded
from shoal.storage.ports import Ports
from tests.faults.oracle import Row
from tests.faults.run import QUOTA, Doing


def line_of(name: str, row: Row) -> bytes:
    """A record as a line of the file."""
    line: dict[str, Any] = {"id": name, "values": list(row.values), "metadata": dict(row.metadata)}
    if row.namespace:
        line["namespace"] = row.namespace
    if row.document:
        line["document"] = row.document
    return orjson.dumps(line) + b"\n"


@dataclass(frozen=True, slots=True)
class StartImport:
    """An import is created and its file put; the event of S3 is on its way, late, or lost."""

    dataset: int
    rows: tuple[tuple[str, Row], ...]
    event: str = "soon"
    quota: bool = True

    def do(self, doing: Doing) -> None:
        """Create, and upload."""
        run = doing.run
        known = run.pick(self.dataset)

        def create(ports: Ports) -> Import:
            return create_import(
                ports,
                known.dataset,
                file_format=ImportFormat.NDJSON,
                error_mode=ErrorMode.CONTINUE,
                max_bad_records=None,
                multipart=False,
                vector_quota=QUOTA if self.quota else None,
            )[0]

        told = doing.call(lambda process: create(process.ports), Conflict, NotFound, LimitReached)
        if told.answer is None:
            return
        job = told.answer
        run.imports.append(job.import_id)
        known.ledger.imports[job.import_id] = dict(self.rows)
        upload = keys_of_import(job).upload
        run.stores.objects.put(upload, b"".join(line_of(name, row) for name, row in self.rows))
        if self.event != "never":
            late = 90.0 if self.event == "late" else 0.0
            copies = 2 if self.event == "twice" else 1
            run.events += [(run.stores.clock() + late * (1 + copy), upload) for copy in range(copies)]


@dataclass(frozen=True, slots=True)
class CompleteImport:
    """Its owner says that the file is there; the event may have been faster."""

    number: int

    def do(self, doing: Doing) -> None:
        """Complete it."""
        _of(doing, self.number, complete=True)


@dataclass(frozen=True, slots=True)
class CancelImport:
    """Its owner thinks better of it."""

    number: int

    def do(self, doing: Doing) -> None:
        """Cancel it."""
        _of(doing, self.number, complete=False)


def _of(doing: Doing, number: int, *, complete: bool) -> None:
    run = doing.run
    if not run.imports:
        return
    import_id = run.imports[number % len(run.imports)]
    known = next(known for known in run.known if import_id in known.ledger.imports)

    def act(ports: Ports) -> None:
        if complete:
            complete_import(ports, known.dataset, import_id, parts=None)
        else:
            cancel_import(ports, known.dataset, import_id)

    doing.call(lambda process: act(process.ports), Conflict, NotFound, InvalidInput)


@dataclass(frozen=True, slots=True)
class DeliverEvents:
    """The events of S3 that are due come in, the newest first; what the function dies over comes again."""

    def do(self, doing: Doing) -> None:
        """Deliver them."""
        run = doing.run
        now = run.stores.clock()
        due = [event for event in run.events if event[0] <= now]
        run.events = [event for event in run.events if event[0] > now]
        for _, key in reversed(due):
            told = doing.call(lambda process, key=key: start_uploaded(process.ports, key), NotFound)  # type: ignore[misc]
            if not (told.done or told.refused):
                run.events.append((now + 30, key))
