"""Bodies of embeddings indexes, requests and answers, and how an index is shown."""

from typing import Any, Literal

from pydantic import Field, RootModel

from shoal.http.native.common import timestamp
from shoal.http.native.types import Body, Timestamp, shown_as
from shoal.model.content_indexes import DEFAULT_RESULTS, MAX_RESULTS, ContentIndex, FailedDocument
from shoal.services.content.webhooks import webhook_id_of

type Count = int


class CreateIndex(Body):
    """An index to be: `filter` is the condition inside of `*[ ]`, `projection` what is embedded of a document.

    Both are GROQ, and either may be empty: all documents, or all of each.
    """

    model_config = shown_as(
        {
            "indexName": "embeddings-index-movies",
            "filter": "_type=='movie'",
            "projection": "{title, director}",
        }
    )

    indexName: str  # noqa: N815 - the contract's names
    filter: str = ""
    projection: str = ""


class IndexOut(Body):
    """An index. `startDocumentCount` documents were selected when it was made, `remainingDocumentCount` of them
    are still to be embedded; `failedDocumentCount` cannot be, and `failures` says why.

    Only an index whose build has failed, or that cannot be kept current at the moment, has an `error`.
    """

    status: Literal["pending", "indexing", "active"]
    indexName: str  # noqa: N815 - the contract's names
    projectId: str  # noqa: N815
    dataset: str
    projection: str
    filter: str
    createdAt: Timestamp  # noqa: N815
    updatedAt: Timestamp  # noqa: N815
    failedDocumentCount: Count  # noqa: N815
    startDocumentCount: Count  # noqa: N815
    remainingDocumentCount: Count  # noqa: N815
    webhookId: str  # noqa: N815
    error: str | None = None


class IndexList(RootModel[list[IndexOut]]):
    """All indexes of a dataset, by name."""


class IndexCreated(Body):
    """An index that was just made."""

    status: Literal["ok"]
    message: str
    index: IndexOut


class TypeFilter(Body):
    """The types to find: one, several with commas, or several in an array. None: any."""

    type: str | list[str] | None = None


class QueryIndex(Body):
    """What to look for."""

    model_config = shown_as(
        {
            "query": "sci-fi adventure with cowboys and aliens",
            "maxResults": 10,
            "filter": {"type": "summary,synopsis,userReview"},
        }
    )

    query: str
    maxResults: int = Field(default=DEFAULT_RESULTS, ge=1, le=MAX_RESULTS)  # noqa: N815 - the contract's name
    filter: TypeFilter | None = None


class FoundValue(Body):
    """Which document was found."""

    documentId: str  # noqa: N815 - the contract's name
    type: str


class FoundOut(Body):
    """A document that was found, with how well it fits: from 0 to 1."""

    score: float
    value: FoundValue


class FoundList(RootModel[list[FoundOut]]):
    """What was found, best first."""


class FailureOut(Body):
    """A document that could not be embedded, and why: it is tried again when it changes."""

    documentId: str  # noqa: N815 - the contract's name
    stage: str
    reason: str


class Failures(Body):
    """Documents that an index selects and does not hold, by id; `next` continues the list, as `?after=`."""

    failures: list[FailureOut]
    next: str | None


class Enabled(Body):
    """That there are embeddings indexes."""

    enabled: Literal[True]


def index_body(index: ContentIndex, *, project_id: str) -> dict[str, Any]:
    """An index as answers show it."""
    shown: dict[str, Any] = {
        "status": index.status.value,
        "indexName": index.name,
        "projectId": project_id,
        "dataset": index.documents.name,
        "projection": index.projection,
        "filter": index.filter,
        "createdAt": timestamp(index.created_at),
        "updatedAt": timestamp(index.updated_at),
        "failedDocumentCount": index.failed_count,
        "startDocumentCount": index.start_count,
        "remainingDocumentCount": index.remaining_count,
        "webhookId": webhook_id_of(index.documents),
    }
    return shown if index.error is None else {**shown, "error": index.error}


def failure_body(failed: FailedDocument) -> dict[str, str]:
    """A failed document as answers show it."""
    return {"documentId": failed.document_id, "stage": failed.stage.value, "reason": failed.reason}
