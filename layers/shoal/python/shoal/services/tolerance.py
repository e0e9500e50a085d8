"""Loading for a query that would rather have part of an answer than none: damaged cells are left out."""

import logging
from collections.abc import Sequence
from typing import Any

from shoal.errors import CorruptObject
from shoal.services.loadable import Loadable, Piece
from shoal.services.parts import PartReader

logger = logging.getLogger(__name__)


class Loader:
    """Loads by name. `tolerant`: pieces (of cells) that are damaged are missing from what is loaded.

    Whole objects are never left out, because they hold more than a share of the answer.
    """

    def __init__(self, reader: PartReader, *, tolerant: bool) -> None:
        self._reader = reader
        self._tolerant = tolerant

    def load(self, parts: Sequence[Loadable]) -> dict[str, Any]:
        """The values by name.

        Raises:
            CorruptObject: bytes are missing, or not those that were named.
        """
        try:
            values = self._reader.load_all(parts)
        except CorruptObject:
            if not self._tolerant:
                raise
            return self._what_is_whole(parts)
        return dict(zip((part.name for part in parts), values, strict=True))

    def _what_is_whole(self, parts: Sequence[Loadable]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for part in parts:  # one by one: those that are whole are in memory by now
            try:
                found[part.name] = self._reader.load(part)
            except CorruptObject:
                if not isinstance(part, Piece):
                    raise
                logger.exception("a damaged cell was left out", extra={"object": part.name})
        return found
