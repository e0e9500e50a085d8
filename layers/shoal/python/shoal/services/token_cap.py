"""How many tokens models may read for a tenant on one UTC day: counted in the table, so that it holds for all."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shoal.errors import ConditionFailed, LimitReached, StorageBusy
from shoal.services.retry import retry_busy
from shoal.storage.keys import TenantKeys
from shoal.storage.ports import Absent, Add, AnyOf, AssignIfAbsent, Compare, Key, Ports

_log = logging.getLogger(__name__)
_KEEP_SECONDS = 2 * 86_400


@dataclass(slots=True)
class Reserved:
    """Tokens that were set aside for a call; `read` is set to how many the model read once it has answered."""

    read: int = 0


class TokenCap:
    """The cap of every tenant; None: unlimited, and no write a call."""

    def __init__(self, ports: Ports, tokens_a_day: int | None) -> None:
        self._ports = ports
        self._cap = tokens_a_day

    @property
    def is_set(self) -> bool:
        """Whether tokens are counted at all."""
        return self._cap is not None

    @contextmanager
    def reserved(self, tenant_id: str, expected: int) -> Iterator[Reserved]:
        """Set the expected tokens aside for what is done in the context; at its end those that were read count,
        and none where it failed.

        Raises:
            LimitReached: code `token_cap_reached`; the context is not entered.
        """
        reserved = Reserved()
        if self._cap is None or expected == 0:
            yield reserved
            return
        now = datetime.fromtimestamp(self._ports.clock(), UTC)
        today = TenantKeys(tenant_id).tokens(now.date())
        self._reserve(today, expected, now, self._cap)
        try:
            yield reserved
        finally:
            self._settle(today, reserved.read - expected)

    def _reserve(self, today: Key, expected: int, now: datetime, cap: int) -> None:
        if expected > cap:
            raise _over(now, cap, expected)
        actions = (
            Add("count", expected),
            AssignIfAbsent("expires_at", int(now.timestamp()) + _KEEP_SECONDS),
        )
        within = AnyOf((Absent("count"), Compare("count", "<=", cap - expected)))
        try:
            retry_busy(lambda: self._ports.table.update(today, actions, condition=within))
        except ConditionFailed as lost:
            raise _over(now, cap, expected) from lost

    def _settle(self, today: Key, change: int) -> None:
        if change == 0:
            return
        try:
            retry_busy(lambda: self._ports.table.update(today, [Add("count", change)]))
        except StorageBusy:
            # The vectors are there, and the count is wrong by the error of an estimate until midnight.
            _log.warning("tokens were not settled", extra={"change": change})


def _over(now: datetime, cap: int, expected: int) -> LimitReached:
    reset = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    text = (
        f"the tenant's {cap} tokens of a UTC day do not hold about {expected} more today; it ends at 00:00 UTC"
        if expected <= cap
        else f"this has about {expected} tokens, and a tenant has {cap} a UTC day: send less at once"
    )
    return LimitReached(
        "token_cap_reached",
        text,
        retry_after=max(1, int((reset - now).total_seconds()) + 1),
        details={"limit": cap, "expected": expected, "reset_at": reset.date().isoformat()},
    )
