"""What a descriptor says of a log: which of the objects that lie there are applied.

It names those of the last minute or so; whatever was named before is applied, or will never be. A write that is
under way has named its object within that time, and for one that waits the time begins with it.
"""

from dataclasses import dataclass

from shoal.errors import CorruptObject, ObjectMissing
from shoal.model.ids import parse_log_name
from shoal.services.descriptor_files import decode_dataset
from shoal.services.retry import retry_busy
from shoal.storage.keys import DatasetKeys, sequence_sk
from shoal.storage.ports import Ports

WINDOW_SECONDS = 60.0
"""A write names its object, stores it and takes its place in far less: a function behind the API has 29 s."""
_LAST_SK = sequence_sk(16**16 - 1)
_FIRST_PAGE, _PAGE = 50, 1000


@dataclass(frozen=True, slots=True)
class DescribedLog:
    """Objects named before `since` (epoch seconds) are accounted for; of the later ones `applied` are applied."""

    since: float
    applied: tuple[str, ...]


def described_log(ports: Ports, keys: DatasetKeys, watermark: int, now: float) -> DescribedLog:
    """What is applied of a log once the watermark is where it is."""
    oldest = ports.table.query(keys.partition, start=sequence_sk(watermark + 1), stop=_LAST_SK, limit=1)
    waiting = [float(item["accepted_at"]) for item in oldest.items]
    since = min([now, *waiting]) - WINDOW_SECONDS
    names, all_known = _applied(ports, keys, watermark, since)
    before = None if all_known else _told_before(ports, keys)
    if before is not None:
        # The table was made anew in the meantime, and knows nothing of what was applied until then.
        since = max(since, before.since)
        names |= set(before.applied)
    return DescribedLog(since, tuple(sorted(name for name in names if not _is_older(name, since))))


def _applied(ports: Ports, keys: DatasetKeys, watermark: int, since: float) -> tuple[set[str], bool]:
    """The log objects of the newest applied places; and whether that is all of them, back to `since`."""
    names: set[str] = set()
    oldest = watermark + 1
    after = None
    while watermark:
        page = ports.table.query(
            keys.partition,
            start=sequence_sk(1),
            stop=sequence_sk(watermark),
            ascending=False,
            limit=_PAGE if after else _FIRST_PAGE,
            after=after,
        )
        for item in page.items:
            # A name is older than its job, and places are taken in about the order in which they are filled.
            if float(item["accepted_at"]) < since - WINDOW_SECONDS:
                return names, True
            oldest = int(item["sequence"])
            if item.get("log_key") is not None:
                names.add(str(item["log_key"]).rsplit("/", 1)[-1])
        after = page.after
        if after is None:
            break
    return names, oldest == 1


def _told_before(ports: Ports, keys: DatasetKeys) -> DescribedLog | None:
    """What the descriptor says that is there; None where there is none."""
    try:
        told = decode_dataset(retry_busy(lambda: ports.objects.get(keys.descriptor)))
    except (CorruptObject, ObjectMissing):
        return None
    return DescribedLog(told.log_since, told.log_applied)


def _is_older(name: str, since: float) -> bool:
    told = parse_log_name(name)
    return told is not None and told[0] < since
