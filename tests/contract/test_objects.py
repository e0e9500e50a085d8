"""Objects: bytes, ranges, versions, the first put that wins, lists and deletes."""

import hashlib
import threading
import time
from collections.abc import Iterator

import pytest

from shoal.errors import CorruptObject, ObjectMissing, PreconditionFailed, StorageBusy
from shoal.storage.ports import ObjectStore

BODY = bytes(range(256)) * 4


def test_what_is_put_is_got(objects: ObjectStore) -> None:
    before = time.time()
    head = objects.put("t/a", BODY)
    assert objects.get("t/a") == BODY
    assert (head.key, head.size) == ("t/a", 1024)
    assert head.etag == hashlib.md5(BODY, usedforsecurity=False).hexdigest()
    assert head.version_id
    assert before - 2 <= head.modified_at <= time.time() + 2


@pytest.mark.parametrize(
    "key", ["a", "a/b//c", "ü/世/🐟", "with space+%2F&?#", "x" * 1024, "é" * 512], ids=lambda k: k[:20]
)
def test_keys(objects: ObjectStore, key: str) -> None:
    objects.put(key, b"body")
    assert objects.get(key) == b"body"
    assert [head.key for head in objects.list("")] == [key]
    objects.delete([key])
    assert objects.head(key) is None


@pytest.mark.parametrize("key", ["", "x" * 1025, "é" * 513], ids=len)
def test_keys_that_cannot_be(objects: ObjectStore, key: str) -> None:
    with pytest.raises(ValueError):
        objects.put(key, b"")
    with pytest.raises(ValueError):
        objects.get(key)
    with pytest.raises(ValueError):
        objects.head(key)
    with pytest.raises(ValueError):
        objects.delete(["fine", key])


def test_an_empty_object(objects: ObjectStore) -> None:
    assert objects.put("a", b"").size == 0
    assert objects.get("a") == b""
    found = objects.head("a")
    assert found is not None
    assert found.size == 0


def test_a_memoryview_that_changes_afterwards(objects: ObjectStore) -> None:
    buffer = bytearray(b"0123456789")
    assert objects.put("a", memoryview(buffer)[2:6]).size == 4
    buffer[:] = b"x" * 10
    assert objects.get("a") == b"2345"


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 1), (0, 1024), (10, 20), (1023, 1024), (1000, 2000), (0, 10**12)]
)
def test_ranges(objects: ObjectStore, start: int, stop: int) -> None:
    objects.put("a", BODY)
    assert objects.get("a", byte_range=(start, stop)) == BODY[start:stop]


def test_a_range_behind_the_end(objects: ObjectStore) -> None:
    objects.put("a", BODY)
    objects.put("empty", b"")
    with pytest.raises(CorruptObject):
        objects.get("a", byte_range=(1024, 1025))
    with pytest.raises(CorruptObject):
        objects.get("empty", byte_range=(0, 1))


@pytest.mark.parametrize("byte_range", [(0, 0), (5, 5), (5, 4), (-1, 4), (-5, -1)])
def test_a_range_that_cannot_be(objects: ObjectStore, byte_range: tuple[int, int]) -> None:
    objects.put("a", BODY)
    with pytest.raises(ValueError):
        objects.get("a", byte_range=byte_range)


def test_missing(objects: ObjectStore) -> None:
    with pytest.raises(ObjectMissing):
        objects.get("a")
    with pytest.raises(ObjectMissing):
        objects.get("a", byte_range=(0, 1))
    assert objects.head("a") is None
    objects.put("a", b"")
    with pytest.raises(ObjectMissing):
        objects.get("a", version_id="00000000-0000-0000-0000-000000000000")
    assert objects.head("a", version_id="00000000-0000-0000-0000-000000000000") is None


def test_head(objects: ObjectStore) -> None:
    put = objects.put("a", BODY)
    found = objects.head("a")
    assert found is not None
    assert (found.key, found.size, found.etag, found.version_id) == (
        put.key,
        put.size,
        put.etag,
        put.version_id,
    )
    assert abs(found.modified_at - put.modified_at) < 2


def test_versions(objects: ObjectStore) -> None:
    first = objects.put("a", b"first")
    second = objects.put("a", b"second!")
    assert first.version_id != second.version_id
    assert objects.get("a") == b"second!"
    assert objects.get("a", version_id=first.version_id) == b"first"
    assert objects.get("a", version_id=first.version_id, byte_range=(1, 3)) == b"ir"
    old = objects.head("a", version_id=first.version_id)
    assert old is not None
    assert (old.size, old.version_id) == (5, first.version_id)


def test_a_deleted_object_keeps_its_versions(objects: ObjectStore) -> None:
    put = objects.put("a", b"first")
    objects.delete(["a"])
    with pytest.raises(ObjectMissing):
        objects.get("a")
    assert objects.head("a") is None
    assert list(objects.list("")) == []
    assert objects.get("a", version_id=put.version_id) == b"first"


def test_the_first_put_wins(objects: ObjectStore) -> None:
    objects.put("a", b"one", if_none_match=True)
    with pytest.raises(PreconditionFailed):
        objects.put("a", b"two", if_none_match=True)
    assert objects.get("a") == b"one"
    objects.put("a", b"three")
    assert objects.get("a") == b"three"


def test_the_first_put_after_a_delete_wins_too(objects: ObjectStore) -> None:
    objects.put("a", b"one")
    objects.delete(["a"])
    objects.put("a", b"two", if_none_match=True)
    assert objects.get("a") == b"two"


def test_of_many_first_puts_one_wins(objects: ObjectStore) -> None:
    won: list[int] = []

    def put(n: int) -> None:
        try:
            objects.put("a", str(n).encode(), if_none_match=True)
        except (PreconditionFailed, StorageBusy):
            return
        won.append(n)

    threads = [threading.Thread(target=put, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(won) == 1
    assert objects.get("a") == str(won[0]).encode()


@pytest.mark.parametrize(
    "sizes",
    [(), (0,), (10, 0, 20), (8 << 20,), (8 << 20, 1), (1 << 20,) * 17, (20 << 20,)],
    ids=["none", "empty", "small", "one part", "a byte more", "many pieces", "one piece"],
)
def test_an_object_in_pieces(objects: ObjectStore, sizes: tuple[int, ...]) -> None:
    pieces = [bytes([number % 251]) * size for number, size in enumerate(sizes)]
    head = objects.put_pieces("t/a", iter(pieces))
    body = b"".join(pieces)
    assert objects.get("t/a") == body
    found = objects.head("t/a")
    assert found is not None
    assert (head.key, head.size, head.etag, head.version_id) == (
        "t/a",
        len(body),
        found.etag,
        found.version_id,
    )
    assert abs(head.modified_at - time.time()) < 5


def test_of_pieces_that_break_off_nothing_is_seen(objects: ObjectStore) -> None:
    def broken() -> Iterator[bytes]:
        yield from [bytes(8 << 20)] * 2
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        objects.put_pieces("t/a", broken())
    assert objects.head("t/a") is None
    assert list(objects.list("")) == []


def test_list_is_in_byte_order_and_of_the_prefix_only(objects: ObjectStore) -> None:
    keys = ["t/A", "t/a", "t/a/1", "t/a/10", "t/a/2", "t/ab", "t/é", "t/世", "u"]
    for key in reversed(keys):
        objects.put(key, key.encode())
    assert [head.key for head in objects.list("")] == keys
    assert [head.key for head in objects.list("t/a/")] == ["t/a/1", "t/a/10", "t/a/2"]
    assert [head.key for head in objects.list("t/a")] == ["t/a", "t/a/1", "t/a/10", "t/a/2", "t/ab"]
    assert list(objects.list("nothing")) == []
    found = next(objects.list("t/世"))
    assert (found.size, found.version_id) == (5, None)
    assert found.etag == hashlib.md5("t/世".encode(), usedforsecurity=False).hexdigest()


def test_list_and_delete_more_than_a_thousand(objects: ObjectStore) -> None:
    keys = [f"t/{n:05}" for n in range(1005)]
    for key in keys:
        objects.put(key, b"")
    assert [head.key for head in objects.list("t/")] == keys
    objects.delete([*keys[:1003], "t/missing"])
    assert [head.key for head in objects.list("t/")] == keys[1003:]
    objects.delete([])
    objects.delete(["t/missing"])
