"""The object of a restore in the log: which version the dataset goes back to."""

from dataclasses import dataclass

from shoal.errors import CorruptObject
from shoal.index.checksums import Buffer
from shoal.index.container import pack, unpack
from shoal.index.log_codec import FORMAT_2, KIND

OPERATION = "restore"


@dataclass(frozen=True, slots=True)
class LogRestore:
    """The root of a version, by key and SHA-256 (hex), and the name that it was asked for by."""

    manifest: str
    manifest_sha256: str
    snapshot: str


def encode_restore(restore: LogRestore) -> bytes:
    """Build the object of a restore."""
    attributes = {
        "operation": OPERATION,
        "manifest": restore.manifest,
        "manifest_sha256": restore.manifest_sha256,
        "snapshot": restore.snapshot,
    }
    return pack(KIND, FORMAT_2, attributes, {})


def decode_restore(data: Buffer) -> LogRestore:
    """Read the object of a restore, after its checksum has been compared.

    Raises:
        CorruptObject: not that of a restore, or not of a known format.
    """
    attributes = unpack(KIND, data, versions=(FORMAT_2,)).attributes
    match attributes:
        case {
            "operation": "restore",
            "manifest": str(manifest),
            "manifest_sha256": str(sha256),
            "snapshot": str(snapshot),
        }:
            return LogRestore(manifest, sha256, snapshot)
    raise CorruptObject("log object is not that of a restore")
