"""Runs the emulator and the API's front as one process. Started by `lifecycle`, in the emulator's environment.

Two sockets come in, bound by the parent: the emulator answers on one, the API on the other. The process holds a
lock on a file with its id in it for as long as it lives, so its id can never be mistaken for another process's.
"""

import asyncio
import fcntl
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

EMULATOR: Final = "1.5.33"
"""The version whose private functions `emulator` replaces."""


def main() -> None:
    """Serve until SIGTERM, then let the emulator save its state and end the functions' processes."""
    if version("ministack") != EMULATOR:
        raise SystemExit(f"the emulator must be ministack {EMULATOR}, not {version('ministack')}")
    emulator_fd, front_fd, front_port = (int(argument) for argument in sys.argv[1:4])
    lock_file, python, logs = (Path(argument) for argument in sys.argv[4:7])
    lock = lock_file.open("a+")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()

    # The emulator reads its environment when imported, and some of what is replaced is imported by name:
    # so the patches come first, and the server after them.
    from infra.local import emulator

    emulator.install(python=python, logs=logs)

    from infra.local import server

    asyncio.run(server.serve(emulator_fd, front_fd, front_port=front_port))


if __name__ == "__main__":
    main()
