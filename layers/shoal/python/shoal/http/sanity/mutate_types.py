"""Bodies of mutations and of imports of documents, requests and answers."""

from typing import Any, Literal

from pydantic import Field

from shoal.http.native.import_types import ImportOut, PartedUpload, SingleUpload
from shoal.http.native.types import Body, shown_as

_EXAMPLE = {
    "mutations": [
        {"createOrReplace": {"_id": "movie-alien", "_type": "movie", "title": "Alien"}},
        {"patch": {"id": "movie-heat", "set": {"title": "Heat"}}},
        {"delete": {"id": "movie-old"}},
    ]
}


class MutateDocuments(Body):
    """A transaction: all of its mutations happen, or none.

    Each has one member of `create`, `createOrReplace`, `createIfNotExists` (a document), `delete` (`{"id"}`) and
    `patch` (`{"id", "set", "unset", "ifRevisionID"}`). A patch sets first and then unsets; paths are `a.b`,
    `a[0]`, `a[_key=="x"]` and `['a b']`.
    """

    model_config = shown_as(_EXAMPLE)

    mutations: list[dict[str, Any]] = Field(min_length=1)
    transactionId: str | None = None  # noqa: N815 - the contract's names


class MutationResult(Body):
    """What a mutation did; the document as it left it where documents are asked for and it is not deleted."""

    id: str
    operation: Literal["create", "update", "delete", "none"]
    document: dict[str, Any] | None = None


class MutationAnswer(Body):
    """What a transaction did. Its id is the `_rev` of the documents that it changed."""

    transactionId: str  # noqa: N815
    results: list[MutationResult]


class CreateDocumentImport(Body):
    """An import of documents to be: of NDJSON, a document a line, also packed by gzip or zstd.

    `multipart` asks for one address a part, for files over 5 GiB.
    """

    error_mode: Literal["continue", "abort"] = "continue"
    max_bad_records: int | None = Field(default=None, ge=0)
    multipart: bool = False


class DocumentImportOut(ImportOut):
    """An import of documents; as any import, and beside it:

    `documents_skipped` are drafts and versions of releases, which are not imported; `documents_outdated` those of
    which the dataset holds a version that is as late, or later: that one stays.
    """

    format: Literal["documents"]  # type: ignore[assignment] # the one format of its own
    documents_skipped: int
    documents_outdated: int


class NewDocumentImport(DocumentImportOut):
    """A new import: `upload` is shown this once."""

    upload: SingleUpload | PartedUpload


class DocumentImports(Body):
    """The newest imports, newest first."""

    imports: list[DocumentImportOut]
