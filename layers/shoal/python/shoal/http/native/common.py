"""What the modules of the native dialect share: times, bodies, names of datasets."""

from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import ValidationError

from shoal.errors import InvalidInput, NotFound
from shoal.http.context import Context
from shoal.http.native.types import Body
from shoal.model.datasets import NATIVE_SCOPE, Dataset, check_name
from shoal.model.limits import MAX_ID_CHARACTERS
from shoal.services import datasets


def timestamp(seconds: float) -> str:
    """Epoch seconds as `YYYY-MM-DDTHH:MM:SSZ`."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def optional_timestamp(seconds: float | None) -> str | None:
    """As `timestamp`; None stays None."""
    return None if seconds is None else timestamp(seconds)


def dataset_name(context: Context) -> str:
    """The dataset that the path names.

    Raises:
        NotFound: code `dataset_not_found`: no dataset can have this name.
    """
    return existing_name(context.parameters["name"])


def dataset_of(context: Context) -> Dataset:
    """The dataset that the path names.

    Raises:
        NotFound: `dataset_not_found`.
    """
    name = dataset_name(context)
    return datasets.resolve(context.ports, context.principal.tenant_id, scope=NATIVE_SCOPE, name=name)


def existing_name(name: str) -> str:
    """The name, where a dataset can have it.

    Raises:
        NotFound: code `dataset_not_found`.
    """
    try:
        return check_name(name)
    except InvalidInput as error:
        raise NotFound("dataset_not_found", "dataset not found") from error


def record_id(context: Context) -> str:
    """The record that the request names: `?id=` where there is one, else the rest of the path.

    The query parameter reaches ids that no path can hold, such as `..` or one that starts with a slash.

    Raises:
        InvalidInput: code `invalid_request`: empty or too long.
    """
    given = context.request.first("id")
    wanted = context.parameters["id"] if given is None else given
    if not 1 <= len(wanted) <= MAX_ID_CHARACTERS:
        raise InvalidInput("invalid_request", f"id must be 1-{MAX_ID_CHARACTERS} characters")
    return wanted


def flag(context: Context, name: str) -> bool:
    """A query parameter that is `true` or `false` (default).

    Raises:
        InvalidInput: code `invalid_request`.
    """
    text = context.request.first(name)
    if text is None or text.lower() in {"false", "0"}:
        return False
    if text.lower() in {"true", "1", ""}:
        return True
    raise InvalidInput("invalid_request", f"{name} must be true or false")


def parse_body[T: Body](kind: type[T], data: bytes) -> T:
    """The body as one of our types.

    Raises:
        InvalidInput: code `invalid_request`: names the first field that is wrong, and quotes nothing.
    """
    return parse_fields(kind, json_object(data))


def parse_fields[T: Body](kind: type[T], fields: dict[str, Any], *, code: str = "invalid_request") -> T:
    """A JSON object as one of our types.

    Raises:
        InvalidInput: with this code: names the first field that is wrong, and quotes nothing.
    """
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise InvalidInput(code, explain(faults_of(error)[0])) from None


def json_object(data: bytes) -> dict[str, Any]:
    """The body as a JSON object, parsed as metadata is, so that numbers in filters compare alike.

    Raises:
        InvalidInput: code `invalid_request`.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise InvalidInput("invalid_request", "body must be valid JSON") from None
    if not isinstance(value, dict):
        raise InvalidInput("invalid_request", "body must be a JSON object")
    return value


def faults_of(error: ValidationError) -> list[dict[str, Any]]:
    """What is wrong, in the order of the fields and without the input."""
    return [
        dict(fault) for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def explain(fault: dict[str, Any]) -> str:
    """A fault as a sentence."""
    where = ".".join(str(part) for part in fault["loc"])
    message = str(fault["msg"])
    return f"{where}: {message[:1].lower()}{message[1:]}"
