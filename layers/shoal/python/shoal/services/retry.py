"""Another try where AWS asks for one: throttling and conflicts between transactions."""

import random
import time
from collections.abc import Callable

from shoal.errors import StorageBusy

ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5


def retry_busy[T](call: Callable[[], T], *, attempts: int = ATTEMPTS) -> T:
    """Call until it does not raise `StorageBusy`, with full jitter between tries.

    Source: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/

    Raises:
        StorageBusy: the last try was refused too.
    """
    for attempt in range(attempts - 1):
        try:
            return call()
        except StorageBusy:
            ceiling = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt)
            time.sleep(random.uniform(0, ceiling))  # noqa: S311 - spreads load, guards nothing
    return call()
