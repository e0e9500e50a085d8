"""The sweep of tasks: finds the lines and the reindexes that a lost message, or a death, left behind."""

import logging

from shoal.services.listed import look_after_listed
from shoal.services.reindex.reconcile import reconcile_reindexes
from shoal.services.tasks.family import parse_family
from shoal.services.tasks.joining import unlist_line
from shoal.services.tasks.wake import wake_line
from shoal.storage.keys import TASKS, FamilyKeys
from shoal.storage.ports import Key, Ports

_log = logging.getLogger(__name__)
_GRACE_SECONDS = 10.0
"""A task younger than this still has its own wake-up on the way."""
_BUDGET_SECONDS = 30.0
"""What is not reached within this time is left to the next sweep."""


def reconcile_families(ports: Ports) -> int:
    """Wake a worker for every line in which a task waits, and go on with every reindex; how many were helped.

    A family that cannot be looked after is logged, and holds up none of the others.
    """

    def look_after(key: Key) -> bool:
        tenant_id, family = key.pk.removeprefix("T#"), key.sk.rpartition("#")[2]
        keys = FamilyKeys(tenant_id, family)
        return _wake(ports, keys) if key == keys.counter else _go_on(ports, keys)

    return look_after_listed(ports, TASKS, look_after, budget_seconds=_BUDGET_SECONDS)


def _wake(ports: Ports, keys: FamilyKeys) -> bool:
    # The index lags behind the table, so it only says where to look.
    items = {item["sk"]: item for item in ports.table.batch_get([keys.counter, keys.state])}
    counter, state = items.get(keys.counter.sk), parse_family(items.get(keys.state.sk))
    if counter is None or "gsi1pk" not in counter:
        return False
    if int(counter["next"]) <= state.done:
        unlist_line(ports, keys)
        return False
    now = ports.clock()
    if now - float(counter["taken_at"]) < _GRACE_SECONDS or state.lease_until > now:
        return False
    wake_line(ports, keys)
    _log.info("woke a line", extra={"tenant_id": keys.tenant_id, "family": keys.family})
    return True


def _go_on(ports: Ports, keys: FamilyKeys) -> bool:
    return reconcile_reindexes(ports, keys) > 0
