"""Bodies of derived datasets: what they are made of, and the runs that make them."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from shoal.http.native.types import Body, Timestamp, shown_as
from shoal.model.derivations import MAX_TERM_FIELDS

_TERMS = {"list": "sensitive", "fields": ["title", "description", "tags[].name"]}


class _Strict(Body):
    """A misspelt condition must not mean that there is none."""

    model_config = ConfigDict(extra="forbid")


class TermsOfFields(_Strict):
    """Records to leave out: those that hold a term of the list, as whole words, in one of the fields.

    A field is a path of metadata: `title`, `author.name`, or `tags[].name` for a field of each element of a list.
    The list is taken as it is now; to use it as it is later, derive once more.
    """

    fields: list[str] = Field(min_length=1, max_length=MAX_TERM_FIELDS)
    list: str


class DeriveIn(_Strict):
    """A dataset to be: the records of the source that the `filter` matches and that hold none of the `terms`.

    With neither it has all records as they are now. With `follow` it is kept in step with the source, and takes no
    other writes.
    """

    model_config = ConfigDict(extra="forbid") | shown_as(
        {"name": "products-cheap", "filter": {"price": {"$lt": 20}}, "follow": True},
        {"name": "products-safe", "terms": _TERMS},
    )

    name: str
    filter: dict[str, Any] | None = None
    terms: TermsOfFields | None = None
    follow: bool = False


class RemovedByTerm(Body):
    """How many records hold a term, as whole words; one that holds several counts for each."""

    term: str
    records: int


class DerivationOut(Body):
    """A run that makes a derived dataset, for the first time or as a `rebuild`.

    `progress` goes from 0 to 100. Of the `rows_total` records that the source has in `source_version`,
    `rows_removed` are left out; `removed_by_term` has the terms that removed most. `strategy` is `mask` where the
    stored rows are shared with the source; with `rewrite` those that are left are written anew once all is there:
    queries become faster then, and nothing else changes.
    """

    derivation_id: str
    dataset: str
    source: str
    status: Literal["running", "completed", "failed", "cancelled"]
    stage: str
    progress: float
    rows_total: int
    rows_removed: int
    removed_by_term: list[RemovedByTerm]
    strategy: Literal["mask", "rewrite"] | None
    source_version: int | None
    follow: bool
    rebuild: bool
    created_at: Timestamp
    completed_at: Timestamp | None
    error_message: str | None


class TermsTaken(Body):
    """A list of terms as it was taken: how many there were, and the fields that were looked at."""

    fields: list[str]
    count: int
    list: str | None


class DerivedFrom(Body):
    """What a dataset is made of. It holds what `source_version` had, and is behind where that is not
    `source_newest`, which is null once the source is deleted. `error_message` is why it does not follow for now.
    """

    source: str
    source_version: int | None
    source_newest: int | None
    filter: dict[str, Any] | None
    terms: TermsTaken | None
    follow: bool
    built_at: Timestamp | None
    rows_removed: int
    removed_by_term: list[RemovedByTerm]
    strategy: Literal["mask", "rewrite"] | None
    error_message: str | None


class DerivedOut(Body):
    """A dataset that is made of this one. One that `follows` holds all of `synced_version`."""

    dataset: str
    kind: Literal["derived", "content"]
    follows: bool
    synced_version: int


class LineageOut(Body):
    """Where a dataset comes from and the run that began last (null: from nowhere); and what is `derived` of it."""

    dataset: str
    derived_from: DerivedFrom | None
    last_run: DerivationOut | None
    derived: list[DerivedOut]
