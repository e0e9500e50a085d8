"""A collection and its current version, found with one read, so that all of an answer is of one version."""

from dataclasses import dataclass

from shoal.errors import NotFound
from shoal.model.bindings import BLUE, Binding, Family
from shoal.model.datasets import Dataset
from shoal.services.search import Searcher
from shoal.services.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class OpenCollection:
    """A collection at one version; `snapshot` is None before anything was indexed."""

    dataset: Dataset
    snapshot: Snapshot | None

    @property
    def binding(self) -> Binding:
        """What its vectors are made with."""
        if self.dataset.binding is None:
            raise RuntimeError(f"dataset {self.dataset.dataset_id} is no collection")
        return self.dataset.binding

    @property
    def version(self) -> int:
        """The version that is open; 0 before the first."""
        return self.snapshot.manifest.version if self.snapshot else 0


def open_blue(searcher: Searcher, tenant_id: str, family: Family) -> OpenCollection:
    """The active collection of a family.

    Raises:
        NotFound: code `model_not_initialized`: there is none yet.
    """
    try:
        return OpenCollection(*searcher.open(tenant_id, scope=family.scope, name=BLUE))
    except NotFound as missing:
        raise NotFound("model_not_initialized", "Model is not initialized yet.") from missing


def open_collection(searcher: Searcher, tenant_id: str, family: Family, model_id: str) -> OpenCollection:
    """The collection of a model.

    Raises:
        NotFound: code `collection_not_found`.
    """
    try:
        found = OpenCollection(*searcher.open(tenant_id, scope=family.scope, name=model_id))
    except NotFound as missing:
        raise _not_found(model_id) from missing
    if found.dataset.name != model_id:  # an alias is no model
        raise _not_found(model_id)
    return found


def _not_found(model_id: str) -> NotFound:
    return NotFound("collection_not_found", f"Collection with id={model_id:.140} does not exist")
