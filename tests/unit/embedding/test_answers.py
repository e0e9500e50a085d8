"""What is taken of a provider's answer in JSON."""

import numpy as np
import pytest

from shoal.embedding.answers import NO_TOKENS, NOT_UNICODE, read_vectors, why_not
from shoal.errors import ModelFailed
from tests.unit.embedding.test_calling import SPEC


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", NO_TOKENS),
        (" \t\r\n\u2003", NO_TOKENS),
        ("a\ud800", NOT_UNICODE),
        ("a", None),
        ("\x00", None),
        ("🙂", None),
    ],
)
def test_why_a_text_has_no_vector(text: str, reason: str | None) -> None:
    assert why_not(text) == reason


def test_rows_of_json_become_vectors() -> None:
    found = read_vectors(SPEC, [[1, 0.5], [1e39, -1]], 2)
    assert found.dtype == np.float32
    assert found[0].tolist() == [1, 0.5]
    assert not np.isfinite(found[1, 0])
    assert np.isnan(read_vectors(SPEC, [[None, 1]], 1)[0, 0])
    assert read_vectors(SPEC, [], 0).shape == (0, 2)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (None, "no vectors"),
        ({}, "no vectors"),
        ([[1, 2]], "answered 1 vectors to 2 texts"),
        ([[1, 2], [1, 2, 3]], "of 3 dimensions"),
        ([[1, 2, 3], [1, 2, 3]], "of 3 dimensions, it is set up with 2"),
        ([[], []], "of 0 dimensions"),
        ([1, 2], "lists of numbers"),
        ([["1", "2"], ["3", "4"]], "lists of numbers"),
        ([[True, 1], [1, 1]], "lists of numbers"),
        ([[[1, 2]], [[1, 2]]], "lists of numbers"),
        (["12", "34"], "lists of numbers"),
        ([[{}, 1], [1, 1]], "lists of numbers"),
    ],
)
def test_other_rows_fail(rows: object, message: str) -> None:
    with pytest.raises(ModelFailed, match=message):
        read_vectors(SPEC, rows, 2)
