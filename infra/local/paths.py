"""Where the local stack keeps what: all of it in one git-ignored folder, or in the one that a test gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
STATE: Final = ROOT / ".local"
"""The state of the stack that `make up` starts; here lies too what all stacks share and can be built again."""

EMULATOR_ENVIRONMENT: Final = STATE / "emulator"
ASSEMBLY: Final = STATE / "cdk.out"


@dataclass(frozen=True, slots=True)
class Paths:
    """The files of one stack."""

    state: Path

    @property
    def stack_file(self) -> Path:
        """What the stack is: addresses, credentials, outputs. Readable by its owner only."""
        return self.state / "stack.json"

    @property
    def process_lock(self) -> Path:
        """Locked by the emulator while it lives; holds its process id."""
        return self.state / "emulator.lock"

    @property
    def turn_lock(self) -> Path:
        """Locked while somebody starts or stops the stack."""
        return self.state / "turn.lock"

    @property
    def logs(self) -> Path:
        """One file of the emulator and one of each function."""
        return self.state / "logs"

    @property
    def data(self) -> Path:
        """What the emulator keeps between runs."""
        return self.state / "data"

    @property
    def scratch(self) -> Path:
        """Unpacked code and layers, and the functions' `TMPDIR`; emptied at each start."""
        return self.state / "tmp"
