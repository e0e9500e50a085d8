"""The call that tells of a completed task: a POST without a body, tried again where nobody answers it."""

import logging

from shoal.errors import InvalidInput, StorageBusy, TooLarge
from shoal.model.openverse import Callback, OpenverseTask
from shoal.services.openverse.ending import and_of_callback
from shoal.services.openverse.steps import AGAIN, DONE, Next, wait
from shoal.services.openverse.tasks import change_task
from shoal.storage.model_ports import Answer
from shoal.storage.ports import Ports

_log = logging.getLogger(__name__)
PAUSES = (5, 30, 120, 600)
"""Seconds after each try but the last."""
TRIES = len(PAUSES) + 1
_HEADERS = {"Content-Type": "application/octet-stream"}
"""There is no JSON in nothing."""
_PASSING = frozenset({408, 425, 429})
"""Refusals that may be over later, besides all of 5xx."""
_OK, _REDIRECT, _SERVER_ERROR = 200, 300, 500


def call_back(ports: Ports, task: OpenverseTask) -> Next:
    """Tell of a completed task, if that is still to be done. Whatever becomes of it, the task stays completed.

    A try is counted before it is made: a process that dies in the middle of one has made it. So who is called may
    hear of a task twice, and never more than `TRIES` times.
    """
    if task.callback is not Callback.PENDING or task.callback_url is None:
        return DONE
    if task.callback_attempts >= TRIES:
        return _ended(ports, task, Callback.FAILED, f"given up after {TRIES} tries")
    tried = change_task(ports, task, callback_attempts=task.callback_attempts + 1)
    if tried is None:
        return AGAIN  # another process is at it
    try:
        answer = ports.outbound.post(task.callback_url, b"", headers=_HEADERS)
    except InvalidInput as refused:  # nothing was sent, and nothing would be
        return _ended(ports, tried, Callback.REFUSED, refused.message)
    except TooLarge:  # it was delivered; nobody wants to know what was said
        return _ended(ports, tried, Callback.SENT)
    except StorageBusy as busy:
        return _again(ports, tried, str(busy))
    if _OK <= answer.status < _REDIRECT:
        return _ended(ports, tried, Callback.SENT)
    why = _told(answer)
    if answer.status >= _SERVER_ERROR or answer.status in _PASSING:
        return _again(ports, tried, why)
    return _ended(ports, tried, Callback.FAILED, why)


def _told(answer: Answer) -> str:
    if _REDIRECT <= answer.status < 400:
        return f"it answers {answer.status}, and redirects are not followed"
    return f"it answers {answer.status}"


def _again(ports: Ports, task: OpenverseTask, why: str) -> Next:
    if task.callback_attempts >= TRIES:
        return _ended(ports, task, Callback.FAILED, f"{why}; given up after {TRIES} tries")
    _log.info("callback not delivered", extra={"task_id": task.task_id, "tries": task.callback_attempts})
    return wait(PAUSES[task.callback_attempts - 1])


def _ended(ports: Ports, task: OpenverseTask, callback: Callback, why: str | None = None) -> Next:
    detail = {} if why is None else {"detail": and_of_callback(task, why)}
    ended = change_task(ports, task, callback=callback, **detail)
    return AGAIN if ended is None else DONE
