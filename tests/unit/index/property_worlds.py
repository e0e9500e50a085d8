"""Rows and filters for the index of properties, and the scan that it has to agree with."""

from collections.abc import Sequence
from typing import Any

import orjson
from hypothesis import strategies as st

from shoal.index.properties import PropertyFront, check_section, encode_properties
from shoal.index.properties_blocks import BlockSizes
from shoal.model.filters import parse_filter
from shoal.model.selection import Selection

TINY = BlockSizes(block_bytes=40, bitmap_rows=3)
"""So small that a handful of rows makes several blocks of each form."""

INTS = st.one_of(
    st.integers(-3, 3),
    st.sampled_from(
        [2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**62, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1]
    ),
    st.sampled_from([-(2**63), -(2**63) + 1, -(2**62)]),
    st.integers(-(2**63), 2**64 - 1),
)
FLOATS = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 1.5, 2.0**53, 2.0**53 + 2, 2.0**63, 2.0**64, -(2.0**63), 1e300, 5e-324]),
    st.floats(allow_nan=False, allow_infinity=False),
)
STRINGS = st.one_of(
    st.sampled_from(
        ["", "a", "ab", "abc", "b", "1", "true", "é", "e\u0301", "\x00", "\uffff", "\U0001f642", "zz"]
    ),
    st.text(st.characters(codec="utf-8"), max_size=4),
    st.sampled_from(["same beginning " + str(n) for n in range(8)]),
    st.sampled_from(["x" * 256, "x" * 255 + "y"]),
    st.sampled_from(["a b", "B a, b", "abc b zz", "É zz", "same beginning"]),
)
PATTERNS = st.lists(st.sampled_from(["*", "?", "a", "b", "same", "\\z", " "]), max_size=4).map("".join)
LONG_STRINGS = st.sampled_from(["x" * 257, "x" * 5000])
VALUES = st.one_of(st.none(), st.booleans(), INTS, FLOATS, STRINGS)
ROW_KEYS = st.sampled_from(["a", "b", "a.b", "", ".", "a.b.c", "c", "$gt"])
METADATA = st.dictionaries(
    ROW_KEYS,
    st.recursive(
        VALUES,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ROW_KEYS, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)
PATHS = st.sampled_from(
    [
        "a",
        "b",
        "a.b",
        "",
        ".",
        "..",
        "a.",
        ".a",
        "a.b.c",
        "b.a",
        "c",
        "c.a.b",
        "a.$gt",
        "nowhere",
        "b.a.b.c.a",
    ]
)
TEXT_OPERATORS = ("$match", "$phrase", "$wildcard", "$like")
KNOWN = st.one_of(st.booleans(), INTS, FLOATS, STRINGS)
OPERATORS = st.one_of(
    st.tuples(st.sampled_from(["$eq"]), VALUES),
    st.tuples(st.sampled_from(["$ne"]), KNOWN),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(KNOWN, max_size=5)),
    st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), INTS | FLOATS | STRINGS),
    st.tuples(st.just("$exists"), st.booleans()),
    st.tuples(st.sampled_from(["$startsWith", "$match", "$phrase"]), STRINGS),
    st.tuples(st.sampled_from(["$wildcard", "$like"]), STRINGS | PATTERNS),
)
CONDITIONS = st.dictionaries(
    PATHS,
    VALUES
    | st.lists(OPERATORS, min_size=1, max_size=3).map(dict)
    | OPERATORS.map(lambda pair: {"$not": dict([pair])}),
    max_size=2,
)
FILTERS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    CONDITIONS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(lambda parts: {"$and": parts}),
        st.lists(inner, min_size=1, max_size=4).map(lambda parts: {"$or": parts}),
        inner.map(lambda part: {"$not": part}),
    ),
    max_leaves=6,
)


def values_in(rows: Sequence[dict[str, Any]]) -> list[Any]:
    """All scalars but null anywhere in the rows: what filters that match are made of."""
    found: list[Any] = []

    def look(value: Any) -> None:
        if isinstance(value, dict | list):
            for inner in value.values() if isinstance(value, dict) else value:
                look(inner)
        elif value is not None:
            found.append(value)

    look(list(rows))
    return found


@st.composite
def met(draw: st.DrawFn, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A condition with a value that is somewhere in the rows, or next to one."""
    there = values_in(rows)
    value = draw(st.sampled_from(there)) if there else 1
    operator = draw(
        st.sampled_from(
            ["$eq", "$ne", "$in", "$nin", "$gt", "$gte", "$lt", "$lte", "$startsWith", *TEXT_OPERATORS]
        )
    )
    if isinstance(value, bool) and operator.startswith(("$g", "$l", "$s")):
        operator = "$eq"
    if operator == "$startsWith":
        value = value[: draw(st.integers(0, 4))] if isinstance(value, str) else "a"
    elif operator in TEXT_OPERATORS:
        value = value[draw(st.integers(0, 2)) :] if isinstance(value, str) else "a"
        if operator in {"$wildcard", "$like"}:
            value = draw(
                st.sampled_from([f"*{value[-200:]}", f"{value[:2]}*", f"{value[:1]}?{value[2:200]}"])
            )
    elif operator in {"$in", "$nin"}:
        value = [value, *draw(st.lists(st.sampled_from(there), max_size=3))] if there else [value]
    elif isinstance(value, int) and not isinstance(value, bool) and operator not in {"$eq", "$ne"}:
        as_float = float(value)
        value = draw(st.sampled_from([value, as_float, max(value - 1, -(2**63)), min(value + 1, 2**64 - 1)]))
    elif isinstance(value, float) and operator not in {"$eq", "$ne"} and abs(value) < 2**63:
        value = draw(st.sampled_from([value, int(value), int(value) + 1]))
    return {draw(PATHS): {operator: value}}


class Indexed:
    """Rows with their index, asked as a query does: front, then sections by their places."""

    def __init__(
        self, rows: Sequence[dict[str, Any]], namespaces: Sequence[str] | None = None, **options: Any
    ):
        self.raw = [orjson.dumps(row) for row in rows]
        self.namespaces = namespaces or [""] * len(rows)
        self.front_bytes, self.sections = encode_properties(self.raw, namespaces, **options)
        self.front = PropertyFront.parse(self.front_bytes)

    def ask(self, selection: Selection | dict[str, Any]) -> list[int] | None:
        """The rows that the index finds; None where it cannot tell."""
        if isinstance(selection, dict):
            selection = Selection(filter=parse_filter(selection))
        places = self.front.sections_for(selection)
        bounds = self.front.bounds(selection)
        if places is None:
            assert bounds is None
            return None
        assert places == sorted(set(places))
        read = {place: check_section(self.sections[place.start : place.stop], place) for place in places}
        found = self.front.matching(selection, read)
        assert bounds is not None
        assert 0 <= bounds[0] <= len(found) <= bounds[1] <= len(self.raw)
        return list(found)

    def scan(self, selection: Selection | dict[str, Any]) -> list[int]:
        """The rows that match one by one."""
        if isinstance(selection, dict):
            selection = Selection(filter=parse_filter(selection))
        return [
            row
            for row, raw in enumerate(self.raw)
            if selection.matches(record_id="", namespace=self.namespaces[row], metadata=orjson.loads(raw))
        ]
