"""Other people's buckets: listed in order, copied as listed, and never ours."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shoal.errors import InvalidInput, NotFound, StorageBusy, StorageError
from shoal.storage.ports import UpstreamObject
from shoal.storage.upstream_checks import check_bucket
from tests.contract.stores import Aws
from tests.contract.upstream_stores import PART, UpstreamUnderTest, aws_upstream, memory_upstream

TO = "staging/t/ten_1/d/imp_1/upload"


@pytest.fixture
def theirs(backend: str, aws: Aws) -> UpstreamUnderTest:
    """A bucket of somebody else's."""
    return memory_upstream() if backend == "memory" else aws_upstream(aws)


def only(theirs: UpstreamUnderTest, prefix: str = "") -> UpstreamObject:
    (found,) = theirs.upstream.list(theirs.bucket, prefix)
    return found


def test_objects_are_listed_in_the_order_of_their_keys(theirs: UpstreamUnderTest) -> None:
    for key in ("dump/b", "dump/a é+&%20 x", "dump/a/1", "other/c", "dump"):
        theirs.put(key, key.encode())
    found = list(theirs.upstream.list(theirs.bucket, "dump/"))
    assert [each.key for each in found] == ["dump/a é+&%20 x", "dump/a/1", "dump/b"]
    assert [each.size for each in found] == [len(each.key.encode()) for each in found]
    assert all(each.etag and '"' not in each.etag and each.modified_at > 0 for each in found)


def test_more_objects_than_one_page_lists(theirs: UpstreamUnderTest) -> None:
    for number in range(1003):
        theirs.put(f"{number:05}", b"")
    assert [each.key for each in theirs.upstream.list(theirs.bucket, "")] == [f"{n:05}" for n in range(1003)]


def test_nothing_below_a_prefix(theirs: UpstreamUnderTest) -> None:
    assert list(theirs.upstream.list(theirs.bucket, "none/")) == []


@pytest.mark.parametrize(
    "body", [b"", b"all of it", bytes(range(256)) * (PART // 256) + b"x", bytes(2 * PART)]
)
def test_a_copy_is_the_object(theirs: UpstreamUnderTest, body: bytes) -> None:
    theirs.put("dump/a é+&%20 x", body)
    theirs.upstream.copy(theirs.bucket, only(theirs), to=TO)
    assert theirs.objects.get(TO) == body


@pytest.mark.parametrize("size", [4, PART + 4])
def test_an_object_that_was_replaced_is_not_copied(
    theirs: UpstreamUnderTest, size: int, moto_cannot: Callable[[str], None]
) -> None:
    moto_cannot("it copies whatever is there, whatever ETag was asked for")
    theirs.put("a", b"old!" + bytes(size - 4))
    listed = only(theirs)
    theirs.put("a", b"new!" + bytes(size - 4))
    with pytest.raises(NotFound) as caught:
        theirs.upstream.copy(theirs.bucket, listed, to=TO)
    assert caught.value.code == "object_not_found"
    assert theirs.objects.head(TO) is None


@pytest.mark.parametrize("size", [1, PART + 1])
def test_an_object_that_is_gone(theirs: UpstreamUnderTest, size: int) -> None:
    with pytest.raises(NotFound) as caught:
        theirs.upstream.copy(theirs.bucket, UpstreamObject("a", size, "0" * 32, 0.0), to=TO)
    assert caught.value.code == "object_not_found"


def test_a_bucket_that_is_not_there(theirs: UpstreamUnderTest) -> None:
    with pytest.raises(NotFound) as caught:
        list(theirs.upstream.list("no-such-bucket-of-theirs", ""))
    assert caught.value.code == "bucket_not_found"


def test_our_own_bucket_is_refused(theirs: UpstreamUnderTest) -> None:
    theirs.objects.put("t/secret", b"of another tenant")
    with pytest.raises(InvalidInput) as caught:
        list(theirs.upstream.list(theirs.own, "t/"))
    assert caught.value.code == "own_bucket"
    with pytest.raises(InvalidInput):
        theirs.upstream.copy(theirs.own, UpstreamObject("t/secret", 17, "e", 0.0), to=TO)
    assert theirs.objects.head(TO) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "A-Bucket",
        "a_b_c",
        "a..b",
        "-abc",
        "arn:aws:s3:eu-central-1:123456789012:accesspoint/mine",
        "mine-abcdefghijklmnopqrstuvwxyz012345-s3alias",
        "mine--ol-s3",
        "mfzwi23gnjvgw.mrap",
        "express--use1-az4--x-s3",
        "xn--bucket",
        "a/b",
        "x" * 64,
        "bucket\n",
    ],
)
def test_names_of_no_bucket(theirs: UpstreamUnderTest, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        theirs.upstream.check(name)
    assert caught.value.code == "invalid_bucket"
    with pytest.raises(InvalidInput):
        list(theirs.upstream.list(name, ""))


@pytest.mark.parametrize("name", ["abc", "my.bucket.example", "0-0", "x" * 63])
def test_names_of_buckets(name: str) -> None:
    check_bucket(name, own="shoal")


class TestOverAws:
    """What only S3 answers: that we may not."""

    @pytest.fixture
    def refusing(self, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Any:
        """S3 that answers a code to every request of an upstream."""

        def make(code: str, status: int) -> UpstreamUnderTest:
            theirs = aws_upstream(aws)

            def refuse(**_: object) -> None:
                answer: Any = {
                    "Error": {"Code": code, "Message": "no"},
                    "ResponseMetadata": {"HTTPStatusCode": status},
                }
                raise ClientError(answer, "Any")

            for name in ("list_objects_v2", "copy_object", "upload_part_copy"):
                monkeypatch.setattr(aws.s3, name, refuse)
            return theirs

        return make

    @pytest.mark.parametrize(
        ("code", "status", "told"),
        [
            ("AccessDenied", 403, "bucket_not_readable"),
            ("403", 403, "bucket_not_readable"),
            ("InvalidObjectState", 403, "object_not_readable"),
        ],
    )
    @pytest.mark.parametrize("size", [1, PART + 1])
    def test_a_refusal_is_told(self, refusing: Any, code: str, status: int, told: str, size: int) -> None:
        theirs = refusing(code, status)
        with pytest.raises(InvalidInput) as caught:
            theirs.upstream.copy(theirs.bucket, UpstreamObject("a", size, "e", 0.0), to=TO)
        assert caught.value.code == told
        with pytest.raises(InvalidInput):
            list(theirs.upstream.list(theirs.bucket, ""))

    def test_a_refusal_names_the_setting(self, refusing: Any) -> None:
        theirs = refusing("AccessDenied", 403)
        with pytest.raises(InvalidInput) as caught:
            list(theirs.upstream.list(theirs.bucket, ""))
        assert "ingest_buckets" in caught.value.message
        assert theirs.bucket in caught.value.message

    @pytest.mark.parametrize(
        ("code", "status", "error"),
        [("SlowDown", 503, StorageBusy), ("PermanentRedirect", 301, StorageError)],
    )
    def test_all_else_is_an_error_of_storage(
        self, refusing: Any, code: str, status: int, error: type[Exception]
    ) -> None:
        theirs = refusing(code, status)
        with pytest.raises(error):
            list(theirs.upstream.list(theirs.bucket, ""))

    def test_a_copy_that_fails_leaves_no_parts(self, aws: Aws, refusing: Any) -> None:
        theirs = refusing("AccessDenied", 403)
        with pytest.raises(InvalidInput):
            theirs.upstream.copy(theirs.bucket, UpstreamObject("a", PART + 1, "e", 0.0), to=TO)
        assert "Uploads" not in aws.s3.list_multipart_uploads(Bucket=theirs.own)

    @pytest.mark.parametrize(("size", "operation"), [(1, "CopyObject"), (PART + 1, "UploadPartCopy")])
    def test_s3_is_asked_to_compare_the_etag(self, aws: Aws, size: int, operation: str) -> None:
        asked: list[dict[str, Any]] = []

        def note(params: dict[str, Any], **_: object) -> None:
            asked.append(dict(params))

        theirs = aws_upstream(aws)
        theirs.put("a", bytes(size))
        listed, hook = only(theirs), f"provide-client-params.s3.{operation}"
        aws.s3.meta.events.register(hook, note)
        try:
            theirs.upstream.copy(theirs.bucket, listed, to=TO)
        finally:
            aws.s3.meta.events.unregister(hook, note)
        assert {request["CopySourceIfMatch"] for request in asked} == {f'"{listed.etag}"'}
        assert len(asked) == -(-size // PART)

    def test_their_metadata_stays_behind(self, aws: Aws) -> None:
        theirs = aws_upstream(aws)
        theirs.put("a", b"x")
        theirs.upstream.copy(theirs.bucket, only(theirs), to=TO)
        assert aws.s3.head_object(Bucket=theirs.own, Key=TO)["Metadata"] == {}
