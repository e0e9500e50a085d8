"""Packs records into gzipped NDJSON bodies, as few as the API's limits allow."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from infra.cli.results import Record

MAX_UNPACKED_BYTES = 10 * 1024 * 1024
"""The contract's cap on the NDJSON of one request."""
MAX_ENCODED_BYTES = 4_718_592 - 65_536
"""4.5 MiB of body become 6 MiB of base64, which is all that Lambda takes: 64 KiB stay for the headers."""
_SPARE = 0.97
"""How close to the cap a split aims, since the second part of a body may compress a little worse."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One request's body: gzipped NDJSON of `rows` records, `unpacked` bytes before compression."""

    body: bytes
    rows: int
    unpacked: int


class RecordTooLarge(ValueError):
    """One record alone is over what a request may carry."""


def encode(record: Record) -> bytes:
    """One NDJSON line, newline included, with the shortest digits that read back as the same float32."""
    import numpy as np
    import orjson

    if record.values is None:
        raise ValueError(f"record {record.id!r} has no values")
    line = {
        "id": record.id,
        "values": np.asarray(record.values, dtype=np.float32),
        "metadata": record.metadata,
    }
    if record.namespace:
        line["namespace"] = record.namespace
    if record.document:
        line["document"] = record.document
    return orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def compress(lines: Sequence[bytes], level: int) -> bytes:
    """One gzip member over all lines; the header carries no time, so equal input gives equal bytes."""
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    parts = [packer.compress(line) for line in lines]
    parts.append(packer.flush())
    return b"".join(parts)


def pack(
    records: Iterable[Record],
    *,
    max_unpacked: int = MAX_UNPACKED_BYTES,
    max_encoded: int = MAX_ENCODED_BYTES,
    level: int = 3,
) -> Iterator[Batch]:
    """Bodies that keep both limits, in the order of the records; lazily, about one body in memory.

    Level 3 compresses digits about as well as 6 in a third of the time, and the digits hold little to gain.

    Raises:
        RecordTooLarge: one record does not fit into a request by itself.
    """
    waiting: list[bytes] = []
    size = 0
    room = max_unpacked
    for record in records:
        line = encode(record)
        if len(line) > max_unpacked:
            raise RecordTooLarge(
                f"record {record.id!r} takes {len(line):,} bytes, a request {max_unpacked:,}"
            )
        while waiting and size + len(line) > room:
            batch, room = _take(waiting, size, max_unpacked, max_encoded, level)
            waiting = waiting[batch.rows :]
            size -= batch.unpacked
            yield batch
        waiting.append(line)
        size += len(line)
    while waiting:
        batch, _ = _take(waiting, size, max_unpacked, max_encoded, level)
        waiting = waiting[batch.rows :]
        size -= batch.unpacked
        yield batch


def _take(
    lines: Sequence[bytes], size: int, max_unpacked: int, max_encoded: int, level: int
) -> tuple[Batch, int]:
    """The longest prefix found that fits, and how many unpacked bytes to gather for the next body.

    `lines` are within `max_unpacked` already; only compression can be short of the mark.
    """
    body = compress(lines, level)
    while len(body) > max_encoded:
        if len(lines) == 1:
            raise RecordTooLarge(
                f"one record takes {len(body):,} bytes compressed, a request {max_encoded:,}"
            )
        target = size * max_encoded / len(body) * _SPARE
        lines = _prefix(lines, target)
        size = sum(map(len, lines))
        body = compress(lines, level)
    likely = size * max_encoded / len(body) * _SPARE
    return Batch(body, len(lines), size), int(min(max_unpacked, max(likely, 1)))


def _prefix(lines: Sequence[bytes], target: float) -> Sequence[bytes]:
    """As many lines as keep within `target` bytes: at least one, and fewer than all."""
    total = 0
    for count, line in enumerate(lines):
        total += len(line)
        if total > target:
            return lines[: max(count, 1)]
    return lines[: max(len(lines) - 1, 1)]
