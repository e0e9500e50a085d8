"""How many tokens a model may read in a minute, for all tenants together: counted in one item of the table.

Big builds wait for it, so that live queries, which never wait, find a model that is not throttled: documents get
all but a reserve of the limit, and less where queries take more than that. Tokens are counted in short slots of
time. Whatever minute is looked at, documents that were admitted within it have at most their share.
"""

import logging
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor

from shoal.errors import ConditionFailed, ModelBusy, ShoalError
from shoal.services.retry import retry_busy
from shoal.services.waiting import Pause
from shoal.storage.keys import model_rate
from shoal.storage.ports import Absent, Action, Add, Assign, Compare, Drop, Item, Ports

_log = logging.getLogger(__name__)
WINDOW_SECONDS = 60
SLOT_SECONDS = 5
RESERVE = 0.2
"""Share of the limit that is kept for queries."""
_DOCUMENTS, _QUERIES, _TURN = "d", "q", "turn"
_MOST_ATTRIBUTES = 4 * WINDOW_SECONDS // SLOT_SECONDS
"""Of the item; slots that are over are dropped once there are more."""
_ATTEMPTS = 16
_KEEP_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Admitted:
    """Tokens of documents that are counted: `expected` of them, in `slot`."""

    model_id: str
    slot: int
    expected: int


class TokenRate:
    """The limits of a deployment's models. A model without one costs no look at the table."""

    def __init__(
        self, ports: Ports, tokens_a_minute: Mapping[str, int] | None = None, *, pause: Pause = time.sleep
    ) -> None:
        self._ports = ports
        self._limits = dict(tokens_a_minute or {})
        self._pause = pause

    def share_of_documents(self, model_id: str) -> int | None:
        """Tokens of documents that the model may read in a minute; None: any number."""
        limit = self._limits.get(model_id)
        return None if limit is None else max(1, floor(limit * (1 - RESERVE)))

    def note_query(self, model_id: str, tokens: int) -> None:
        """Count what a query has the model read. Nothing stands in its way, nor does a table that is busy."""
        if model_id not in self._limits or tokens <= 0:
            return
        now = self._ports.clock()
        actions = (Add(f"{_QUERIES}{_slot(now)}", tokens), _kept(now))
        try:
            item = self._ports.table.update(model_rate(model_id), actions)
            if len(item) > _MOST_ATTRIBUTES:
                self._ports.table.update(model_rate(model_id), _drops(item, now))
        except ShoalError as problem:
            _log.warning("a query was not counted", extra={"model_id": model_id, "reason": str(problem)})

    def admit(self, model_id: str, tokens: int, *, patience_seconds: float = 0.0) -> Admitted | None:
        """Count tokens that a model is about to read of documents, once there is room; None: it has no limit.

        More than a whole share is taken for one, or it would never be let in.

        Args:
            model_id: which.
            tokens: how many are expected.
            patience_seconds: how long to wait for room.

        Raises:
            ModelBusy: there is no room for longer than that; `retry_after` says how long. Nothing was counted.
        """
        share = self.share_of_documents(model_id)
        if share is None or tokens <= 0:
            return None
        tokens = min(tokens, share)
        until = self._ports.clock() + patience_seconds
        spent = 0.0
        while True:
            admitted, seconds = self._try(model_id, tokens, share)
            if admitted is not None:
                return admitted
            # Both are counted: a clock may stand still, and a pause may take longer than it says.
            if seconds > min(until - self._ports.clock(), patience_seconds - spent):
                raise ModelBusy(
                    model_id,
                    f"the {self._limits[model_id]} tokens that it may read in a minute are in use; "
                    f"there is room in {ceil(seconds)} s",
                    retry_after=ceil(seconds),
                )
            self._pause(seconds)
            spent += seconds

    def settle(self, admitted: Admitted | None, read: int) -> None:
        """Have what the model has read of documents count, in place of what was expected."""
        if admitted is None or read == admitted.expected:
            return
        now = self._ports.clock()
        change = read - admitted.expected
        # What is over is over: more than was expected is read now, and less is given back where it was taken.
        slot = _slot(now) if change > 0 else admitted.slot
        if slot < _first(now):
            return
        actions = (Add(f"{_DOCUMENTS}{slot}", change), Add(_TURN, 1))
        try:
            self._ports.table.update(model_rate(admitted.model_id), actions)
        except ShoalError:
            # It is wrong by the error of an estimate for a minute.
            _log.warning("tokens were not settled", extra={"model_id": admitted.model_id, "change": change})

    def _try(self, model_id: str, tokens: int, share: int) -> tuple[Admitted | None, float]:
        """Count tokens, if there is room; else in how many seconds there may be.

        Who counts documents takes turns, so that no two of them see the same room.
        """
        key = model_rate(model_id)
        item = retry_busy(lambda: self._ports.table.get(key)) or {}
        for attempt in range(_ATTEMPTS):
            now = self._ports.clock()
            seconds = _seconds_until_room(item, now, tokens, share=share, limit=self._limits[model_id])
            if seconds > 0:
                return None, seconds
            turn = item.get(_TURN)
            slot = _slot(now)
            actions = (Add(f"{_DOCUMENTS}{slot}", tokens), Add(_TURN, 1), _kept(now), *_drops(item, now))
            unchanged = Absent(_TURN) if turn is None else Compare(_TURN, "=", int(turn))
            try:
                retry_busy(lambda: self._ports.table.update(key, actions, condition=unchanged))  # noqa: B023
            except ConditionFailed as lost:
                item = lost.item or {}
                self._pause(random.uniform(0, 0.005 * 2 ** min(attempt, 6)))  # noqa: S311 - spreads load
                continue
            return Admitted(model_id, slot, tokens), 0.0
        return None, 1.0


def _slot(now: float) -> int:
    return floor(now / SLOT_SECONDS)


def _first(now: float) -> int:
    """The first slot of which something lies in the minute that ends now."""
    return _slot(now - WINDOW_SECONDS)


def _kept(now: float) -> Action:
    return Assign("expires_at", int(now) + _KEEP_SECONDS)


def _slots(item: Item, kind: str) -> dict[int, int]:
    """The tokens of each slot of an item, of documents or of queries."""
    return {
        int(name[1:]): int(tokens)
        for name, tokens in item.items()
        if name.startswith(kind) and name[1:].isdecimal()
    }


def _drops(item: Item, now: float) -> tuple[Action, ...]:
    """Without the slots that are over. No slot comes again, so whoever does it may."""
    first = _first(now)
    return tuple(
        Drop(f"{kind}{slot}")
        for kind in (_DOCUMENTS, _QUERIES)
        for slot in _slots(item, kind)
        if slot < first
    )


def _seconds_until_room(item: Item, now: float, tokens: int, *, share: int, limit: int) -> float:
    """In how many seconds documents may have so many tokens more, if nobody else takes any; 0 for now."""
    first = _first(now)
    documents = {slot: count for slot, count in _slots(item, _DOCUMENTS).items() if slot >= first}
    queries = {slot: count for slot, count in _slots(item, _QUERIES).items() if slot >= first}
    of_documents, of_queries = sum(documents.values()), sum(queries.values())
    seconds = 0.0
    for slot in sorted(documents.keys() | queries.keys()):
        if of_documents + tokens <= _room(of_queries, share=share, limit=limit):
            break
        of_documents -= documents.get(slot, 0)
        of_queries -= queries.get(slot, 0)
        seconds = (slot + 1) * SLOT_SECONDS + WINDOW_SECONDS - now
    return max(0.0, seconds)


def _room(of_queries: int, *, share: int, limit: int) -> int:
    """Tokens that documents may have in all beside those of queries."""
    return min(share, limit - of_queries)
