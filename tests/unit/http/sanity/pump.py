"""What the functions behind the API do for content, by hand: builds of indexes, and what follows documents."""

from collections.abc import Mapping
from typing import Any

from shoal.model.imports import ImportFormat
from shoal.services.content.activate import activate_step
from shoal.services.content.build import embed_step, plan_step
from shoal.services.following import follow
from shoal.services.imports.lookup import find_import
from shoal.services.imports.steps import run_step
from shoal.services.parts import PartReader
from tests.unit.http.api import Api
from tests.unit.http.studio.pump import BUDGET_SECONDS, Pump, taken


class ContentPump(Pump):
    """As the other one; it also builds indexes of content, and has them follow what was written."""

    def __init__(self, api: Api) -> None:
        super().__init__(api)
        self._reader = PartReader(api.ports.objects, cache_bytes=10**7)

    def tasks(self) -> bool:
        """Bring the followers up to the datasets that were woken for; whether there was any."""
        woken = {(message["tenant_id"], message["dataset_id"]) for message in taken(self._api.tasks)}
        for tenant_id, dataset_id in sorted(woken):
            follow(
                self._api.ports,
                self._api.embedder,
                self._reader,
                tenant_id,
                dataset_id,
                owner=self._owner(),
                budget_seconds=BUDGET_SECONDS,
            )
        return bool(woken)

    def _step(self, function: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        ports = self._api.ports
        job = find_import(ports, payload["import_id"])
        if function != "reindex" or job is None or job.format is not ImportFormat.CONTENT:
            return super()._step(function, payload)
        match payload["step"]:
            case "fail":
                return super()._step(function, payload)
            case "deploy":
                return activate_step(ports, payload["import_id"])
            case _:
                plan = plan_step(self._api.embedder.registry, seconds=BUDGET_SECONDS, pause=self._pause)
                return run_step(ports, payload, {"plan": plan, "embed": embed_step(self._api.embedder)})
