"""Log lines: JSON, fields, and the rule about exceptions."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from shoal import observability
from shoal.errors import CorruptObject, InvalidInput


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    logger = logging.getLogger(observability.PACKAGE)
    before = (list(logger.handlers), logger.level, logger.propagate)
    made = io.StringIO()
    observability.configure("test", stream=made)
    yield made
    observability.bind()
    logger.handlers, logger.level, logger.propagate = before


def last(stream: io.StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return line


def test_a_line_has_its_fields_and_those_bound(stream: io.StringIO) -> None:
    observability.bind(request_id="r-1")
    logging.getLogger("shoal.services.write").info("accepted", extra={"rows": 3})
    line = last(stream)
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "message": "accepted",
        "service": "test",
        "logger": "shoal.services.write",
        "request_id": "r-1",
        "rows": 3,
    }
    observability.bind(message_id="m")
    observability.log_event("next")
    assert "request_id" not in last(stream)


def test_levels_and_configuring_twice(stream: io.StringIO) -> None:
    observability.configure("test", "WARNING", stream=stream)
    observability.log_event("quiet")
    observability.log_event("loud", level=logging.WARNING)
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["loud"]


def test_what_json_cannot_hold_is_a_type_and_never_a_value(stream: io.StringIO) -> None:
    observability.log_event("odd", vector=np.array([0.125]), raw=b"planted")
    assert (last(stream)["vector"], last(stream)["raw"]) == ("ndarray", "bytes")


@pytest.mark.parametrize(
    ("error", "field", "value"),
    [
        (ValueError("planted"), "error_type", "builtins.ValueError"),
        (InvalidInput("a_code", "planted"), "error_code", "a_code"),
        (CorruptObject("t/x is corrupt"), "error_message", "t/x is corrupt"),
    ],
)
def test_exceptions(stream: io.StringIO, error: Exception, field: str, value: str) -> None:
    try:
        raise error
    except type(error):
        logging.getLogger("shoal.x").exception("failed")
    line = last(stream)
    assert line[field] == value
    assert any("test_exceptions" in frame for frame in line["stack"])
    assert "planted" not in stream.getvalue()
