"""What the steps of a workflow tell each other through S3: the base of all such records."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Self

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from shoal.errors import CorruptObject

_SEAL = "seal"


class WorkRecord(BaseModel):
    """Base of all: immutable, strict, and nothing in it that is not named.

    Nothing names the checksum of a record, so its stored form carries one: the field `seal`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def parse(cls, data: bytes | str) -> Self:
        """Read the stored form, with a seal or (as older releases wrote it) without.

        Raises:
            CorruptObject: it is not one, or not what was sealed.
        """
        try:
            fields = orjson.loads(data)
            if isinstance(fields, dict) and (seal := fields.pop(_SEAL, None)) is not None:
                if seal != _seal_of(fields):
                    raise CorruptObject(f"{cls.__name__} is not what was stored")
                data = orjson.dumps(fields)
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise CorruptObject(f"{cls.__name__} cannot be read: {error.error_count()} errors") from error
        except orjson.JSONDecodeError as error:
            raise CorruptObject(f"{cls.__name__} cannot be read: no JSON") from error

    @classmethod
    def of_item(cls, item: Mapping[str, Any]) -> Self:
        """Read a line of those that a map goes over, as the workflow hands it on.

        Raises:
            CorruptObject: as for `parse`.
        """
        return cls.parse(orjson.dumps(dict(item)))

    def line(self) -> bytes:
        """The record as JSON on one line."""
        return self.model_dump_json().encode()

    def sealed(self) -> bytes:
        """The stored form: the same with a seal."""
        fields = orjson.loads(self.line())
        return orjson.dumps({**fields, _SEAL: _seal_of(fields)})


def _seal_of(fields: Mapping[str, Any]) -> str:
    """32 hex digits that are others when anything in the fields is another."""
    return sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
