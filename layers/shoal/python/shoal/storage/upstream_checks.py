"""What is asked of somebody else's bucket before anything is: both adapters ask here first."""

import re

from shoal.errors import InvalidInput

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_OTHER_PREFIXES = ("xn--", "sthree-")
_OTHER_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
"""Names that S3 keeps for what is no bucket, or not one of this kind: an alias of an access point, for one, which
may lead to any bucket, ours too.
"""


def check_bucket(bucket: str, *, own: str) -> None:
    """Refuse a name that is no bucket's, or `own`, the name of ours.

    Raises:
        InvalidInput: `invalid_bucket`, or `own_bucket`.
    """
    if (
        not _BUCKET.fullmatch(bucket)
        or ".." in bucket
        or bucket.startswith(_OTHER_PREFIXES)
        or bucket.endswith(_OTHER_SUFFIXES)
    ):
        raise InvalidInput(
            "invalid_bucket",
            f"{bucket:.80} is not the name of a bucket, as access points and aliases are not",
        )
    if bucket == own:
        raise InvalidInput(
            "own_bucket", "this is the bucket of Shoal itself: records are pulled from buckets of others only"
        )
