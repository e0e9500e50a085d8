"""What a dataset is: its name, geometry, state, and the status that users see."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shoal.errors import Conflict, InvalidInput
from shoal.model.bindings import Binding
from shoal.model.limits import MAX_DIMENSION, MAX_NAME_CHARACTERS

_NAME = re.compile(rf"[a-z0-9_-]{{1,{MAX_NAME_CHARACTERS}}}")
NATIVE_SCOPE = "native"
DEFAULT_TARGET_RECALL = 0.95


class Metric(StrEnum):
    """How near two vectors are. `l2` scores are squared distances (lower is better), the others similarities."""

    L2 = "l2"
    COSINE = "cosine"
    DOT = "dot"

    @property
    def lower_is_better(self) -> bool:
        """Whether the best score is the smallest."""
        return self is Metric.L2


@dataclass(frozen=True, slots=True)
class Dataset:
    """What never changes of a dataset. `hash_key` (16 bytes) keys the hashes of its id index; `binding` says what
    its vectors are made with, where it was told. One that `follows` is kept in step with the dataset that it was
    derived from, and takes no other writes.
    """

    tenant_id: str
    dataset_id: str
    scope: str
    name: str
    dimension: int
    metric: Metric
    created_at: float
    hash_key: bytes
    target_recall: float = DEFAULT_TARGET_RECALL
    binding: Binding | None = None
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """HEAD as read once: the current manifest, and what is known without opening it.

    `manifest` is None until the first commit (version 0). `reserved_total` counts the rows that the applied
    jobs had reserved, so that quota can be settled by differences; `log_bytes` the bytes of the log up to the
    watermark, against which back-pressure is measured. `build_inputs` are shards that a running build reads:
    they are not folded while `build_owner` holds the build. `flat_rows` are the rows outside of cells, `recall` is
    what calibration promises (`Manifest.recall_summary`), `open_imports` the number of imports under way,
    `compacted_by` the compaction that committed last. `followed`: other datasets are kept in step with it.
    """

    version: int
    state: str
    fence: int
    manifest: str | None
    manifest_sha256: str | None
    watermark: int
    row_count: int
    reserved_total: int
    log_bytes: int
    delta_bytes: int
    lease_owner: str | None
    lease_until: float
    build_owner: str | None
    build_until: float
    build_inputs: tuple[str, ...]
    last_indexed_at: float | None
    error_message: str | None
    flat_rows: int = 0
    cell_sets: int = 0
    open_imports: int = 0
    recall: Mapping[str, float | int | None] | None = None
    compacted_by: str | None = None
    followed: bool = False

    @property
    def live(self) -> bool:
        """False once the dataset is deleted."""
        return self.state == "live"


@dataclass(frozen=True, slots=True)
class DatasetView:
    """A dataset as users see it, with the aliases that point at it."""

    dataset: Dataset
    head: Head
    status: str
    aliases: tuple[str, ...] = ()


def status_of(head: Head, *, newest_sequence: int) -> str:
    """The status word of the contract: empty, validating, indexing, indexed or error.

    A write is validated while it is accepted, so what waits in the log is `validating` until a committer holds
    the lease and `indexing` from then on, and so it is while an import is open. A dataset without live rows is
    `empty`.
    """
    if head.error_message:
        return "error"
    if newest_sequence > head.watermark:
        return "indexing" if head.lease_owner else "validating"
    if head.open_imports:
        return "indexing"
    return "indexed" if head.row_count else "empty"


def check_takes_writes(dataset: Dataset) -> None:
    """See that others than its source may write to a dataset.

    Raises:
        Conflict: code `dataset_follows`.
    """
    if dataset.follows:
        raise Conflict(
            "dataset_follows",
            f"{dataset.name} is kept in step with the dataset that it was derived from; write to that one",
        )


def check_name(name: object) -> str:
    """The name, if it is one.

    Raises:
        InvalidInput: code `invalid_name`.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput("invalid_name", "name must be 1-64 characters of [a-z0-9_-]")
    return name


def check_dimension(dimension: object) -> int:
    """The dimension, if it is one.

    Raises:
        InvalidInput: code `invalid_dimension`.
    """
    if type(dimension) is not int or not 1 <= dimension <= MAX_DIMENSION:
        raise InvalidInput("invalid_dimension", f"dimension must be an integer from 1 to {MAX_DIMENSION}")
    return dimension


def check_metric(metric: object) -> Metric:
    """The metric, if it is one.

    Raises:
        InvalidInput: code `invalid_metric`.
    """
    if not isinstance(metric, str) or metric not in list(Metric):
        raise InvalidInput("invalid_metric", "metric must be one of l2, cosine, dot")
    return Metric(metric)
