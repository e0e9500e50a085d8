"""Processes that do the steps of an import: two that stay warm, or a new one for each step that is measured."""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infra.local.paths import ROOT
from tests.benchmarks.shared_stores import Call, Place, SharedStores
from tests.workflow.faults import StateFailed, failure_of
from tests.workflow.steps import call

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_attached: list[SharedStores] = []
"""The stores of this process."""


def attach(place: Place) -> SharedStores:
    """Let this process do steps over these stores."""
    _attached[:] = [SharedStores(place)]
    return _attached[0]


def attached() -> SharedStores:
    """The stores that this process is attached to."""
    (stores,) = _attached
    return stores


def do_step(function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Do a step in this process, over the stores it is attached to, and note how long it took."""
    stores = attached()
    began, before = time.perf_counter(), time.process_time()
    output = call(stores.ports, function, payload)
    took = time.perf_counter() - began, time.process_time() - before
    stores.note(Call(function, str(payload["step"]), *took))
    return output


@contextmanager
def warm_workers(place: Place, processes: int = 2) -> Iterator[ProcessPoolExecutor]:
    """Processes of one thread each, in which everything is imported already."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(place,)) as pool:
            for future in [pool.submit(time.sleep, 0.2) for _ in range(processes * 2)]:
                future.result()
            yield pool
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _begin(place: Place) -> None:
    from tests.workflow.steps import DERIVATION_NAMES, NAMES, steps_of

    attach(place)
    for function in (*NAMES.values(), *DERIVATION_NAMES.values()):
        if function.startswith("import_") or function == "derivation":
            steps_of(function)


@dataclass(frozen=True, slots=True)
class ProcessPerStep:
    """An `invoke` that starts a process for each call, with as much memory as its function has on Lambda.

    `memory_mb` is by function; `seconds` bounds each call.
    """

    place: Place
    memory_mb: Mapping[str, int]
    seconds: float = 900.0

    def __call__(self, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do a step.

        Raises:
            StateFailed: with the step's error.
        """
        place = {**asdict(self.place), "secret": self.place.secret.hex()}
        asked = {
            "place": place,
            "function": function,
            "payload": payload,
            "memory_mb": self.memory_mb[function],
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.one_step"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=self.seconds,
            cwd=ROOT,
        )
        if done.returncode != 0:
            raise StateFailed("Runtime.ExitError", done.stderr[-2000:])
        answer = json.loads(done.stdout)
        if "error" in answer:
            raise StateFailed(answer["error"], answer["cause"])
        output: Mapping[str, Any] = answer["output"]
        return output


def one_step(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What such a process does."""
    place = asked["place"]
    stores = attach(Place(place["folder"], place["address"], bytes.fromhex(place["secret"])))
    function, payload = asked["function"], asked["payload"]
    began, before = time.perf_counter(), time.process_time()
    try:
        output = call(stores.ports, function, payload)
    except Exception as raised:  # noqa: BLE001 - every error of a step goes back as its answer
        failed = failure_of(raised)
        return {"error": failed.error, "cause": failed.cause}
    took = time.perf_counter() - began, time.process_time() - before
    stores.note(Call(function, str(payload["step"]), *took, peak_bytes()))
    return {"output": dict(output)}


def peak_bytes() -> int:
    """The most memory that this process had. Not `ru_maxrss`, which counts what its parent had when it forked."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmHWM")
