"""What a queue refuses: both adapters make the text of a message here."""

import json
import re
from collections.abc import Mapping

MAX_MESSAGE_BYTES = 1024 * 1024
MAX_DELAY_SECONDS = 900
_GROUP = re.compile(r"[!-~]{1,128}")


def message_text(message: Mapping[str, str], *, group: str, delay_seconds: int) -> str:
    """The body of a message, as JSON.

    Raises:
        ValueError: over 1 MiB, a delay over 15 minutes, or a group that SQS does not take.
        TypeError: a key or a value that is no string.
    """
    if not _GROUP.fullmatch(group):
        raise ValueError(f"a group has 1 to 128 visible ASCII characters: {group!r}")
    if not 0 <= delay_seconds <= MAX_DELAY_SECONDS:
        raise ValueError(f"a delay has 0 to {MAX_DELAY_SECONDS} seconds: {delay_seconds}")
    if not all(isinstance(part, str) for pair in message.items() for part in pair):
        raise TypeError("a message holds only strings")
    text = json.dumps(dict(message), separators=(",", ":"))
    if len(text) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {len(text)} bytes, over {MAX_MESSAGE_BYTES}")
    return text
