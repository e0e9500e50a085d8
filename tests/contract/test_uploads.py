"""Uploads: what an address allows and for how long, and multipart uploads that become an object whole or not."""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shoal.errors import InvalidInput
from tests.contract.stores import Aws, UploadsUnderTest

KEY = "staging/t/ten_1/d/imp_1/upload"
TYPE = "application/octet-stream"
PART = bytes(5 * 1024 * 1024)


def started(uploads: UploadsUnderTest) -> str:
    return uploads.uploads.start_parts(KEY, content_type=TYPE)


def refused(uploads: UploadsUnderTest, upload_id: str, parts: list[tuple[int, str]]) -> None:
    with pytest.raises(InvalidInput) as caught:
        uploads.uploads.join_parts(KEY, upload_id=upload_id, parts=parts)
    assert caught.value.code == "invalid_parts"
    assert KEY not in caught.value.message
    assert uploads.objects.head(KEY) is None


def test_an_address_holds_as_long_as_it_says(uploads: UploadsUnderTest) -> None:
    before = time.time()
    target = uploads.uploads.put_target(KEY, content_type=TYPE, seconds=600)
    assert KEY in target.url
    assert before + 598 <= target.expires_at <= time.time() + 600


@pytest.mark.parametrize("seconds", [-1, 0, 3601])
def test_an_address_for_longer_than_a_session(uploads: UploadsUnderTest, seconds: int) -> None:
    with pytest.raises(ValueError):
        uploads.uploads.put_target(KEY, content_type=TYPE, seconds=seconds)
    with pytest.raises(ValueError):
        uploads.uploads.get_target(KEY, file_name="a", seconds=seconds)


def test_addresses_of_parts(uploads: UploadsUnderTest) -> None:
    targets = uploads.uploads.part_targets(KEY, upload_id=started(uploads), count=3, seconds=3600)
    assert len({target.url for target in targets}) == 3
    assert all(time.time() + 3595 < target.expires_at <= time.time() + 3600 for target in targets)
    assert all(KEY in target.url for target in targets)


def test_an_address_to_read(uploads: UploadsUnderTest) -> None:
    target = uploads.uploads.get_target("rejects/t/a", file_name="birds-rejected.jsonl", seconds=60)
    assert "rejects/t/a" in target.url
    assert "birds-rejected.jsonl" in target.url
    assert abs(target.expires_at - time.time() - 60) < 3


def test_parts_become_an_object(uploads: UploadsUnderTest) -> None:
    upload_id = started(uploads)
    etags = [uploads.put_part(KEY, upload_id, number, data) for number, data in ((1, PART), (2, b"end"))]
    assert uploads.objects.head(KEY) is None
    parts = list(enumerate(etags, start=1))
    uploads.uploads.join_parts(KEY, upload_id=upload_id, parts=parts)
    found = uploads.objects.head(KEY)
    assert found is not None
    assert uploads.objects.get(KEY) == PART + b"end"
    uploads.uploads.join_parts(KEY, upload_id=upload_id, parts=parts)
    assert uploads.objects.head(KEY) == found


def test_etags_without_quotes_and_parts_left_out(uploads: UploadsUnderTest) -> None:
    upload_id = started(uploads)
    for number in (1, 2, 4):
        etag = uploads.put_part(KEY, upload_id, number, PART).strip('"')
    uploads.uploads.join_parts(KEY, upload_id=upload_id, parts=[(4, etag)])
    assert uploads.objects.get(KEY) == PART


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param(lambda _: [], id="none"),
        pytest.param(lambda etags: [(1, etags[0]), (2, etags[0]), (3, etags[1])], id="one never sent"),
        pytest.param(lambda etags: [(1, '"00000000000000000000000000000000"'), (3, etags[1])], id="other"),
        pytest.param(lambda etags: [(3, etags[1]), (1, etags[0])], id="falling"),
        pytest.param(lambda etags: [(1, etags[0]), (1, etags[0])], id="twice"),
        pytest.param(lambda etags: [(0, etags[0])], id="zero"),
        pytest.param(lambda etags: [(10_001, etags[0])], id="too many"),
    ],
)
def test_parts_that_cannot_be_joined(
    uploads: UploadsUnderTest, listed: Callable[[list[str]], list[tuple[int, str]]]
) -> None:
    upload_id = started(uploads)
    etags = [uploads.put_part(KEY, upload_id, number, data) for number, data in ((1, PART), (3, b"end"))]
    refused(uploads, upload_id, listed(etags))
    uploads.uploads.join_parts(KEY, upload_id=upload_id, parts=[(1, etags[0]), (3, etags[1])])


def test_parts_that_are_too_small(uploads: UploadsUnderTest) -> None:
    upload_id = started(uploads)
    etags = [uploads.put_part(KEY, upload_id, number, b"small") for number in (1, 2)]
    refused(uploads, upload_id, list(enumerate(etags, start=1)))


def test_an_upload_that_was_given_up(uploads: UploadsUnderTest, moto_cannot: Callable[[str], None]) -> None:
    moto_cannot("joining an upload that was aborted crashes it")
    upload_id = started(uploads)
    etag = uploads.put_part(KEY, upload_id, 1, b"all")
    uploads.uploads.drop_parts(KEY, upload_id=upload_id)
    uploads.uploads.drop_parts(KEY, upload_id=upload_id)
    refused(uploads, upload_id, [(1, etag)])


class TestOverAws:
    """What only the real adapter does: sign."""

    def test_the_type_is_signed_and_the_session_is_the_roles(self, aws: Aws) -> None:
        url = aws.uploads().uploads.put_target(KEY, content_type=TYPE, seconds=600).url
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["X-Amz-SignedHeaders"] == "content-type;host"
        assert asked["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
        assert 598 <= int(asked["X-Amz-Expires"]) <= 600
        assert not asked["X-Amz-Credential"].startswith("testing")
        assert "X-Amz-Security-Token" in asked
        assert not [name for name in asked if "checksum" in name.lower()]

    def test_a_session_may_do_nothing_but_put_its_key(
        self, aws: Aws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[dict[str, Any]] = []
        uploads = aws.uploads()
        bucket = vars(uploads.objects)["_bucket"]
        aws.sts.meta.events.register(
            "provide-client-params.sts.AssumeRole", lambda params, **_: asked.append(params)
        )
        uploads.uploads.put_target(KEY, content_type=TYPE, seconds=3600)
        uploads.uploads.put_target(KEY, content_type=TYPE, seconds=60)
        assert [request["DurationSeconds"] for request in asked] == [3600, 900]
        assert json.loads(asked[0]["Policy"])["Statement"] == [
            {
                "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:AbortMultipartUpload"],
                "Resource": f"arn:aws:s3:::{bucket}/{KEY}",
            }
        ]

    @pytest.mark.parametrize("key", ["staging/*/upload", "staging/?/upload", "staging/${a}/upload"])
    def test_no_key_is_a_pattern(self, aws: Aws, key: str) -> None:
        with pytest.raises(ValueError):
            aws.uploads().uploads.put_target(key, content_type=TYPE, seconds=60)

    @pytest.mark.parametrize("name", ["", 'a"b', "a\nb", "ü", "a/b"])
    def test_no_file_name_breaks_the_header(self, aws: Aws, name: str) -> None:
        with pytest.raises(ValueError):
            aws.uploads().uploads.get_target(KEY, file_name=name, seconds=60)
