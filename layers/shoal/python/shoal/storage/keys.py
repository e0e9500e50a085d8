"""Every S3 key and every table key, built in one place.

No key can be built without a tenant, and none of a dataset without both ids; the ids are checked, so that no
name from outside ever becomes part of a key.
"""

import re
from dataclasses import dataclass
from datetime import date

from shoal.storage.ports import Key

_TENANT = re.compile(r"ten_[0-9a-f]{32}")
_DATASET = re.compile(r"[0-9a-f]{16}")
_TOKEN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
_SCOPE = re.compile(r"[A-Za-z0-9_/-]{1,128}")
_IMPORT = re.compile(r"imp_[0-9a-f]{32}")
_COMPACTION = re.compile(r"cmp_[0-9a-f]{32}")
_EXPORT = re.compile(r"exp_[0-9a-f]{32}")
_DERIVATION = re.compile(r"drv_[0-9a-f]{32}")
_WEBHOOK = re.compile(r"[A-Za-z0-9]{16,64}")
_MODEL = re.compile(r"[A-Za-z0-9:._-]{1,128}")
_FAMILY = re.compile(r"items|categories")
_SNAPSHOT = re.compile(r"[a-z0-9_-]{1,64}")
_TERM_LIST = re.compile(r"[a-z0-9_-]{1,64}")
_DOCUMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")

SEQUENCE_DIGITS = 16
GSI = "gsi1"
PENDING = "PENDING"
"""Index partition of the datasets whose log is ahead of their watermark."""
TENANTS = "TENANTS"
"""Index partition of all tenants."""
IMPORTS = "IMPORTS"
"""Index partition of the imports that have not ended."""


TASKS = "TASKS"
"""Index partition of the families of collections that have something to do."""
FOLLOWS = "FOLLOWS"
"""Index partition of the datasets that are kept in step with another one."""
INGESTIONS = "INGESTIONS"
"""Index partition of the tasks of the Openverse dialect that have something left to do."""
DERIVATIONS = "DERIVATIONS"
"""Index partition of the runs that derive a dataset and have not ended."""
IMPORT_PREFIX = "IMPORT#"
"""Sort keys of a dataset's imports begin with it."""
EXPORT_PREFIX = "EXPORT#"
"""Sort keys of a dataset's exports begin with it."""
SNAPSHOT_PREFIX = "SNAPSHOT#"
"""Sort keys of a dataset's snapshots begin with it."""
COMPACTION_PREFIX = "COMPACTION#"
"""Sort keys of a dataset's compactions begin with it."""
DERIVATION_PREFIX = "DERIVE#"
"""Sort keys of the runs that derive a dataset begin with it."""
CONTENT_FAILURE_PREFIX = "CONTENT#FAILED#"
"""Sort keys of what a content index knows of documents that it could not embed begin with it."""
CHILD_PREFIX = "CHILD#"
"""Sort keys of what a dataset knows of those derived from it begin with it."""
SOURCE_PREFIX = "SOURCE#"
"""Sort keys of the places that a tenant's records may be pulled from begin with it."""
KEY_PREFIX = "KEY#"
"""Sort keys of a tenant's pointers to its API keys begin with it."""
NAME_PREFIX = "NAME#"
"""Sort keys of a tenant's names of datasets begin with it."""
MODEL_ALIAS_PREFIX = "MODEL#"
"""Sort keys of a tenant's own names of embedding models begin with it."""
ALIAS_PREFIX = "ALIAS#"
"""Sort keys of what is remembered of the moves of a tenant's aliases begin with it."""
TERM_LIST_PREFIX = "TERMS#"
"""Sort keys of a tenant's lists of terms begin with it."""
DELETED_PREFIX = "DELETED#"
"""Sort keys of a tenant's deleted datasets that are not cleaned yet begin with it."""
JANITOR = Key("JANITOR", "CURSOR")
"""How far the janitor came."""
OBJECTS_PREFIX = "t/"
"""Keys of the objects of all tenants begin with it, but for uploads, rejects and exports."""
STAGING_PREFIX = "staging/"
UPLOAD_NAME = "upload"
_DESCRIPTOR = re.compile(rf"t/({_TENANT.pattern})/(?:tenant|datasets/({_DATASET.pattern}))\.json")
_UPLOAD = re.compile(rf"staging/t/({_TENANT.pattern})/({_DATASET.pattern})/({_IMPORT.pattern})/{UPLOAD_NAME}")


def _checked(pattern: re.Pattern[str], value: str, what: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError(f"not a valid {what}: {value!r}")
    return value


def sequence_sk(sequence: int) -> str:
    """Sort key of a job; zero-padded hex, so that text order is number order."""
    if not 0 <= sequence < 16**SEQUENCE_DIGITS:
        raise ValueError(f"sequence out of range: {sequence}")
    return f"JOB#{sequence:0{SEQUENCE_DIGITS}x}"


@dataclass(frozen=True, slots=True)
class TenantKeys:
    """Keys of what belongs to a tenant and to no single dataset."""

    tenant_id: str

    def __post_init__(self) -> None:
        _checked(_TENANT, self.tenant_id, "tenant id")

    @property
    def partition(self) -> str:
        """Partition of the tenant's items."""
        return f"T#{self.tenant_id}"

    @property
    def meta(self) -> Key:
        """The tenant itself."""
        return Key(self.partition, "META")

    @property
    def quota(self) -> Key:
        """The counter of live and reserved rows."""
        return Key(self.partition, "QUOTA")

    def queries(self, day: date) -> Key:
        """The counter of queries of one UTC day."""
        return Key(self.partition, f"QUERIES#{day.isoformat()}")

    def api_key(self, key_id: str) -> Key:
        """The tenant's pointer to one of its API keys."""
        return Key(self.partition, f"{KEY_PREFIX}{_checked(_TOKEN, key_id, 'key id')}")

    def name(self, scope: str, name: str) -> Key:
        """The item that holds a dataset's name in a scope."""
        return Key(self.partition, f"{NAME_PREFIX}{_checked(_SCOPE, scope, 'scope')}#{name}")

    def alias_history(self, scope: str, alias: str) -> Key:
        """What is remembered of the moves of an alias, beside the item of its name."""
        return Key(self.partition, f"{ALIAS_PREFIX}{_checked(_SCOPE, scope, 'scope')}#{alias}")

    def term_list(self, name: str) -> Key:
        """One list of terms."""
        return Key(
            self.partition, f"{TERM_LIST_PREFIX}{_checked(_TERM_LIST, name, 'name of a list of terms')}"
        )

    def deleted_name(self, scope: str, name: str) -> Key:
        """What is remembered, for a while, of a name that was deleted."""
        return Key(self.partition, f"GONE#{_checked(_SCOPE, scope, 'scope')}#{name}")

    def deleted(self, dataset_id: str) -> Key:
        """The tenant's pointer to a dataset that is deleted, for as long as anything is left of it."""
        return Key(self.partition, f"{DELETED_PREFIX}{_checked(_DATASET, dataset_id, 'dataset id')}")

    def tokens(self, day: date) -> Key:
        """The counter of tokens that models read on one UTC day."""
        return Key(self.partition, f"TOKENS#{day.isoformat()}")

    def model_alias(self, alias: str) -> Key:
        """What the tenant calls an embedding model."""
        return Key(self.partition, f"{MODEL_ALIAS_PREFIX}{alias}")

    def source(self, model: str) -> Key:
        """Where records of one media type may be pulled from."""
        return Key(self.partition, f"{SOURCE_PREFIX}{_checked(_TOKEN, model, 'media type')}")

    @property
    def sanity(self) -> Key:
        """What only the dialect of Sanity knows of the tenant."""
        return Key(self.partition, "SANITY")

    def task(self, kind: str, task_id: str) -> Key:
        """A task, by its id."""
        return Key(self.partition, f"TASK#{_checked(_TOKEN, kind, 'kind of task')}#{task_id}")

    def task_by_age(self, kind: str, created_at: float, task_id: str) -> Key:
        """The pointer to a task that sorts by age among those of its kind."""
        return Key(
            self.partition,
            f"TASKAT#{_checked(_TOKEN, kind, 'kind of task')}#{int(created_at * 1_000_000):016x}#{task_id}",
        )

    @property
    def objects(self) -> str:
        """Where all objects of the tenant lie, but for uploads and rejects."""
        return f"t/{self.tenant_id}/"

    @property
    def descriptor(self) -> str:
        """What is needed to find the tenant and its keys again without the table."""
        return f"t/{self.tenant_id}/tenant.json"

    def folder(self, name: str) -> str:
        """Where objects of one sort lie: `datasets`, `log`, `manifests`, `parts` or `shards`."""
        return f"t/{self.tenant_id}/{_checked(_TOKEN, name, 'folder')}/"

    def shard_prefix(self, shard_id: str) -> str:
        """Where a shard's files lie; shards belong to the tenant, because clones share them."""
        return f"t/{self.tenant_id}/shards/{_checked(_TOKEN, shard_id, 'shard id')}/"

    def shard_file(self, shard_id: str, name: str) -> str:
        """One file of a shard."""
        return self.shard_prefix(shard_id) + _checked(_TOKEN, name, "file name")


@dataclass(frozen=True, slots=True)
class FamilyKeys:
    """Keys of one family of a tenant's collections (`model.bindings.Family`) and of its line of tasks."""

    tenant_id: str
    family: str

    def __post_init__(self) -> None:
        _checked(_TENANT, self.tenant_id, "tenant id")
        _checked(_FAMILY, self.family, "family")

    @property
    def state(self) -> Key:
        """Who does the tasks, how far they are done, and which reindexes are under way."""
        return Key(f"T#{self.tenant_id}", f"FAMILY#{self.family}")

    @property
    def counter(self) -> Key:
        """The counter of the line."""
        return Key(f"T#{self.tenant_id}", f"TASKSEQ#{self.family}")

    def place(self, number: int) -> Key:
        """One place of the line."""
        if not 0 <= number < 16**SEQUENCE_DIGITS:
            raise ValueError(f"place out of range: {number}")
        return Key(f"T#{self.tenant_id}", f"TASKLOG#{self.family}#{number:0{SEQUENCE_DIGITS}x}")

    def object(self, unique: str) -> str:
        """An object of a task: what is to be done, or what failed. It expires by itself."""
        return f"tasks/t/{self.tenant_id}/{self.family}/{_checked(_TOKEN, unique, 'task object')}"


def api_key_by_id(key_id: str) -> Key:
    """The API key itself: looked up before the tenant is known."""
    return Key(f"KEY#{_checked(_TOKEN, key_id, 'key id')}", "META")


def rate_by_key_id(key_id: str) -> Key:
    """The rate limiter of one API key."""
    return Key(f"KEY#{_checked(_TOKEN, key_id, 'key id')}", "RATE")


def webhook_by_id(webhook_id: str) -> Key:
    """Whose webhook it is, and how it is verified: looked up before the tenant is known."""
    return Key(f"WEBHOOK#{_checked(_WEBHOOK, webhook_id, 'webhook id')}", "META")


def model_rate(model_id: str) -> Key:
    """How many tokens an embedding model has read this minute, for all tenants."""
    return Key(f"MODELRATE#{_checked(_MODEL, model_id, 'model id')}", "META")


def import_by_id(import_id: str) -> Key:
    """Whose import it is: looked up where only the id is known, as in a workflow."""
    return Key(f"IMPORT#{_checked(_IMPORT, import_id, 'import id')}", "META")


@dataclass(frozen=True, slots=True)
class DatasetKeys:
    """Keys of one dataset."""

    tenant_id: str
    dataset_id: str

    def __post_init__(self) -> None:
        _checked(_TENANT, self.tenant_id, "tenant id")
        _checked(_DATASET, self.dataset_id, "dataset id")

    @property
    def partition(self) -> str:
        """Partition of the dataset's items."""
        return f"D#{self.tenant_id}#{self.dataset_id}"

    @property
    def meta(self) -> Key:
        """What never changes: name, dimension, metric."""
        return Key(self.partition, "META")

    @property
    def head(self) -> Key:
        """HEAD: the current manifest, the state and the commit lease."""
        return Key(self.partition, "HEAD")

    @property
    def aliases(self) -> Key:
        """Which aliases point at the dataset."""
        return Key(self.partition, "ALIASES")

    @property
    def sequence(self) -> Key:
        """The counter of the log."""
        return Key(self.partition, "SEQ")

    @property
    def vectorize(self) -> Key:
        """What only the dialect of Vectorize knows of the dataset."""
        return Key(self.partition, "VECTORIZE")

    @property
    def collection(self) -> Key:
        """What is counted of a collection: documents and characters that were embedded, and whether any object has
        several parts.
        """
        return Key(self.partition, "COLLECTION")

    @property
    def derivation(self) -> Key:
        """Of what the dataset is derived, by which conditions, and from which version."""
        return Key(self.partition, "DERIVED")

    def child(self, dataset_id: str) -> Key:
        """What the dataset knows of one that is derived from it."""
        return Key(self.partition, f"{CHILD_PREFIX}{_checked(_DATASET, dataset_id, 'dataset id')}")

    @property
    def content(self) -> Key:
        """What a content index selects, and how far it is; of a dataset of documents, how far its writes are."""
        return Key(self.partition, "CONTENT")

    def content_failure(self, document_id: str) -> Key:
        """A document that a content index selects and could not embed."""
        return Key(
            self.partition, f"{CONTENT_FAILURE_PREFIX}{_checked(_DOCUMENT, document_id, 'document id')}"
        )

    @property
    def settled(self) -> Key:
        """How far the tenant's quota has been told of this dataset's rows."""
        return Key(self.partition, "SETTLED")

    def job(self, sequence: int) -> Key:
        """The job at one place of the log."""
        return Key(self.partition, sequence_sk(sequence))

    def log_object(self, unique: str) -> str:
        """The data of one write."""
        return f"t/{self.tenant_id}/log/{self.dataset_id}/{_checked(_TOKEN, unique, 'log name')}"

    def manifest(self, version: int, unique: str) -> str:
        """A manifest root."""
        token = _checked(_TOKEN, unique, "manifest name")
        return f"t/{self.tenant_id}/manifests/{self.dataset_id}/{version:016x}-{token}.json"

    @property
    def log_folder(self) -> str:
        """Where the data of all its writes lies."""
        return f"t/{self.tenant_id}/log/{self.dataset_id}/"

    @property
    def descriptor(self) -> str:
        """What is needed to find the dataset again without the table: written by each commit."""
        return f"t/{self.tenant_id}/datasets/{self.dataset_id}.json"

    def snapshot(self, name: str) -> Key:
        """A snapshot: a version that was given a name."""
        return Key(self.partition, f"{SNAPSHOT_PREFIX}{_checked(_SNAPSHOT, name, 'snapshot name')}")

    def part(self, kind: str, unique: str) -> str:
        """A part that a manifest names: an id index run, or dead rows."""
        return (
            f"t/{self.tenant_id}/parts/{self.dataset_id}/"
            f"{_checked(_TOKEN, kind, 'part kind')}-{_checked(_TOKEN, unique, 'part name')}"
        )


@dataclass(frozen=True, slots=True)
class ImportKeys:
    """Keys of one import: its item, its upload, and what its workflow makes on the way."""

    tenant_id: str
    dataset_id: str
    import_id: str

    def __post_init__(self) -> None:
        _checked(_TENANT, self.tenant_id, "tenant id")
        _checked(_DATASET, self.dataset_id, "dataset id")
        _checked(_IMPORT, self.import_id, "import id")

    @property
    def item(self) -> Key:
        """The import itself, among its dataset's items; ids rise with time, so they sort by age."""
        return Key(f"D#{self.tenant_id}#{self.dataset_id}", f"{IMPORT_PREFIX}{self.import_id}")

    @property
    def _staging(self) -> str:
        return f"{STAGING_PREFIX}t/{self.tenant_id}/{self.dataset_id}/{self.import_id}/"

    @property
    def upload(self) -> str:
        """Where the presigned PUT puts the file."""
        return self._staging + UPLOAD_NAME

    def work(self, name: str) -> str:
        """An object that the workflow makes on the way; it expires with the upload."""
        return f"{self._staging}work/{_checked(_TOKEN, name, 'work name')}"

    @property
    def rejects(self) -> str:
        """The rejected records; kept for 30 days, which is longer than what is in staging."""
        return f"rejects/t/{self.tenant_id}/{self.dataset_id}/{self.import_id}/rejected.jsonl"


@dataclass(frozen=True, slots=True)
class WorkKeys:
    """Keys of one run of a workflow over a dataset that is not an import: a compaction (`cmp_` and 32 hex digits),
    an export (`exp_`) or a derivation (`drv_`).
    """

    tenant_id: str
    dataset_id: str
    run_id: str

    def __post_init__(self) -> None:
        _checked(_TENANT, self.tenant_id, "tenant id")
        _checked(_DATASET, self.dataset_id, "dataset id")
        _run_prefix(self.run_id)

    @property
    def item(self) -> Key:
        """The run itself, among its dataset's items."""
        return Key(f"D#{self.tenant_id}#{self.dataset_id}", _run_prefix(self.run_id) + self.run_id)

    def work(self, name: str) -> str:
        """An object that the workflow makes on the way; it expires by itself."""
        token = _checked(_TOKEN, name, "work name")
        return f"{STAGING_PREFIX}t/{self.tenant_id}/{self.dataset_id}/{self.run_id}/work/{token}"

    def exported(self, name: str) -> str:
        """An object that an export hands out; it expires by itself, later than work."""
        token = _checked(_TOKEN, name, "export name")
        return f"exports/t/{self.tenant_id}/{self.dataset_id}/{self.run_id}/{token}"


def _run_prefix(run_id: str) -> str:
    """How the sort keys of runs of its kind begin."""
    kinds = ((_COMPACTION, COMPACTION_PREFIX), (_EXPORT, EXPORT_PREFIX), (_DERIVATION, DERIVATION_PREFIX))
    for pattern, prefix in kinds:
        if pattern.fullmatch(run_id):
            return prefix
    raise ValueError(f"not a valid id of a compaction, export or derivation: {run_id!r}")


def run_by_id(run_id: str) -> Key:
    """Whose compaction, export or derivation it is: looked up where only the id is known, as in a workflow."""
    _run_prefix(run_id)
    return Key(f"RUN#{run_id}", "META")


def parse_descriptor_key(key: str) -> TenantKeys | DatasetKeys | None:
    """Whose descriptor lies under an S3 key; None where it is not the key of a descriptor."""
    match = _DESCRIPTOR.fullmatch(key)
    if match is None:
        return None
    return TenantKeys(match[1]) if match[2] is None else DatasetKeys(match[1], match[2])


def parse_upload_key(key: str) -> ImportKeys | None:
    """The import whose upload lies under an S3 key; None where it is not the key of an upload."""
    match = _UPLOAD.fullmatch(key)
    return ImportKeys(match[1], match[2], match[3]) if match else None
