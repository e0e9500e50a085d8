"""What can go wrong in the command line, and the exit code of each.

::

    CliError                1   a check did not hold, or something failed for good
    ├── UsageError          2   the command is not possible as written
    ├── Unreachable         3   nothing answers: no stack, no network, no credentials
    └── ApiError            4   the API refused
        ├── Denied          5   401, 403: the key is missing, wrong, expired or lacks the scope
        └── Busy            6   429, 503: a limit or a quota; later the same may pass
"""

from collections.abc import Mapping
from typing import Any


class CliError(Exception):
    """One clear line for the user, and what to do about it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(CliError):
    """The command is not possible as written."""

    exit_code = 2


class Unreachable(CliError):
    """Nothing answers there."""

    exit_code = 3


class ApiError(CliError):
    """The API refused: `status`, and `code`, `message` and `details` of its answer."""

    exit_code = 4

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code
        self.details = dict(details) if details else None
        self.retry_after = retry_after


class Denied(ApiError):
    """401 or 403."""

    exit_code = 5


class Busy(ApiError):
    """429 or 503, and still so after the last attempt."""

    exit_code = 6


class JobFailed(CliError):
    """A write was taken into the log but failed for good; the message says why."""


class NotIndexedInTime(CliError):
    """A job was still pending when the time was up. It goes on without us."""


_HINTS = {
    "dataset_not_found": "`shoal datasets list` shows what is there",
    "dataset_exists": "take another name, or delete it first: `shoal datasets delete NAME`",
    "vector_quota_exceeded": "an operator raises it: `shoal tenants set-quota TENANT --vectors N`",
    "query_quota_exceeded": "an operator raises it: `shoal tenants set-quota TENANT --queries N`",
    "dimension_mismatch": "`shoal datasets get NAME` shows the dimension",
    "import_not_found": "`shoal imports list NAME` shows what is there",
    "export_not_found": "`shoal exports NAME` shows what is there; exports are kept for a week",
    "too_many_exports": "wait for one to end: `shoal exports NAME`",
    "dataset_empty": "write something first: `shoal import NAME FILE`",
    "snapshot_exists": "take another name, or delete it first: `shoal snapshot delete NAME SNAPSHOT`",
    "too_many_snapshots": "`shoal snapshot list NAME` shows those there are",
    "import_open": "`shoal imports list NAME` shows what is under way",
    "not_related": "`shoal snapshot clone OTHER NEW` makes a dataset of it",
    "snapshot_not_found": "`shoal snapshot list NAME` shows what is there",
    "alias_not_found": "`shoal aliases list` and `shoal models` show those there are",
    "alias_target": "move them first: `shoal aliases set ALIAS DATASET`; or delete it with --force",
    "alias_moved": "`shoal aliases show ALIAS` says where it points, and who moved it when",
    "is_alias": "`shoal aliases show ALIAS` names the dataset; `shoal aliases delete ALIAS` deletes the alias",
    "name_taken": "take another name: `shoal datasets list` shows those of datasets",
    "rollback_target_gone": "choose another one: `shoal aliases set ALIAS DATASET`",
    "nothing_to_roll_back": "`shoal aliases show ALIAS` shows its moves",
    "term_list_not_found": "`shoal terms list` shows those there are",
    "dataset_follows": "`shoal derivation show NAME` names the dataset that it is derived from",
    "source_unfinished": "`shoal derivation show RUN --watch` follows the run that makes it",
    "derivation_running": "`shoal derivation show NAME --watch` follows it, `shoal derivation cancel RUN` ends it",
    "derivation_not_found": "`shoal derivation show NAME` names the last run; runs are kept for a while",
    "derivation_ending": "`shoal derivation show RUN --watch` follows it to its end",
    "not_derived": "`shoal derive SOURCE NAME` makes one",
    "source_deleted": "derive it from another dataset: `shoal derive SOURCE NAME`",
    "cursor_expired": "begin anew: what was paged through is a version that is no longer kept",
    "model_not_found": "`shoal models` lists those there are",
    "collection_not_found": "`shoal collections list` shows what is there",
    "collection_exists": "write to it, or delete it first: `shoal collections delete MODEL`",
    "collection_is_blue": "make another one blue first: `shoal collections blue MODEL`",
    "collection_in_reindex": "wait for the reindex, or cancel it: `shoal reindex list`",
    "no_blue_collection": "write something first: `shoal collections upsert FILE.ndjson`",
    "task_not_found": "`shoal tasks list` shows those there are",
    "destination_not_empty": "embed it anew with --replace, or take it as it is: `shoal collections blue MODEL`",
    "too_many_reindexes": "wait for one to end, or cancel one: `shoal reindex list`",
    "reindex_onto_itself": "`shoal models` lists the others; their aliases are the same models",
    "task_ended": "`shoal tasks restart TASK` does it once more",
    "task_not_ended": "`shoal tasks show TASK --watch` follows it; `shoal tasks cancel TASK` ends it",
    "task_expired": "send it again",
    "backlog_full": "wait until some of it is done: `shoal tasks list --status processing`",
    "token_cap_reached": "the cap counts a day in UTC: later the same may pass",
    "too_many_imports": "wait for one to end, or cancel one: `shoal imports list NAME`",
}


def hint_for(code: str) -> str | None:
    """What to do about an error of the API, where we know."""
    return _HINTS.get(code)


def _said(detail: object) -> str:
    """The words of a refusal; a list of fields that are wrong becomes one line."""
    if not isinstance(detail, list):
        return str(detail or "")
    told = []
    for each in detail:
        where = ".".join(str(step) for step in each.get("loc", ()) if step != "body")
        told.append(f"{where}: {each.get('msg')}" if where else str(each.get("msg")))
    return "; ".join(told)


def _kind(detail: object) -> str | None:
    """What is wrong with the first of several fields."""
    return str(detail[0].get("type")) if isinstance(detail, list) and detail else None


def from_answer(status: int, body: object, retry_after: float | None) -> ApiError:
    """The error that an answer tells of: Shoal's own shape, or that of a gateway in front of it."""
    code, message, details = f"http_{status}", f"HTTP {status}", None
    if isinstance(body, Mapping):
        error = body.get("error")
        if isinstance(error, Mapping):
            code, message, details = str(error.get("code")), str(error.get("message")), error.get("details")
        else:
            detail = body.get("message") or body.get("detail")
            message = _said(detail) or message
            code = str(body.get("code") or _kind(detail) or code)
    hint = _HINTS.get(code)
    if status in (401, 403):
        hint = hint or "give a valid key in SHOAL_API_KEY or in a profile; `shoal keys create` makes one"
        return Denied(status, code, message, details=details, hint=hint)
    if status in (429, 503):
        if hint is None and retry_after is not None:
            hint = f"try again in {retry_after:.0f} s"
        return Busy(status, code, message, details=details, retry_after=retry_after, hint=hint)
    return ApiError(status, code, message, details=details, hint=hint)
