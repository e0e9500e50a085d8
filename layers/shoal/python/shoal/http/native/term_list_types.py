"""Bodies of lists of terms."""

from pydantic import ConfigDict

from shoal.http.native.types import Body, Timestamp, shown_as


class TermsIn(Body):
    """The terms of a list. In place of this, a body of the type `text/plain` has a term a line."""

    model_config = ConfigDict(extra="forbid") | shown_as({"terms": ["running", "hot dog"]})

    terms: list[str]


class TermListSummary(Body):
    """A list of terms: how many, and when it was set; null where it never was."""

    name: str
    count: int
    updated_at: Timestamp | None


class TermListOut(TermListSummary):
    """A list with its terms: in small letters, white space as one space, each once, in the order given."""

    terms: list[str]


class TermLists(Body):
    """The lists that were set, by name."""

    term_lists: list[TermListSummary]
