"""Every fixed limit, with its unit and where it comes from. Settings may lower some, never raise these."""

MAX_DIMENSION = 4096
MAX_ID_CHARACTERS = 256
"""Contract: `id too long (max 256 chars)`."""
MAX_NAME_CHARACTERS = 64
MAX_BODY_BYTES = 10 * 1024 * 1024
"""NDJSON bytes of one upload, after unpacking. Contract: 413 payload_too_large over it."""
MAX_TOP_K = 1000
MAX_NPROBE = 1024
MAX_EF = 4096
"""A wider beam through a graph costs more than exact search of what one shard may hold."""
MAX_METADATA_BYTES = 40 * 1024
"""Compact JSON bytes of one record's metadata."""
MAX_RESPONSE_BYTES = 5 * 1024 * 1024
"""Bytes of a list-like answer: Lambda's 6 MB payload less room for the envelope."""
MAX_FETCH_IDS = 1000
MAX_DELETE_IDS = 10_000
"""Ids of one delete, and records of one patch."""
MAX_LIST = 1000
"""Records of one page of a list."""
MAX_NAMESPACE_CHARACTERS = 64
MAX_DOCUMENT_BYTES = 256 * 1024
"""UTF-8 bytes of the text that a record carries."""
MAX_QUERY_TEXT_BYTES = 32 * 1024
"""UTF-8 bytes of a text to search for."""
MAX_FILTER_DEPTH = 16
MAX_FILTER_BYTES = 64 * 1024
MAX_TEXT_CONDITIONS = 32
"""Of one filter: each goes through all text at its path."""
MAX_PATTERN_CHARACTERS = 256
MAX_MANIFEST_BYTES = 64 * 1024
"""A manifest root; what grows lies in the parts that it names."""

COMMIT_MAX_BYTES = 64 * 1000 * 1000
COMMIT_MAX_JOBS = 2000
COMMIT_MAX_ROWS = 500_000
"""Short vectors make many rows of few bytes: a commit takes about 5 us and 0.4 KB for each."""
FOLD_MAX_BYTES = 128 * 1000 * 1000
"""Bytes of rows that one commit writes anew, so long as there are not too many deltas."""
COMMIT_SPACING_SECONDS = 0.25
LOG_MAX_BYTES_AHEAD = 256 * 1000 * 1000
LOG_MAX_JOBS_AHEAD = 20_000
GAP_SECONDS = 5.0
"""A sequence whose job is missing for this long is closed as aborted."""
LEASE_SECONDS = 10.0
"""How long a dataset waits for a committer that died. One that lives renews its lease long before."""
BUILD_LEASE_SECONDS = 960.0
BUILD_RETRY_SECONDS = 12 * 3600
"""How long after the last commit the sweep still asks for a build that is due: one that never succeeds must not
cost something every quarter of an hour for ever."""

EXACT_LIMIT_BYTES = 16 * 1000 * 1000
"""Vector bytes of all deltas together, up to which every query scans them exactly."""
RESIDENT_MAX_BYTES = 400 * 1000 * 1000
"""Vector bytes of a dataset kept as one resident shard. A function of 3,008 MB holds them five times over: rows
and graph as read, joined rows, the serialized graph, and the vectors file being written."""
MAX_DELTAS = 12
MAX_DELTAS_HELD = 48
"""Deltas in all, from which on a running build may lose its inputs: builds that die one after the other hold more
and more of them."""
MAX_RUNS = 8
MAX_DEAD_INCREMENTS = 16

MAX_UPLOAD_BYTES = 5 * 1024**3
"""Bytes of one presigned PUT: S3's most, and the contract's `max_bytes`."""
UPLOAD_PART_BYTES = 512 * 1024**2
MAX_UPLOAD_PARTS = 100
"""Of a multipart upload: 50 GiB in all. Each part has an address of 1.5 KB, and an answer holds 5 MB."""
UPLOAD_SECONDS = 3600
"""How long the address of an upload holds: as long as a role taken by a role may (role chaining)."""
REJECTS_URL_SECONDS = 3600
IMPORT_SECONDS = 12 * 3600
"""An import that is still open by then is aborted: tombstones are kept for it (invariant 3)."""
CHUNK_BYTES = 32 * 1000 * 1000
"""Bytes of a file that one call validates."""
MAX_LINE_BYTES = 1024 * 1024
"""A line of an import. The longest good one, 4,096 values of 24 characters, 40 KB of metadata and a document of
256 KB, both spelled in escapes of three times their size, has 990 KB."""
MAX_REJECTED_RECORD_BYTES = 2048
"""What the rejects file shows of a record (contract)."""
MAX_UNPACKED_BYTES = 20 * 1024**3
"""Of a compressed upload, which one function must unpack alone."""
UNPACK_SECONDS = 720.0
MAX_IMPORT_ROWS = 10_000_000
"""Rows of one import: their ids are sorted by one function, at 40 bytes each."""
ONE_SHARD_BYTES = 64 * 1000 * 1000
"""Vector bytes up to which a dataset stays one shard (design: sizes)."""
MAX_CELL_SETS = 32
"""Imports of cells that a dataset holds until they are merged; a query probes each."""
MAX_STEP_BYTES = 200 * 1024
"""Input or output of a workflow's step; Step Functions allows 256 KiB of state."""
MAX_REJECTS_A_CHUNK = 20_000
"""Rejected records that the rejects file lists of a chunk; all are counted. A file of bare line feeds must not
become one thirty times its size."""
ONE_SHARD_ROWS = 500_000
"""Rows of an import that becomes one shard: its records are handled one by one."""
ONE_SHARD_COLUMN_BYTES = 200 * 1000 * 1000
"""Bytes of the columns of an import that becomes one shard: vectors, ids and metadata."""

# --- what is kept, and for how long

MANIFEST_KEPT_SECONDS = 24 * 3600
"""How long a version that is no more the current one can be read: cursors and slow readers count on it."""
GARBAGE_SECONDS = 7 * 86_400
"""What nothing names goes when it is older than this (invariant 7)."""
MAX_SNAPSHOTS = 100
"""Of a dataset."""
EXPORT_DAYS = 7
"""How long what an export wrote stays."""

# --- filters

FILTERED_RECALL = 0.99
"""The target of calibration for queries with a filter."""
EXACT_FILTER_BYTES = 64 * 1000 * 1000
"""Bytes of cells up to which a filtered query opens every cell that holds a match (design: sizes)."""
MAX_INDEXED_PATHS = 64
"""Paths of metadata that a shard's index of properties holds: the most frequent ones."""
MAX_INDEXED_CHARACTERS = 256
"""A path with longer strings than this is not indexed: it is text, not a property."""
