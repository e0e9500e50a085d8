"""The parser: recursive descent, one method for each precedence.

From loose to tight: `||`, `&&`, one comparison (they do not chain), `!`, paths.
"""

from collections.abc import Mapping

from shoal.model.groq.bare_words import bare_word_error
from shoal.model.groq.expressions import (
    AllOf,
    Among,
    AnyOf,
    ArrayOf,
    Defined,
    Differs,
    Equals,
    Everything,
    Expression,
    Literal,
    Matches,
    Named,
    Not,
    Ordered,
    Projection,
    References,
)
from shoal.model.groq.grammar import FUNCTIONS
from shoal.model.groq.limits import MAX_PATHS, MAX_SEARCHES, MAX_WILDCARDS
from shoal.model.groq.paths import Attribute, Element, Elements, Path, Project, linked
from shoal.model.groq.reader import Reader
from shoal.model.groq.source import Source
from shoal.model.groq.texts import Pattern, pattern
from shoal.model.groq.tokens import Kind, Token
from shoal.model.groq.values import ORDERINGS

_CONSTANTS: Mapping[str, bool | None] = {"null": None, "true": True, "false": False}
_FILTERED = "filters inside of brackets"


class Parser:
    """Parses one text; every method takes from the reader what it is called for.

    `depth` is how many levels deep that stands. All of them raise InvalidInput, code `invalid_groq`.
    """

    def __init__(self, source: Source, *, projects: bool) -> None:
        self.reader = Reader(source)
        self._source = source
        self._projects = projects
        self._paths = 0
        self._searches = 0
        self._wildcards = 0

    def expression(self, depth: int = 1) -> Expression:
        """Anything that has a value."""
        parts = [self._conjunction(depth)]
        while self.reader.accept("||"):
            parts.append(self._conjunction(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def projection(self, depth: int = 1) -> Projection:
        """`{…}`."""
        self.reader.check_depth(depth)
        self.reader.expect("{")
        parts: list[Everything | Named] = []
        while not self.reader.token.is_symbol("}"):
            parts.append(self._part(depth + 1))
            if not self.reader.accept(","):
                break
        if not self.reader.accept("}"):
            raise self.reader.unexpected("a comma or }")
        return Projection(tuple(parts))

    # --- operators ---

    def _conjunction(self, depth: int) -> Expression:
        parts = [self._comparison(depth)]
        while self.reader.accept("&&"):
            parts.append(self._comparison(depth))
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _comparison(self, depth: int) -> Expression:
        left = self._negation(depth)
        if not _compares(self.reader.token):
            return left
        operator, start = self.reader.take().text, self.reader.token
        right = self._members(depth) if operator == "in" else self._negation(depth)
        if not self._projects and (error := bare_word_error(self._source, left, right)):
            raise error
        if _compares(self.reader.token):
            raise self._source.wrong(
                self.reader.token.at, "comparisons do not chain: join them with &&, or put one in parentheses"
            )
        match operator:
            case "==":
                return Equals(left, right)
            case "!=":
                return Differs(left, right)
            case "in":
                return Among(left, right)
            case "match":
                return Matches(left, self._pattern(right, start))
            case _:
                return Ordered(left, operator, right)

    def _members(self, depth: int) -> Expression:
        """The right side of `in`, whose own parentheses hold no operator but `!`."""
        if not self.reader.accept("("):
            return self._negation(depth)
        self.reader.check_depth(depth + 1)
        members = self._negation(depth + 1)
        self.reader.expect(")")
        if self.reader.token.is_symbol(".", "[", "{"):
            raise self.reader.unsupported(self.reader.token, "accesses right behind the parentheses of in")
        return members

    def _pattern(self, right: Expression, start: Token) -> Pattern:
        elements = right.elements if isinstance(right, ArrayOf) else (right,)
        written = [part.written for part in elements if isinstance(part, Literal)]
        texts = [text for text in written if isinstance(text, str)]
        if len(texts) < len(elements):
            raise self.reader.unsupported(
                start, "patterns that are no string", 'write them out, as in match ["two", "word*"]'
            )
        self._count_search(start)
        found = pattern(texts)
        self._wildcards += len(found.globs)
        if self._wildcards > MAX_WILDCARDS:
            raise self._source.wrong(start.at, f"more than {MAX_WILDCARDS} words with wildcards do not fit")
        return found

    def _negation(self, depth: int) -> Expression:
        self.reader.check_depth(depth)
        if not self.reader.accept("!"):
            return self._value(depth)
        return Not(self._negation(depth + 1))

    # --- values ---

    def _value(self, depth: int) -> Expression:
        """A value with the steps behind it."""
        token = self.reader.token
        match token.kind, token.text:
            case Kind.NAME, name:
                return self._name(name, depth)
            case Kind.STRING | Kind.NUMBER, _:
                self.reader.take()
                return self._steps(Literal(token.value), [], depth, token)
            case Kind.SYMBOL, "+" | "-" as sign:
                self.reader.take()
                return self._steps(
                    Literal(self._number(token) * (-1 if sign == "-" else 1)), [], depth, token
                )
            case Kind.SYMBOL, "(":
                self.reader.take()
                inner = self.expression(depth + 1)
                if self.reader.token.is_symbol(","):
                    raise self.reader.unsupported(token, "tuples")
                self.reader.expect(")")
                return self._steps(inner, [], depth, token)
            case Kind.SYMBOL, "[":
                # What follows an array that is written out is done with its elements, as if `[]` stood between.
                return self._steps(self._array(depth + 1), [Elements()], depth, token)
            case _:
                raise self.reader.no_value()

    def _name(self, name: str, depth: int) -> Expression:
        token = self.reader.token
        if self.reader.begins("(", "::"):
            return self._steps(self._function(token, depth + 1), [], depth, token)
        self.reader.take()
        if name in _CONSTANTS:
            return self._steps(Literal(_CONSTANTS[name]), [], depth, token)
        self._count_path(token)
        return self._steps(None, [Attribute(name)], depth, token)

    def _number(self, sign: Token) -> int | float:
        """The number behind a sign."""
        value = self.reader.token.value
        if isinstance(value, str) or value is None:
            raise self.reader.unsupported(sign, "arithmetic operators")
        self.reader.take()
        return value

    def _array(self, depth: int) -> ArrayOf:
        self.reader.take()
        elements: list[Expression] = []
        while not self.reader.token.is_symbol("]"):
            elements.append(self.expression(depth))
            if not self.reader.accept(","):
                break
        if not self.reader.accept("]"):
            raise self.reader.unexpected("a comma or ]")
        return ArrayOf(tuple(elements))

    def _function(self, token: Token, depth: int) -> Expression:
        if token.text not in ("defined", "references") or not self.reader.begins("("):
            raise self.reader.unsupported(
                token, "functions other than defined() and references()", FUNCTIONS.get(token.text, "")
            )
        self.reader.take()
        self.reader.take()
        given: list[Expression] = []
        while not self.reader.token.is_symbol(")"):
            given.append(self.expression(depth))
            if not self.reader.accept(","):
                break
        if not self.reader.accept(")"):
            raise self.reader.unexpected("a comma or )")
        if token.text == "references":
            self._count_search(token)
            if not given:
                raise self._source.wrong(token.at, "references() takes at least one value")
            return References(tuple(given))
        if len(given) != 1:
            raise self._source.wrong(token.at, f"defined() takes one value, not {len(given)}")
        return Defined(given[0])

    def _count_path(self, token: Token) -> None:
        self._paths += 1
        if self._paths > MAX_PATHS:
            raise self._source.wrong(token.at, f"more than {MAX_PATHS} paths do not fit")

    def _count_search(self, token: Token) -> None:
        self._searches += 1
        if self._searches > MAX_SEARCHES:
            raise self._source.wrong(
                token.at, f"more than {MAX_SEARCHES} of match and references() do not fit"
            )

    # --- paths ---

    def _steps(
        self,
        base: Expression | None,
        steps: list[Attribute | Element | Elements | Project],
        depth: int,
        start: Token,
    ) -> Expression:
        """The base with the steps that follow; by itself where there are none."""
        given = len(steps)
        while self.reader.token.is_symbol(".", "[", "{"):
            depth += 1
            self.reader.check_depth(depth)
            if self.reader.token.is_symbol("{"):
                if not self._projects:
                    raise self.reader.unsupported(self.reader.token, "projections inside of a filter")
                steps.append(Project(self.projection(depth)))
            elif self.reader.accept("."):
                if self.reader.token.kind is not Kind.NAME:
                    raise self.reader.unexpected("a name")
                steps.append(Attribute(self.reader.take().text))
            else:
                steps.append(self._bracket(self.reader.take()))
        if base is not None and len(steps) == given:
            return base
        return Path(base, linked(steps), start.at)

    def _bracket(self, opening: Token) -> Attribute | Element | Elements:
        if self.reader.accept("]"):
            return Elements()
        sign = -1 if self.reader.token.is_symbol("-") else 1
        signed = self.reader.accept("+", "-")
        token = self.reader.take()
        if self.reader.at_end():
            raise self.reader.unexpected('"]"')
        if self.reader.token.is_symbol("..", "..."):
            raise self.reader.unsupported(opening, "slices")
        if token.kind not in (Kind.NUMBER, Kind.STRING) or not self.reader.token.is_symbol("]"):
            raise self.reader.unsupported(opening, _FILTERED)
        self.reader.take()
        match token.value:
            case int() as index:
                return Element(sign * index)
            case str() if signed:
                raise self.reader.unsupported(opening, _FILTERED)
            case str() as name:
                return Attribute(name)
            case float() as index if index.is_integer():
                return Element(sign * int(index))
            case _:
                raise self._source.wrong(token.at, "the place of an element is a whole number")

    # --- projections ---

    def _part(self, depth: int) -> Everything | Named:
        """One part of a projection."""
        start = self.reader.token
        if self.reader.accept("..."):
            if not self.reader.token.is_symbol(",", "}"):
                raise self.reader.unsupported(start, "spreads of anything but the whole document")
            return Everything()
        expression = self.expression(depth)
        if self.reader.token.is_symbol(":") and self.reader.last.kind is Kind.NAME is start.kind:
            raise self._source.wrong(
                start.at, f'a name in front of a colon stands in quotes: "{start.text}": …'
            )
        if start.kind is Kind.STRING and self.reader.last is start and self.reader.accept(":"):
            return Named(str(start.value), self.expression(depth))
        if self.reader.token.is_symbol("=>"):
            raise self.reader.unexpected("a comma or }")
        key = expression.key if isinstance(expression, Path) else None
        if key is None:
            raise self._source.wrong(start.at, 'this needs a name in front of it, as in "name": …')
        return Named(key, expression)


def _compares(token: Token) -> bool:
    """Whether a token is the operator of a comparison."""
    if token.kind is Kind.NAME:
        return token.text in ("in", "match")
    return token.is_symbol("==", "!=", *ORDERINGS)
