"""What the steps of a workflow tell each other through S3: the base of all such records."""

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from shoal.errors import CorruptObject


class WorkRecord(BaseModel):
    """Base of all: immutable, strict, and nothing in it that is not named."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def parse(cls, data: bytes | str) -> Self:
        """Read the stored form.

        Raises:
            CorruptObject: it is not one.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise CorruptObject(f"{cls.__name__} cannot be read: {error.error_count()} errors") from error

    def line(self) -> bytes:
        """The stored form, on one line."""
        return self.model_dump_json().encode()
