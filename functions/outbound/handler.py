"""Lambda function `outbound`: sends requests to addresses that users gave. Its role reaches keys, and no data.

Its environment names no table and no bucket. It logs a status and a size, and nothing of what is sent or answered.
"""

import logging
import time
from typing import Any

from shoal import runtime
from shoal.errors import RequestError, StorageBusy
from shoal.observability import bind, log_event
from shoal.storage.outbound_messages import answer_event, error_event, read_request


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle a request: `{"url", "body", "base64"?, "headers", "key_parameter"?}`."""
    sender = runtime.sender()
    bind(request_id=context.aws_request_id)
    began = time.monotonic()
    try:
        asked = read_request(event)
        answer = sender.post(asked.url, asked.body, headers=asked.headers, key_parameter=asked.key_parameter)
    except (RequestError, StorageBusy, ValueError) as error:
        said = error_event(error)
        log_event("not answered", level=logging.WARNING, error_code=said["error"])
        return said
    log_event("answered", status=answer.status, bytes=len(answer.body), seconds=time.monotonic() - began)
    return answer_event(answer)
