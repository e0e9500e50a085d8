"""The API's calls about tasks: what is asked of collections, and how far it is."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from infra.cli.batches import compress
from infra.cli.collections.calls import API
from infra.cli.collections.results import Estimate, Family, TaskInfo, TaskKind
from infra.cli.failures import ApiError, UsageError, hint_for
from infra.cli.transport import Transport

_PATHS = {
    TaskKind.UPSERTION: f"{API}/embeddings/upsertion-tasks",
    TaskKind.DELETION: f"{API}/embeddings/deletion-tasks",
    TaskKind.INTERNAL_UPSERTION: f"{API}/internal/upsertion-tasks",
    TaskKind.INTERNAL_DELETION: f"{API}/internal/deletion-tasks",
    TaskKind.REINDEX: f"{API}/internal/reindex-tasks",
}
_PAGE, _MOST = 1000, 100_000  # the API's limits of a page, and of what is passed over
_GZIPPED = {"Content-Type": "application/json", "Content-Encoding": "gzip"}


class TaskCalls:
    """Tasks of one API; made by `ShoalClient.tasks`."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def upsert(
        self,
        items: Sequence[bytes],
        *,
        task_id: str | None = None,
        model_id: str | None = None,
        family: Family = Family.ITEMS,
    ) -> TaskInfo:
        """Write objects, each as JSON bytes: into the blue collection, or into that of a model."""
        import orjson

        named = {"task_id": task_id, "embedding_model_id": model_id}
        head = orjson.dumps({name: value for name, value in named.items() if value is not None})[1:-1]
        body = b'{%s"items":[%s]}' % (head + b"," if head else b"", b",".join(items))
        path, kind = self._run(TaskKind.UPSERTION, TaskKind.INTERNAL_UPSERTION, model_id, family)
        answer = self._http.send("POST", path, content=compress([body], 3), headers=_GZIPPED)
        return TaskInfo.of(answer.json(), kind)

    def delete(
        self,
        object_ids: Sequence[str],
        *,
        task_id: str | None = None,
        model_id: str | None = None,
        family: Family = Family.ITEMS,
    ) -> TaskInfo:
        """Delete objects, there or not: of the blue collection, or of that of a model."""
        body = {"object_ids": list(object_ids), "task_id": task_id, "embedding_model_id": model_id}
        path, kind = self._run(TaskKind.DELETION, TaskKind.INTERNAL_DELETION, model_id, family)
        sent = {name: value for name, value in body.items() if value is not None}
        return TaskInfo.of(self._http.send("POST", path, json=sent).json(), kind)

    def reindex(self, source: str, dest: str, **settings: Any) -> TaskInfo:
        """Embed all objects of a collection anew into another. `settings` are those of the API."""
        answer = self._http.send(
            "POST", f"{_PATHS[TaskKind.REINDEX]}/run", json=_asked(source, dest, settings)
        )
        return TaskInfo.of(answer.json(), TaskKind.REINDEX)

    def estimate(self, source: str, dest: str, **settings: Any) -> Estimate:
        """What a reindex would take; nothing is done."""
        asked = _asked(source, dest, {**settings, "dry_run": True})
        return Estimate.of(self._http.send("POST", f"{_PATHS[TaskKind.REINDEX]}/run", json=asked).json())

    def get(self, kind: TaskKind, task_id: str) -> TaskInfo:
        """One task; 404 where there is none of that id and kind."""
        answer = self._http.send("GET", f"{_PATHS[kind]}/info", params={"task_id": task_id})
        return TaskInfo.of(answer.json(), kind)

    def find(self, task_id: str) -> TaskInfo:
        """The task of that id, of whatever kind.

        Raises:
            ApiError: there is none.
            UsageError: ids are unique within a kind only, and there are two.
        """
        found: list[TaskInfo] = []
        for kind in TaskKind:
            try:
                found.append(self.get(kind, task_id))
            except ApiError as error:
                if error.status != 404:
                    raise
        if len(found) > 1:
            kinds = ", ".join(each.kind for each in found)
            raise UsageError(f"several tasks are called {task_id}: {kinds}", hint=f"--kind {found[0].kind}")
        if not found:
            raise ApiError(
                404, "task_not_found", f"there is no task {task_id}", hint=hint_for("task_not_found")
            )
        return found[0]

    def newest(self, kind: TaskKind, *, limit: int = 100, status: str | None = None) -> tuple[TaskInfo, ...]:
        """The newest tasks of a kind, newest first. The API lists the oldest first: all pages are asked for."""
        kept: deque[TaskInfo] = deque(maxlen=limit)
        for offset in range(0, _MOST + 1, _PAGE):
            asked = {"offset": str(offset), "limit": str(_PAGE)} | ({"status": status} if status else {})
            page = self._http.send("GET", f"{_PATHS[kind]}/list", params=asked).json()
            kept.extend(TaskInfo.of(each, kind) for each in page)
            if len(page) < _PAGE:
                break
        return tuple(reversed(kept))

    def cancel(self, kind: TaskKind, task_id: str) -> TaskInfo:
        """End a task that waits or runs."""
        answer = self._http.send("PUT", f"{_PATHS[kind]}/cancel", params={"task_id": task_id})
        return TaskInfo.of(answer.json(), kind)

    def restart(self, kind: TaskKind, task_id: str) -> TaskInfo:
        """Do a task that is over once more."""
        answer = self._http.send("PUT", f"{_PATHS[kind]}/restart", params={"task_id": task_id})
        return TaskInfo.of(answer.json(), kind)

    @staticmethod
    def _run(
        public: TaskKind, internal: TaskKind, model_id: str | None, family: Family
    ) -> tuple[str, TaskKind]:
        kind = public if model_id is None else internal
        twin = "/categories" if family is Family.CATEGORIES else ""
        return f"{_PATHS[kind]}{twin}/run", kind


def _asked(source: str, dest: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    models = {"source": {"embedding_model_id": source}, "dest": {"embedding_model_id": dest}}
    return models | {name: value for name, value in settings.items() if value is not None}
