"""One run of the janitor: tenant after tenant, until all are done or its time is over. The next run goes on there.

Why nothing needed is ever deleted, whatever else is at work:

- What is deleted is older than `GARBAGE_SECONDS`, and nobody needed it when the tenant was looked at (`survey`).
- Nothing that old is needed again later. Commits, builds, imports and compactions name what the version before
  names, and what they have stored themselves since they began, which is far less than that age ago. Restores and
  clones name what a snapshot or HEAD names, and are refused unless that still does when they are accepted; so the
  thing was needed when it was handed on, and `survey` looks at givers before takers.
- What stops being current, and a deleted dataset, is needed for a day more: by readers that hold the version, by
  exports that have just begun. All of that takes less than a day.
- Names of objects are used once: what is garbage cannot be replaced by something that is not.
- Where anything on the way cannot be read, nothing of that tenant is deleted.

Two runs at once do the same thing twice.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import batched

from shoal.errors import ShoalError
from shoal.services.janitor.garbage import Garbage, Needed, garbage_in
from shoal.services.janitor.purge import purge
from shoal.services.janitor.reach import needed_by
from shoal.services.janitor.repair import describe_anew
from shoal.services.janitor.survey import Survey, survey
from shoal.services.retry import retry_busy
from shoal.services.tenants import list_tenants
from shoal.storage.keys import JANITOR, TenantKeys
from shoal.storage.ports import Item, Ports

_log = logging.getLogger(__name__)
BATCH = 1000
"""Objects of one request to delete (S3)."""
SECTIONS = ("log/", "manifests/", "parts/", *(f"shards/{digit:x}" for digit in range(16)))
"""What of a tenant is looked through at a time; a run that is cut off loses at most one."""


class NotCleaned(ShoalError):
    """Tenants of which nothing was deleted, because what they need could not be read; an operator must look."""

    def __init__(self, stopped: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{tenant_id}: {reason}" for tenant_id, reason in stopped.items()))


class _OutOfTime(Exception):
    """The run's time is over, at this section of a tenant."""

    def __init__(self, section: int = 0) -> None:
        super().__init__()
        self.section = section


@dataclass(slots=True)
class Report:
    """What a run did; a dry run: what it would do.

    `objects` and `bytes` are deleted ones, `by_reason` the objects of each reason. `stopped` says which tenants
    were not cleaned, and why. `datasets` were cleaned of `items` items, `described` are descriptors that had to be
    written anew. `finished` is False where the time was over before all tenants were looked at.
    """

    dry_run: bool
    tenants: int = 0
    objects: int = 0
    bytes: int = 0
    by_reason: dict[str, int] = field(default_factory=dict)
    stopped: dict[str, str] = field(default_factory=dict)
    datasets: int = 0
    items: int = 0
    described: int = 0
    finished: bool = True


@dataclass(slots=True)
class _Run:
    ports: Ports
    deadline: float
    report: Report
    on_garbage: Callable[[Garbage], None]

    def go_on(self) -> None:
        """Raises `_OutOfTime` when it is time to stop."""
        if self.ports.clock() > self.deadline:
            raise _OutOfTime


def run_janitor(
    ports: Ports,
    *,
    dry_run: bool = False,
    budget_seconds: float = float("inf"),
    on_garbage: Callable[[Garbage], None] = lambda _: None,
) -> Report:
    """Delete what nothing needs, clean deleted datasets, and describe anew what is not described as it is.

    Args:
        ports: where.
        dry_run: change nothing, from the first tenant on; the report says what would go.
        budget_seconds: after this long the rest is left to the next run.
        on_garbage: told of each object that goes.

    Raises:
        StorageError: not even the tenants could be listed.
    """
    run = _Run(ports, ports.clock() + budget_seconds, Report(dry_run), on_garbage)
    tenants = sorted(tenant.tenant_id for tenant in list_tenants(ports))
    place = None if dry_run else ports.table.get(JANITOR)
    first = str(place["tenant_id"]) if place else ""
    order = [one for one in tenants if one >= first]  # from where the last run was cut off
    for number, tenant_id in enumerate(order):
        begin = int(place["section"]) if place and tenant_id == first else 0
        try:
            _clean_tenant(run, TenantKeys(tenant_id), begin)
        except _OutOfTime as stop:
            nowhere = number == 0 and stop.section == begin and not run.report.objects
            if nowhere:
                # It had a whole run, and may need as long each time: the others are not to wait for it.
                _log.error("one run is too short for a tenant", extra={"tenant_id": tenant_id})
                run.report.stopped[tenant_id] = "one run is too short for it"
            after = order[number + 1 :] if nowhere else order[number:]
            run.report.finished = not after
            if after and not dry_run:
                _remember(run, after[0], 0 if nowhere else stop.section)
            break
    if run.report.finished and not dry_run:
        ports.table.delete(JANITOR)
    _log.info("janitor done", extra={"report": asdict(run.report)})
    return run.report


def _clean_tenant(run: _Run, tenant: TenantKeys, begin: int) -> None:
    """Clean a tenant from a section on. Whatever is wrong with one, the others are not to wait for it."""
    section = begin
    try:
        run.go_on()
        found = survey(run.ports, tenant)
        if not begin:
            _tidy(run, tenant, found)
        needed = needed_by(run.ports.objects, found.roots, go_on=run.go_on)
        for section in range(begin, len(SECTIONS)):
            _delete_garbage(run, tenant, SECTIONS[section], needed)
    except _OutOfTime:
        raise _OutOfTime(section) from None
    except Exception as error:  # noqa: BLE001 - whatever it is: nothing of this tenant, and on to the next
        _log.exception("nothing more is deleted of a tenant", extra={"tenant_id": tenant.tenant_id})
        run.report.stopped[tenant.tenant_id] = str(error) if isinstance(error, ShoalError) else repr(error)
    else:
        run.report.tenants += 1


def _tidy(run: _Run, tenant: TenantKeys, found: Survey) -> None:
    """Clean datasets that were deleted long enough ago, and mend what the bucket says of the others."""
    for keys in found.faded(run.ports.clock()):
        run.go_on()
        if run.report.dry_run:
            run.report.datasets += 1
            continue
        removed = purge(run.ports, keys, go_on=run.go_on)
        if removed is not None:
            run.report.datasets += 1
            run.report.items += removed
    if not run.report.dry_run:
        retry_busy(lambda: run.ports.objects.delete(found.leftover))
        run.report.described += describe_anew(run.ports, tenant, found.live, go_on=run.go_on)


def _delete_garbage(run: _Run, tenant: TenantKeys, section: str, needed: Needed) -> None:
    listing = run.ports.objects.list(tenant.objects + section)
    garbage = garbage_in(tenant, listing, needed, now=run.ports.clock())
    for some in batched(garbage, BATCH):
        run.go_on()
        keys = [each.key for each in some]
        if not run.report.dry_run:
            retry_busy(lambda k=keys: run.ports.objects.delete(k))  # type: ignore[misc]
        _count(run, some)
        if not run.report.dry_run:
            _log.info(
                "deleted garbage",
                extra={"tenant_id": tenant.tenant_id, "section": section, "objects": len(keys)},
            )


def _count(run: _Run, gone: tuple[Garbage, ...]) -> None:
    report = run.report
    for each in gone:
        run.on_garbage(each)
        report.objects += 1
        report.bytes += each.size
        report.by_reason[each.reason] = report.by_reason.get(each.reason, 0) + 1


def _remember(run: _Run, tenant_id: str, section: int) -> None:
    """Have the next run go on here."""
    place: Item = {
        "pk": JANITOR.pk,
        "sk": JANITOR.sk,
        "tenant_id": tenant_id,
        "section": section,
        "at": run.ports.clock(),
    }
    run.ports.table.put(place)
