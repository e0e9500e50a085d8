"""Queries of the table from their first page to their last."""

from collections.abc import Iterator

from shoal.storage.ports import Item, Ports


def every_item(
    ports: Ports,
    partition: str,
    *,
    prefix: str | None = None,
    start: str | None = None,
    stop: str | None = None,
    index: str | None = None,
) -> Iterator[Item]:
    """The items of a partition, or of one of an `index`, in the order of sort keys.

    Those with `prefix`, or between `start` and `stop` (both inclusive and only together). A page is read when it
    is needed, which matters where other reads come between.

    Raises:
        StorageBusy: throttled or unavailable.
    """
    after = None
    while True:
        page = ports.table.query(partition, prefix=prefix, start=start, stop=stop, index=index, after=after)
        yield from page.items
        after = page.after
        if after is None:
            return
