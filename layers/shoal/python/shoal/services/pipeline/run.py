"""One run of a workflow over a dataset: what its steps store on the way, and how far it is.

Attempts do not meet (invariant 8): what a step makes goes under a name that no other attempt has, and a small
record under a fixed name, put only if there is none, says whose counts.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shoal.errors import CorruptObject, ObjectMissing, PreconditionFailed
from shoal.index.checksums import Buffer, sha256_hex, verify
from shoal.model.datasets import Dataset
from shoal.model.ids import new_token
from shoal.model.manifests import PartRef
from shoal.model.work import WorkRecord
from shoal.services.retry import retry_busy
from shoal.storage.ports import Ports


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of the rows that a run indexes, numbered.

    `columns` (`index.column_file`) hold `rows` rows, `hashes` those of their ids (raw uint64, shape (rows, 2)),
    `sample` some of them (`sample.encode_sample`). `kept` says which of the rows count, as places among them (raw
    uint32, ascending); None where all do.
    """

    number: int
    rows: int
    columns: PartRef
    hashes: PartRef
    sample: PartRef
    kept: PartRef | None = None


@dataclass(frozen=True, slots=True)
class Run(ABC):
    """A run at work. Kinds of runs differ in what they are about; storing and remembering is the same."""

    ports: Ports
    dataset: Dataset

    # --- what kinds of runs differ in

    @property
    @abstractmethod
    def run_id(self) -> str:
        """Its name."""

    @abstractmethod
    def key(self, name: str) -> str:
        """Where an object of that name lies which the run makes on the way."""

    @abstractmethod
    def enter(self, stage: str, *, total: int = 0) -> None:
        """Say which stage begins, and of how many pieces it consists; raises where the run has ended."""

    @abstractmethod
    def piece_done(self) -> None:
        """Count a piece of the stage as done; raises where the run has ended.

        For people: a repeated attempt may leave it out.
        """

    # --- objects

    def put(self, name: str, data: Buffer) -> PartRef:
        """Store an object of this attempt; `name` says what it is."""
        key = self.key(f"{name}-{new_token()}")
        retry_busy(lambda: self.ports.objects.put(key, memoryview(data)))
        return PartRef(key=key, size=memoryview(data).nbytes, sha256=sha256_hex(data))

    def read(self, ref: PartRef) -> bytes:
        """A stored object.

        Raises:
            CorruptObject: missing, or not what was stored.
        """
        try:
            data = retry_busy(lambda: self.ports.objects.get(ref.key))
        except ObjectMissing as missing:
            raise CorruptObject(f"{ref.key} is named but missing") from missing
        verify(data, sha256=ref.sha256, size=ref.size, name=ref.key)
        return data

    def read_range(self, ref: PartRef, start: int, stop: int) -> bytes:
        """Bytes ``[start, stop)`` of a stored object, which can't be verified by its checksum."""
        if start == stop:
            return b""
        data = retry_busy(lambda: self.ports.objects.get(ref.key, byte_range=(start, stop)))
        if len(data) != stop - start:
            raise CorruptObject(f"{ref.key} ends before byte {stop}")
        return data

    # --- records: the first one of a name counts

    def record[R: WorkRecord](self, name: str, made: R) -> tuple[R, bool]:
        """Store the record of a result unless there is one; the record that counts, and whether it is ours."""
        key = self.key(f"{name}.json")
        try:
            retry_busy(lambda: self.ports.objects.put(key, made.sealed(), if_none_match=True))
        except PreconditionFailed:
            there = self.needed(name, type(made))
            return there, there == made
        return made, True

    def recorded[R: WorkRecord](self, name: str, kind: type[R]) -> R | None:
        """The record of a result; None where there is none yet."""
        key = self.key(f"{name}.json")
        try:
            return kind.parse(retry_busy(lambda: self.ports.objects.get(key)))
        except ObjectMissing:
            return None
        except CorruptObject as damaged:
            raise CorruptObject(f"{key}: {damaged}") from damaged

    def needed[R: WorkRecord](self, name: str, kind: type[R]) -> R:
        """The record of a result that an earlier step has made.

        Raises:
            CorruptObject: there is none.
        """
        found = self.recorded(name, kind)
        if found is None:
            raise CorruptObject(f"no record {name} of {self.run_id}")
        return found

    def put_items(self, name: str, items: Sequence[WorkRecord]) -> str:
        """Store what a map goes over, a JSON line each; the key."""
        ref = self.put(name, b"".join(item.sealed() + b"\n" for item in items))
        return ref.key


@dataclass(frozen=True, slots=True)
class IndexRun(Run):
    """A run that indexes rows: those of a file, or those that are there."""

    @property
    @abstractmethod
    def sequence(self) -> int:
        """The place in the log that rows carry which have none of their own."""

    @abstractmethod
    def pieces(self, numbers: Collection[int] | None = None) -> list[Piece]:
        """The pieces that have rows, by number: those of the numbers given, or all.

        Raises:
            CorruptObject: a piece that is asked for has no rows, or is not there.
        """

    @abstractmethod
    def row_count(self) -> int:
        """How many rows count, of all pieces together."""


type Step[R: Run] = Callable[[R, Mapping[str, Any]], Mapping[str, Any]]
"""A step of a workflow: called with the run and the item of the map (empty outside of one); what it returns is the
state's output."""
