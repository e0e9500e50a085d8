"""Moments as catalogues write them: ISO 8601, as PostgreSQL prints timestamps, or epoch seconds."""

import math
import re
from datetime import UTC, datetime
from typing import Any

_SHORT_OFFSET = re.compile(r"([+-]\d{2})$")
_SPACED_OFFSET = re.compile(r"\s+(?=[+-]\d{2}|Z$|UTC$)")
_NEVER = {"-infinity": -math.inf, "infinity": math.inf, "epoch": 0.0}
"""What PostgreSQL calls moments that no clock shows."""


def parse_moment(value: Any) -> float | None:
    """Epoch seconds of a moment; None where it is none. Without an offset it is of UTC; a date begins at midnight.

    Args:
        value: a number of epoch seconds, or a text such as `2023-11-06`, `2023-11-06T12:00:00Z` or
            `2023-11-06 12:00:00.123456+00`.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    if not isinstance(value, str):
        return None
    text = value.strip()
    if text.lower() in _NEVER:
        return _NEVER[text.lower()]
    text = _SPACED_OFFSET.sub("", text).removesuffix("UTC")
    if ":" in text:
        text = _SHORT_OFFSET.sub(r"\1:00", text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
