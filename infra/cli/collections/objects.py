"""Objects of a file, one JSON object a line, in batches that one task takes."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from infra.cli.batches import MAX_ENCODED_BYTES
from infra.cli.failures import UsageError

TASK_OBJECTS = 1000
"""Objects of one task unless said otherwise: enough for good batches, few enough to see them move."""
MAX_TASK_OBJECTS = 10_000
"""The API's limit."""
_TASK_BYTES = MAX_ENCODED_BYTES - 4096
"""Of a task's objects before compression: so they fit into a request however badly they compress."""
_FIELDS = frozenset({"object_id", "payload", "item_info"})


def read_objects(file: str) -> Iterator[bytes]:
    """The objects of a file (`-`: stdin), each as JSON bytes; blank lines are skipped.

    Raises:
        UsageError: no such file, or a line that is no object with an id; those before it were given out.
    """
    import orjson

    try:
        opened = nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb")  # noqa: SIM115
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    with opened as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                found = orjson.loads(line)
            except ValueError as error:
                raise _bad(file, number, f"no JSON: {error}") from error
            yield orjson.dumps(_checked(found, file, number))


def batches(objects: Iterable[bytes], *, most: int = TASK_OBJECTS) -> Iterator[list[bytes]]:
    """The objects in order, in as few batches as the limits allow."""
    waiting: list[bytes] = []
    size = 0
    for each in objects:
        if waiting and (len(waiting) >= most or size + len(each) > _TASK_BYTES):
            yield waiting
            waiting, size = [], 0
        waiting.append(each)
        size += len(each) + 1
    if waiting:
        yield waiting


def _checked(found: Any, file: str, number: int) -> dict[str, Any]:
    if not isinstance(found, dict) or not isinstance(found.get("object_id"), str):
        raise _bad(file, number, 'no object with an "object_id"')
    unknown = sorted(set(found) - _FIELDS)
    if unknown:
        raise _bad(file, number, f'unknown field {unknown[0]!r}; what is to be found goes into "payload"')
    return found


def _bad(file: str, number: int, why: str) -> UsageError:
    hint = '{"object_id": "chair-1", "payload": {"title": "Office chair"}} on each line'
    return UsageError(f"{file}, line {number}: {why}", hint=hint)
