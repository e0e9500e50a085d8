"""A group of commands of which one is meant where none is named."""

from collections.abc import Mapping, Sequence
from typing import Any

from typer.core import TyperGroup


class DefaultCommand(TyperGroup):
    """`shoal reindex A B` is `shoal reindex start A B`, since `A` names no command of the group.

    The default command is the one that a subclass names in `default`; `bare` says whether it is meant where
    nothing follows at all.
    """

    default = ""
    bare = False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command's name in where it was left out."""
        if self.default and _means_default(args, self.commands, bare=self.bare):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


def _means_default(args: Sequence[str], commands: Mapping[str, object], *, bare: bool) -> bool:
    if not args:
        return bare
    return args[0] not in commands and args[0] != "--help"
