"""Metadata indexes: the properties that filters may name.

Every property is indexed as it is written, so a metadata index also holds for vectors that were there before it
(our decision). Its mutation takes a place in the log all the same: who waits for it waits for what came before.
"""

from shoal.http.context import Context
from shoal.http.response import Response
from shoal.http.vectorize.common import Wanted, body_of, index_of, mutation_id
from shoal.http.vectorize.envelope import BAD_BODY, Fault, success
from shoal.http.vectorize.filters import MAX_KEY_CHARACTERS
from shoal.model.datasets import Dataset, check_takes_writes
from shoal.model.jobs import JobKind
from shoal.services.append import Entry, append
from shoal.services.heads import keys_of
from shoal.services.vectorize.settings import (
    MetadataIndex,
    PropertyKind,
    add_index,
    drop_index,
    read_settings,
)

MAX_METADATA_INDEXES = 10


class NewMetadataIndex(Wanted):
    """A property to index."""

    propertyName: str  # noqa: N815 - the contract's name
    indexType: str  # noqa: N815


class DroppedMetadataIndex(Wanted):
    """A property to index no more. LangChain's client calls it `property` here."""

    propertyName: str | None = None  # noqa: N815
    property: str | None = None


def create(context: Context) -> Response:
    """Let filters name a property; one that they may name already is fine."""
    dataset = index_of(context)
    wanted = body_of(context, NewMetadataIndex)
    index = MetadataIndex(_property(wanted.propertyName), _kind(wanted.indexType))
    check_takes_writes(dataset)
    if not add_index(context.ports, keys_of(dataset), index, most=MAX_METADATA_INDEXES):
        raise Fault(
            400, BAD_BODY, f"an index has at most {MAX_METADATA_INDEXES} metadata indexes; delete one first"
        )
    return _mutation(context, dataset)


def list_all(context: Context) -> Response:
    """List the metadata indexes."""
    settings = read_settings(context.ports, keys_of(index_of(context)))
    return success(
        {
            "metadataIndexes": [
                {"propertyName": index.name, "indexType": index.kind.value.capitalize()}
                for index in settings.indexes
            ]
        }
    )


def delete(context: Context) -> Response:
    """Let filters name a property no more."""
    dataset = index_of(context)
    wanted = body_of(context, DroppedMetadataIndex)
    name = wanted.propertyName or wanted.property
    if name is None:
        raise Fault(400, BAD_BODY, "Failed to parse the request body as JSON: propertyName: Field required")
    check_takes_writes(dataset)
    if not drop_index(context.ports, keys_of(dataset), name):
        raise Fault(
            400, 40005, f'vectorize.metadata_index.not_found - there is no metadata index on "{name:.128}"'
        )
    return _mutation(context, dataset)


def _mutation(context: Context, dataset: Dataset) -> Response:
    accepted = append(context.ports, dataset, Entry(JobKind.UPSERT, None, 0))
    return success({"mutationId": mutation_id(accepted.job_id)})


def _property(name: str) -> str:
    if (
        not name
        or len(name) > MAX_KEY_CHARACTERS
        or '"' in name
        or name.startswith("$")
        or "" in name.split(".")
    ):
        raise Fault(
            400,
            BAD_BODY,
            f'propertyName must have 1-{MAX_KEY_CHARACTERS} characters without ", and must not begin with $',
        )
    return name


def _kind(name: str) -> PropertyKind:
    try:
        return PropertyKind(name.lower())
    except ValueError:
        raise Fault(400, BAD_BODY, "indexType must be string, number or boolean") from None
