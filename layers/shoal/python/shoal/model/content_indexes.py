"""Content indexes: what one selects of a dataset's documents, what it takes of each, and how far it is."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shoal.errors import InvalidInput
from shoal.model.content_documents import Document, is_published
from shoal.model.datasets import Dataset
from shoal.model.groq.filters import GroqFilter, parse_filter
from shoal.model.groq.projections import GroqProjection, parse_projection
from shoal.model.limits import MAX_NAME_CHARACTERS, MAX_TOP_K
from shoal.model.tasks import FailureStage

MAX_INDEXES = 100
"""Content indexes of one dataset: each change of a document is told to all of them."""
DEFAULT_RESULTS = 10
MAX_RESULTS = MAX_TOP_K
MAX_TYPES = 100
"""Types that one query asks for."""
_MAX_TYPE_CHARACTERS = 256
_NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_NAME_CHARACTERS}}}")
_SHOWN = 80


class IndexField(StrEnum):
    """Members of the metadata of a content index's records."""

    TYPE = "_type"
    VERSION = "version"
    """Which version of the document was embedded, as that orders versions."""


class IndexStatus(StrEnum):
    """How far a content index is. One whose build has failed stays `indexing` and says why (`error`)."""

    PENDING = "pending"
    INDEXING = "indexing"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class Selection:
    """The documents that a content index holds, and what of them is embedded."""

    filter: GroqFilter
    projection: GroqProjection

    def selects(self, document: Document) -> bool:
        """Whether a document belongs into the index: it is published, and the filter is true for it."""
        return is_published(document.document_id) and self.filter.matches(dict(document.body))


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """A content index as asked for: its name and its selection, checked."""

    name: str
    selection: Selection


@dataclass(frozen=True, slots=True)
class ContentIndex:
    """A content index as its owner sees it.

    `dataset` holds its vectors, `documents` the documents that it is made of. Of the `start_count` documents that
    it selected when it was made, `remaining_count` have not been tried yet; `failed_count` documents that it
    selects now are not in it. `error` says why its build has failed, or why it is behind. Times are epoch seconds.
    """

    dataset: Dataset
    documents: Dataset
    filter: str
    projection: str
    status: IndexStatus
    created_at: float
    updated_at: float
    start_count: int
    remaining_count: int
    failed_count: int
    error: str | None = None

    @property
    def name(self) -> str:
        """Its name, as it was given."""
        return self.dataset.name


@dataclass(frozen=True, slots=True)
class FailedDocument:
    """A document that an index selects and could not embed: in which step it failed, and why."""

    document_id: str
    reason: str
    stage: FailureStage


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """A document that a query found; `score` is from 0 to 1, higher is better."""

    document_id: str
    type: str
    score: float


# --- what is asked for ------------------------------------------------------------------------------------


def check_index(name: object, filter_text: object, projection_text: object) -> IndexSpec:
    """A content index to be made, if it can be: texts that are empty or absent select and take everything.

    Raises:
        InvalidInput: `invalid_index_name`; `invalid_filter`, `invalid_projection`: no string; `invalid_groq`, with
            the position and what is wrong there.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput(
            "invalid_index_name",
            f"indexName must be 1-{MAX_NAME_CHARACTERS} characters of a-z, A-Z, 0-9, _ and -",
        )
    return IndexSpec(
        name, parse_selection(_text(filter_text, "filter"), _text(projection_text, "projection"))
    )


def _text(value: object, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(f"invalid_{what}", f"{what} must be a string with GROQ, or empty for everything")
    return value


def parse_selection(filter_text: str, projection_text: str) -> Selection:
    """The selection of a filter and a projection.

    Raises:
        InvalidInput: `invalid_groq`.
    """
    return Selection(parse_filter(filter_text), parse_projection(projection_text))


def index_scope(dataset_name: str) -> str:
    """The scope of the names of a dataset's content indexes. `dataset_name` has been checked."""
    return f"sanity/{dataset_name}"


# --- queries ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IndexQuery:
    """What to look for: at most `max_results` documents, of these types (none: of any)."""

    text: str
    max_results: int = DEFAULT_RESULTS
    types: tuple[str, ...] = ()


def check_query(text: object, max_results: object = None, only: object = None) -> IndexQuery:
    """A query as clients send it. How long the text may be is checked where it is embedded.

    Args:
        text: what to look for.
        max_results: 1 to `MAX_RESULTS`; None: `DEFAULT_RESULTS`.
        only: the object `filter`: none, `{}`, or with a `type`: one, several in an array, or several with commas.

    Raises:
        InvalidInput: `invalid_query`, `invalid_max_results`, `invalid_filter`.
    """
    if not isinstance(text, str) or not text.strip():
        raise InvalidInput("invalid_query", "query must be a text that says what to look for")
    most = DEFAULT_RESULTS if max_results is None else max_results
    if isinstance(most, float) and most.is_integer():
        most = int(most)
    if type(most) is not int or not 1 <= most <= MAX_RESULTS:
        raise InvalidInput(
            "invalid_max_results", f"maxResults must be an integer from 1 to {MAX_RESULTS}, not {most!r:.40}"
        )
    return IndexQuery(text, most, types_of(only))


def types_of(only: object) -> tuple[str, ...]:
    """The types of a query's `filter`, each once; nothing where it asks for all.

    Raises:
        InvalidInput: `invalid_filter`.
    """
    if only is None:
        return ()
    if not isinstance(only, Mapping):
        raise InvalidInput("invalid_filter", 'filter must be an object, such as {"type": "article"}')
    unknown = [str(name) for name in only if name != "type"]
    if unknown:
        raise InvalidInput(
            "invalid_filter", f"filter has no {unknown[0][:_SHOWN]!r}: a query can be limited by type alone"
        )
    given: Any = only.get("type")
    if given is None:
        return ()
    listed: Sequence[Any] = given.split(",") if isinstance(given, str) else given
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise InvalidInput("invalid_filter", "filter.type must be a string, or an array of strings")
    # Names of types hold no comma: clients join several with one.
    names = [part.strip() for name in listed for part in name.split(",")]
    found = tuple(dict.fromkeys(name for name in names if name))
    if len(found) > MAX_TYPES or any(len(name) > _MAX_TYPE_CHARACTERS for name in found):
        raise InvalidInput(
            "invalid_filter",
            f"filter.type takes at most {MAX_TYPES} types of at most {_MAX_TYPE_CHARACTERS} characters",
        )
    return found
