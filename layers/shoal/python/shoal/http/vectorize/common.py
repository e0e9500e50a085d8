"""What the modules of this dialect share: whose indexes, which index, bodies."""

import re
import uuid
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from shoal.errors import NotFound
from shoal.http.context import Context
from shoal.http.vectorize.envelope import BAD_BODY, UNROUTED, Fault
from shoal.model.datasets import NATIVE_SCOPE, Dataset
from shoal.model.ids import parse_job_id
from shoal.services import datasets
from shoal.services.vectorize.indexes import was_deleted

PREFIX = "/client/v4/accounts/{account_id}/vectorize/v2/indexes"
_NAME = re.compile(r"[a-z0-9_-]{1,64}")
MAX_ID_BYTES = 64


class Wanted(BaseModel):
    """Base of request bodies: strict, numbers finite, unknown fields ignored."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="ignore")


def tenant_of(context: Context) -> str:
    """The tenant whose account the path names, which must be the caller's own.

    Raises:
        Fault: 7003.
    """
    tenant_id = context.principal.tenant_id
    if context.parameters["account_id"] != tenant_id.removeprefix("ten_"):
        raise Fault(
            404,
            UNROUTED,
            f"Could not route to {context.request.path}, perhaps your object identifier is invalid?",
        )
    return tenant_id


def index_name(context: Context) -> str:
    """The name in the path, where an index can have it.

    Raises:
        Fault: 3000, 3005: there is none of that name, or not any more.
    """
    name = context.parameters["index_name"]
    if not _NAME.fullmatch(name):
        raise not_found(name)
    return name


def index_of(context: Context) -> Dataset:
    """The dataset behind the index that the path names.

    Raises:
        Fault: 3000, 3005, 7003.
    """
    tenant_id, name = tenant_of(context), index_name(context)
    try:
        return datasets.resolve(context.ports, tenant_id, scope=NATIVE_SCOPE, name=name)
    except NotFound:
        raise missing(context, tenant_id, name) from None


def missing(context: Context, tenant_id: str, name: str) -> Fault:
    """The error of an index that is not there: it was deleted, or it never was."""
    if was_deleted(context.ports, tenant_id, name):
        return Fault(410, 3005, f'vectorize.index.deleted - Index name "{name}" was deleted')
    return not_found(name)


def not_found(name: str) -> Fault:
    """The error of an index that never was."""
    return Fault(404, 3000, f'vectorize.index.not_found - Index name "{name}"')


def check_new_name(name: object) -> str:
    """The name of an index that is to be made.

    Raises:
        Fault: 3001.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Fault(
            400,
            3001,
            "vectorize.index.invalid_name - Index name must be 1-64 characters of a-z, 0-9, - and _",
        )
    return name


def body_of[T: Wanted](context: Context, kind: type[T]) -> T:
    """The body as one of this dialect's types.

    Raises:
        Fault: 40026: names the first field that is wrong, and quotes nothing.
    """
    try:
        return kind.model_validate(json_body(context))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise _unparsed(f"{where}: {fault['msg']}") from None


def json_body(context: Context) -> dict[str, Any]:
    """The body as a JSON object.

    Raises:
        Fault: 40026.
    """
    try:
        value = orjson.loads(context.body())
    except orjson.JSONDecodeError as error:
        raise _unparsed(error.msg) from None
    if not isinstance(value, dict):
        raise _unparsed("not an object")
    return value


def _unparsed(why: str) -> Fault:
    return Fault(400, BAD_BODY, f"Failed to parse the request body as JSON: {why}")


def check_ids(ids: list[str], *, most: int) -> None:
    """See that ids are neither too many nor too long.

    Raises:
        Fault: 40007, 40008.
    """
    if len(ids) > most:
        raise Fault(400, 40007, f"too many ids in payload; max id count is {most}, got {len(ids)}")
    for wanted in ids:
        check_id(wanted)


def check_id(wanted: str) -> None:
    """See that an id is not too long, in bytes.

    Raises:
        Fault: 40008.
    """
    size = len(wanted.encode(errors="surrogatepass"))
    if size > MAX_ID_BYTES:
        raise Fault(400, 40008, f"id too long; max is {MAX_ID_BYTES} bytes, got {size} bytes")


def mutation_id(job_id: str) -> str:
    """A job's id as the UUID that this dialect shows: both have 32 hex digits."""
    parsed = parse_job_id(job_id)
    if parsed is None:
        raise ValueError(f"not a job id: {job_id!r}")
    return str(uuid.UUID(hex=f"{parsed[0]}{parsed[1]:016x}"))


def timestamp(seconds: float) -> str:
    """Epoch seconds as `2024-05-01T12:00:00.123456Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
