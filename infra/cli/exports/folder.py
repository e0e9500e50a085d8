"""The folder that an export is downloaded into. It is complete once it holds the manifest, which comes last."""

import json
from dataclasses import dataclass
from pathlib import Path

from infra.cli.failures import UsageError

_MANIFEST = "manifest.json"
_MARKER = ".shoal-export.json"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Which export a folder was begun for."""

    dataset: str
    snapshot: str | None
    export_id: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder for one export."""

    path: Path

    def refuse_what_is_there(self) -> None:
        """See that no export would be mixed with another one.

        Raises:
            UsageError: a complete export is in there, or it is no folder.
        """
        if (self.path / _MANIFEST).exists():
            raise UsageError(
                f"{self.path} holds an export already", hint="name another folder, or move that one away"
            )
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(
                f"{self.path} is not a folder", hint="name a folder: it is made where it is not there"
            )

    def unfinished(self) -> Unfinished | None:
        """The export whose download was begun here and not completed; None where there is none."""
        try:
            told = json.loads((self.path / _MARKER).read_text())
            return Unfinished(told["dataset"], told["snapshot"], told["export_id"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def begin(self, job: Unfinished) -> None:
        """Note for which export this folder is.

        Raises:
            UsageError: it cannot be written to.
        """
        told = {"dataset": job.dataset, "snapshot": job.snapshot, "export_id": job.export_id}
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / _MARKER).write_text(json.dumps(told) + "\n")
        except OSError as error:
            raise UsageError(f"cannot write to {self.path}: {error.strerror}") from error

    def complete(self) -> None:
        """Take the note away."""
        (self.path / _MARKER).unlink(missing_ok=True)
