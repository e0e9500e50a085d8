"""Bodies of aliases of datasets. They refuse fields that they do not know: a misspelt condition would be none."""

from pydantic import ConfigDict

from shoal.http.native.types import Body, Timestamp, shown_as

_STRICT = ConfigDict(extra="forbid")


class PointAlias(Body):
    """Where an alias is to point: the own name of a dataset.

    With `if_dataset` only where it points at that one now; a request that has been done already is done.
    """

    model_config = _STRICT | shown_as(
        {"dataset": "products-2024-06"}, {"dataset": "products-2024-06", "if_dataset": "products-2024-05"}
    )

    dataset: str
    if_dataset: str | None = None


class RollBackAlias(Body):
    """With `if_dataset`, an alias goes back only where it points at that dataset now."""

    model_config = _STRICT | shown_as({"if_dataset": "products-2024-06"})

    if_dataset: str | None = None


class DatasetAliasOut(Body):
    """An alias: the dataset at which it points, and how often it was moved; its making is one of the `moves`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "alias": "products",
                    "dataset": "products-2024-06",
                    "moves": 2,
                    "created_at": "2024-05-01T08:00:00Z",
                    "moved_at": "2024-06-01T08:00:00Z",
                }
            ]
        }
    )

    alias: str
    dataset: str
    moves: int
    created_at: Timestamp
    moved_at: Timestamp


class AliasMove(Body):
    """That an alias was moved. `from_dataset` is null for the one that made it."""

    at: Timestamp
    from_dataset: str | None
    to_dataset: str


class DatasetAliasWithHistory(DatasetAliasOut):
    """An alias, with its last 100 moves, newest first."""

    history: list[AliasMove]


class DatasetAliasList(Body):
    """All aliases, by name."""

    aliases: list[DatasetAliasOut]
