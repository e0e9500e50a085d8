"""Doing something to several things at once, where most of the time is spent waiting for storage."""

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

THREADS = 16


def in_parallel[A, R](work: Callable[[A], R], items: Collection[A], *, threads: int = THREADS) -> list[R]:
    """What `work` makes of each item, in their order; without threads where there is only one."""
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(max_workers=min(threads, len(items))) as pool:
        return list(pool.map(work, items))
