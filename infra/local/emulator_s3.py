"""What of the emulator's S3 is replaced. Runs in its environment, on 1.5.33 only."""
# ruff: noqa: SLF001 - the emulator offers no other way in; its version is pinned and asserted

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from ministack.services import s3


def read_ranges_of_versions() -> None:
    """The emulator answers a GET that names a version with all of it, whatever range is asked for."""
    own = s3._get_object

    def get_object(
        bucket: str, key: str, headers: Mapping[str, str], query: Mapping[str, Any] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        status, answered, body = own(bucket, key, headers, query)
        asked = headers.get("range", "")
        if status != HTTPStatus.OK or not asked:
            return status, answered, body
        found = s3._parse_range(asked, len(body))
        if found is None:
            refused = {"Content-Type": "application/xml", "Content-Range": f"bytes */{len(body)}"}
            error = s3._xml_body(s3._range_error_xml(bucket, key))
            return HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, refused, error
        first, last = found
        part = body[first : last + 1]
        return (
            HTTPStatus.PARTIAL_CONTENT,
            {
                **{name: value for name, value in answered.items() if not _is_of_all(name)},
                "Content-Length": str(len(part)),
                "Content-Range": f"bytes {first}-{last}/{len(body)}",
            },
            part,
        )

    s3._get_object = get_object


def _is_of_all(header: str) -> bool:
    """Whether a header holds a checksum of the whole object, which a range has not."""
    return header.lower().startswith("x-amz-checksum-")
