"""Derivations of an `Api`: the deployed workflow, run in this process, with an indexer beside it."""

from shoal.services.commit import drain
from shoal.services.derived.items import find_derivation
from shoal.storage.keys import DatasetKeys
from tests.unit.http.api import Api
from tests.unit.services.derived.deriving import call, definition
from tests.workflow.machine import Runner


def run_derivation(api: Api, run_id: str) -> None:
    """Do all that a run still needs; logs are applied while it waits."""
    run = find_derivation(api.ports, run_id)
    if run is None or run.status.terminal:
        return

    def waited(_: float) -> None:
        for dataset_id in (run.source_id, run.dataset_id):
            keys = DatasetKeys(run.tenant_id, dataset_id)
            if api.ports.table.get(keys.meta) is not None:
                drain(api.ports, run.tenant_id, dataset_id, owner="test")

    runner = Runner(api.ports.objects, lambda name, given: call(api.ports, name, given), wait=waited)
    execution = runner.run(definition(), {"run_id": run_id}, {})
    assert execution.succeeded, (execution.error, execution.cause)
    api.derivations.end(run_id, execution.status)
