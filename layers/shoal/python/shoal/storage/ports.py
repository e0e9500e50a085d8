"""What services may ask of storage: an object store, a table and a queue.

Two implementations each: AWS (`shoal.storage.aws_*`) and memory (`shoal.storage.memory`, which can also
inject what AWS does on a bad day). The same contract tests run over both.

Errors are those of `shoal.errors`: an adapter never lets a botocore error out.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, cast

from shoal.storage.model_ports import Inference, Outbound

type Item = Mapping[str, Any]
"""One table item: `pk`, `sk` and attributes. Values are str, int, float, bool, bytes, None, list or dict."""

type Clock = Callable[[], float]
"""Seconds since the epoch. Passed in, so that tests can move time."""


# --- objects -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """What is known of a stored object without reading it. `modified_at` is in epoch seconds."""

    key: str
    size: int
    etag: str
    version_id: str | None
    modified_at: float


class ObjectStore(Protocol):
    """A bucket. Keys come from `shoal.storage.keys` only."""

    def put(self, key: str, body: bytes | memoryview, *, if_none_match: bool = False) -> ObjectHead:
        """Store `body`; the transfer is checked with SHA-256.

        Raises:
            PreconditionFailed: `if_none_match` is set and the key exists.
            StorageBusy: throttled, or two conditional puts met (S3 409).
        """

    def get(
        self, key: str, *, byte_range: tuple[int, int] | None = None, version_id: str | None = None
    ) -> bytes:
        """Read an object, or its bytes ``[start, stop)``.

        Raises:
            ObjectMissing: no such key or version.
            StorageBusy: throttled or unavailable.
        """

    def head(self, key: str, *, version_id: str | None = None) -> ObjectHead | None:
        """Describe an object; None when there is none."""

    def put_pieces(self, key: str, pieces: Iterable[bytes]) -> ObjectHead:
        """Store an object that need never be whole in memory (a multipart upload where it is large).

        It appears when the last piece is stored, or not at all. `pieces` are of any size.

        Raises:
            StorageBusy: throttled or unavailable; no part of it stays.
        """

    def list(self, prefix: str) -> Iterator[ObjectHead]:
        """All objects under a prefix, in key order."""

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; keys that do not exist are fine."""


# --- table -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Key:
    """The primary key of an item."""

    pk: str
    sk: str


@dataclass(frozen=True, slots=True)
class Exists:
    """True where the item has the attribute (``Exists("pk")``: where there is an item at all)."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Absent:
    """True where the item lacks the attribute (``Absent("pk")``: where there is no item)."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Compare:
    """Attribute against value; false where the attribute is absent. `op` is one of ``= <> < <= > >=``."""

    attribute: str
    op: str
    value: str | int | float | bool | bytes


@dataclass(frozen=True, slots=True)
class AllOf:
    """True where all conditions are."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True where one of the conditions is."""

    conditions: tuple["Condition", ...]


type Condition = Exists | Absent | Compare | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class Assign:
    """Set an attribute to a value."""

    attribute: str
    value: Any


@dataclass(frozen=True, slots=True)
class AssignIfAbsent:
    """Set an attribute unless the item has it."""

    attribute: str
    value: Any


@dataclass(frozen=True, slots=True)
class Add:
    """Add to a number; an absent one counts as 0."""

    attribute: str
    amount: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Remove an attribute; an absent one is fine."""

    attribute: str


type Action = Assign | AssignIfAbsent | Add | Drop


@dataclass(frozen=True, slots=True)
class PutItem:
    """A whole item to store, in a transaction."""

    item: Item
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class UpdateItem:
    """Changes to one item, in a transaction."""

    key: Key
    actions: tuple[Action, ...]
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class DeleteItem:
    """An item to delete, in a transaction."""

    key: Key
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class CheckItem:
    """A condition on an item that the transaction does not write."""

    key: Key
    condition: Condition


type Write = PutItem | UpdateItem | DeleteItem | CheckItem


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a query; `after` continues it (None on the last page)."""

    items: tuple[Item, ...]
    after: Mapping[str, Any] | None


class Table(Protocol):
    """One DynamoDB table (single-table design) and its index `gsi1` over `gsi1pk`, `gsi1sk`.

    The index holds keys only: `pk`, `sk`, `gsi1pk` and `gsi1sk` of each item that has both index keys.
    """

    def get(self, key: Key, *, consistent: bool = True) -> Item | None:
        """One item, or None."""

    def batch_get(self, keys: Sequence[Key]) -> list[Item]:
        """The items that exist among any number of distinct keys, in no order; consistent."""

    def put(self, item: Item, *, condition: Condition | None = None) -> None:
        """Store a whole item.

        Raises:
            ConditionFailed: the condition is false; carries the stored item.
            StorageBusy: throttled, or in conflict with a transaction.
        """

    def update(self, key: Key, actions: Sequence[Action], *, condition: Condition | None = None) -> Item:
        """Change attributes (creating the item when absent) and return the new item.

        Raises:
            ConditionFailed: the condition is false; carries the stored item.
            StorageBusy: throttled, or in conflict with a transaction.
        """

    def delete(self, key: Key, *, condition: Condition | None = None) -> None:
        """Delete an item; an absent one is fine.

        Raises:
            ConditionFailed: the condition is false; carries the stored item.
            StorageBusy: throttled, or in conflict with a transaction.
        """

    def query(
        self,
        pk: str,
        *,
        prefix: str | None = None,
        start: str | None = None,
        stop: str | None = None,
        index: str | None = None,
        limit: int | None = None,
        ascending: bool = True,
        after: Mapping[str, Any] | None = None,
    ) -> Page:
        """Items of one partition in sort-key order: those with `prefix`, or between `start` and `stop` (both
        inclusive and only together). Consistent, but for an `index`, which lags.
        `limit` bounds the items read; a page may hold fewer and still have an `after` (1 MB a page).
        """

    def transact(self, writes: Sequence[Write], *, token: str) -> None:
        """Up to 100 writes on distinct items, all or none; repeating a `token` in 10 minutes does nothing.

        Raises:
            TransactionCancelled: a condition is false.
            StorageBusy: in conflict with another write, or throttled.
        """

    def batch_put(self, items: Sequence[Item]) -> None:
        """Store any number of whole items without conditions; not atomic.

        Raises:
            StorageBusy: some were still unprocessed after several tries.
        """


# --- queue -------------------------------------------------------------------------------------------------


class Queue(Protocol):
    """A queue of small JSON messages, delivered at least once, in no order."""

    def send(self, message: Mapping[str, str], *, group: str, delay_seconds: int = 0) -> None:
        """Send one message. `group` is the tenant: SQS serves groups in turn (fair queues).

        Raises:
            StorageBusy: throttled or unavailable.
        """


# --- uploads by clients ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """An address that lets its holder do one thing until `expires_at` (epoch seconds)."""

    url: str
    expires_at: float


class Uploads(Protocol):
    """Addresses through which clients store and read objects themselves.

    They are signed by a role that may do nothing but put the object under that key.
    """

    def put_target(self, key: str, *, content_type: str, seconds: int) -> Target:
        """Where to PUT the whole object, with exactly this Content-Type."""

    def start_parts(self, key: str, *, content_type: str) -> str:
        """Begin a multipart upload; its id."""

    def part_targets(self, key: str, *, upload_id: str, count: int, seconds: int) -> list[Target]:
        """Where to PUT parts 1 to `count`."""

    def join_parts(self, key: str, *, upload_id: str, parts: Sequence[tuple[int, str]]) -> None:
        """Make the object of the parts (number from 1, ETag), in rising order.

        Joining again what has been joined is fine.

        Raises:
            InvalidInput: `invalid_parts`: one is missing, too small, or has another ETag.
            StorageBusy: throttled or unavailable.
        """

    def drop_parts(self, key: str, *, upload_id: str) -> None:
        """Give a multipart upload up; an unknown one is fine."""

    def get_target(self, key: str, *, file_name: str, seconds: int) -> Target:
        """Where to GET an object, to be saved under `file_name`."""


# --- workflows ---------------------------------------------------------------------------------------------


class Workflows(Protocol):
    """One state machine. An execution's name is used once, ever (AWS: for 90 days)."""

    def start(self, name: str, given: Mapping[str, str]) -> None:
        """Start an execution; nothing happens where one of that name was started with the same input.

        Raises:
            StorageBusy: throttled or unavailable.
        """

    def status(self, name: str) -> str | None:
        """`RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`; None where there is none of that name."""

    def stop(self, name: str, *, cause: str) -> None:
        """End an execution; one that has ended, or never was, is fine."""


# --- other people's buckets ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UpstreamObject:
    """An object of somebody else's bucket, as listed: `size` in bytes, `modified_at` in epoch seconds."""

    key: str
    size: int
    etag: str
    modified_at: float


class Upstream(Protocol):
    """Buckets that are not ours, from which an operator lets a tenant's records be pulled.

    A name that is no bucket's, or that is ours, is refused.
    """

    def check(self, bucket: str) -> None:
        """See that a name may be that of somebody else's bucket; whether there is one is not asked.

        Raises:
            InvalidInput: `invalid_bucket`, `own_bucket`.
        """

    def list(self, bucket: str, prefix: str) -> Iterator[UpstreamObject]:
        """The objects below a prefix, in the order of their keys.

        Raises:
            NotFound: `bucket_not_found`.
            InvalidInput: as `check`; `bucket_not_readable`: the deployment was not given the bucket.
            StorageBusy: throttled or unavailable.
        """

    def copy(self, bucket: str, source: UpstreamObject, *, to: str) -> None:
        """Copy an object into our bucket, as it was listed, without reading it here.

        Raises:
            NotFound: `bucket_not_found`, or `object_not_found`: it is gone, or another one by now.
            InvalidInput: as `check`; `bucket_not_readable`, `object_not_readable`.
            StorageBusy: throttled or unavailable.
        """


# --- secrets of the deployment -------------------------------------------------------------------------------


class Secrets(Protocol):
    """Random keys of the deployment's own: made when first asked for, kept encrypted, and never shown."""

    def key(self, name: str) -> bytes:
        """The key of that name, 32 bytes: the same for ever, for all who ask, at once or later.

        Raises:
            StorageBusy: throttled or unavailable.
        """


class NotGiven:
    """Stands for a port that a process was not given: it can be handed around, but not used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"this process has no {self._name}")


@dataclass(frozen=True, slots=True)
class Ports:
    """All that a use case may reach; built once in `shoal.runtime`, or from fakes in tests."""

    objects: ObjectStore
    table: Table
    wakeups: Queue
    builds: Queue
    clock: Clock
    uploads: Uploads = cast("Uploads", NotGiven("uploads"))  # noqa: RUF009 - never changes
    imports: Workflows = cast("Workflows", NotGiven("import workflow"))  # noqa: RUF009 - never changes
    compactions: Workflows = cast("Workflows", NotGiven("compaction workflow"))  # noqa: RUF009 - never changes
    exports: Workflows = cast("Workflows", NotGiven("export workflow"))  # noqa: RUF009 - never changes
    reindexes: Workflows = cast("Workflows", NotGiven("reindex workflow"))  # noqa: RUF009 - never changes
    tasks: Queue = cast("Queue", NotGiven("queue of tasks"))  # noqa: RUF009 - never changes
    inference: Inference = cast("Inference", NotGiven("Bedrock"))  # noqa: RUF009 - never changes
    outbound: Outbound = cast("Outbound", NotGiven("way out"))  # noqa: RUF009 - never changes
    derivations: Workflows = cast("Workflows", NotGiven("derivation workflow"))  # noqa: RUF009 - never changes
    ingestions: Workflows = cast("Workflows", NotGiven("ingestion workflow"))  # noqa: RUF009 - never changes
    upstream: Upstream = cast("Upstream", NotGiven("buckets of others"))  # noqa: RUF009 - never changes
    secrets: Secrets = cast("Secrets", NotGiven("secrets"))  # noqa: RUF009 - never changes
