"""What of a projection is embedded."""

from typing import Any

import pytest

from shoal.errors import InvalidInput
from shoal.model.content_texts import plain
from shoal.model.templates import MAX_DEPTH, text_of


@pytest.mark.parametrize(
    ("projected", "text"),
    [
        ({"_id": "x", "_type": "movie", "_rev": "r", "title": "A film"}, "A film"),
        ({"title": "A film", "poster": {"_type": "image", "asset": {"_ref": "image-1"}}}, "A film"),
        ({"kind": "movie", "tags": ["a", "b"]}, "movie\na, b"),
        ({"slug": {"_type": "slug", "current": "a-film"}}, "a-film"),
        ({"year": 1999, "_key": "k"}, ""),
        ({}, ""),
    ],
)
def test_what_people_wrote(projected: dict[str, Any], text: str) -> None:
    assert text_of(plain(projected), None) == text


def test_portable_text_is_its_text() -> None:
    body = [
        {
            "_type": "block",
            "_key": "1",
            "style": "normal",
            "markDefs": [],
            "children": [
                {"_type": "span", "_key": "2", "marks": ["strong"], "text": "Bold"},
                {"_type": "span", "_key": "3", "marks": [], "text": " and plain."},
                {"_type": "emoji", "_key": "4"},
                "not a child",
            ],
        },
        {"_type": "image", "asset": {"_ref": "image-1"}, "alt": "a picture"},
    ]
    assert text_of(plain({"body": body}), None) == "Bold and plain., a picture"


@pytest.mark.parametrize("kind", [dict, list])
def test_what_nests_too_deeply_is_refused(kind: type) -> None:
    def nested(levels: int) -> Any:
        value: Any = "at the bottom"
        for _ in range(levels):
            value = {"in": value} if kind is dict else [value]
        return value

    assert text_of(plain(nested(MAX_DEPTH)), None) == "at the bottom"
    for levels in (MAX_DEPTH + 1, 10 * MAX_DEPTH):
        with pytest.raises(InvalidInput):
            text_of(plain(nested(levels)), None)
