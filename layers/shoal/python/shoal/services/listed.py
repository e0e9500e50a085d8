"""Looking after all that one partition of the index lists, one by one, within a time."""

import logging
import random
from collections.abc import Callable

from shoal.storage.keys import GSI
from shoal.storage.ports import Key, Ports

_log = logging.getLogger(__name__)


def look_after_listed(
    ports: Ports, partition: str, look_after: Callable[[Key], bool], *, budget_seconds: float
) -> int:
    """Call `look_after` with the key of each item that is listed; how often it did something.

    One that cannot be looked after is logged, and holds up none of the others. What is not reached in time is left
    to the next sweep.
    """
    deadline = ports.clock() + budget_seconds
    listed: list[Key] = []
    after = None
    while True:
        page = ports.table.query(partition, index=GSI, after=after)
        listed += [Key(str(entry["pk"]), str(entry["sk"])) for entry in page.items]
        after = page.after
        if after is None:
            break
    # In no order: where there are too many for one sweep, the same ones would be left out each time.
    random.shuffle(listed)
    helped = 0
    for number, key in enumerate(listed):
        if ports.clock() > deadline:
            _log.warning("not all looked after", extra={"listed": partition, "left": len(listed) - number})
            break
        try:
            helped += look_after(key)
        except Exception:  # noqa: BLE001 - whatever is wrong with one, the others are not to wait for it
            _log.exception("not looked after", extra={"listed": partition, "item": f"{key.pk} {key.sk}"})
    return helped
