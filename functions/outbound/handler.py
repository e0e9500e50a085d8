"""Lambda function `outbound`: sends requests to addresses that users gave. Its role reaches keys, and no data.

Its environment names no table and no bucket. It logs a status and a size, and nothing of what is sent or answered.
"""

import logging
import os
import time
from functools import cache
from typing import Any

from shoal.errors import RequestError, StorageBusy
from shoal.observability import bind, configure, log_event
from shoal.outbound.client import Client
from shoal.outbound.sender import Sender
from shoal.outbound.settings import OutboundSettings
from shoal.storage.outbound_messages import answer_event, error_event, read_request


@cache
def sender() -> Sender:
    """What sends; made at the first request."""
    from shoal.storage.aws_clients import ssm_client
    from shoal.storage.aws_parameters import AwsParameters

    found = OutboundSettings.from_env(os.environ)
    configure(os.environ.get("POWERTOOLS_SERVICE_NAME", "shoal"), found.log_level)
    client = Client(allow_loopback=found.allow_loopback)
    return Sender(client, read_key=AwsParameters(ssm_client()).get, prefix=found.parameter_prefix)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle a request: `{"url", "body", "base64"?, "headers", "key_parameter"?}`."""
    sends = sender()
    bind(request_id=context.aws_request_id)
    began = time.monotonic()
    try:
        asked = read_request(event)
        answer = sends.post(asked.url, asked.body, headers=asked.headers, key_parameter=asked.key_parameter)
    except (RequestError, StorageBusy, ValueError) as error:
        said = error_event(error)
        log_event("not answered", level=logging.WARNING, error_code=said["error"])
        return said
    log_event("answered", status=answer.status, bytes=len(answer.body), seconds=time.monotonic() - began)
    return answer_event(answer)
