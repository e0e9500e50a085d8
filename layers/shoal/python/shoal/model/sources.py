"""Places that an operator lets records be pulled from: a folder, or an object, of somebody else's bucket."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from shoal.errors import InvalidInput
from shoal.model.imports import ImportFormat

MAX_PREFIX_BYTES = 900
"""UTF-8 bytes; a key has 1,024, and below the folder are names yet."""


@dataclass(frozen=True, slots=True)
class UpstreamSource:
    """Where records of one media type come from, and what their files are. `created_at` is in epoch seconds."""

    model: str
    bucket: str
    prefix: str
    format: ImportFormat
    created_at: float

    @property
    def url(self) -> str:
        """As it was given: ``s3://bucket/prefix``."""
        return f"s3://{self.bucket}/{self.prefix}"

    def holds(self, key: str) -> bool:
        """Whether an object belongs to it: the one of that very key, and what is below it as a folder. Names that
        begin with a dot or an underline are notes of who wrote the others (`_SUCCESS`).
        """
        folder = self.prefix.rstrip("/") + "/" if self.prefix else ""
        if key != self.prefix and not key.startswith(folder):
            return False
        return not key.endswith("/") and not key.rsplit("/", 1)[-1].startswith((".", "_"))


def parse_s3_url(url: str) -> tuple[str, str]:
    """Bucket and prefix of ``s3://bucket/prefix``; the prefix may be empty.

    Raises:
        InvalidInput: code `invalid_source`.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    bucket = parts.netloc
    prefix = url.removeprefix(f"s3://{bucket}").removeprefix("/")
    if parts.scheme != "s3" or not bucket or "@" in bucket or ":" in bucket:
        raise InvalidInput("invalid_source", "a source is written s3://bucket/folder")
    if len(prefix.encode()) > MAX_PREFIX_BYTES:
        raise InvalidInput("invalid_source", f"the folder of a source has at most {MAX_PREFIX_BYTES} bytes")
    return bucket, prefix
