"""Random expressions and documents: of the grammar, and with one token changed to something that may not be."""

from dataclasses import dataclass
from random import Random
from typing import Any

from tests.groq.oracle import Question

NAMES = ("a", "b", "tags", "_type", "_ref", "in", "match", "null", "defined")
STRINGS = (
    *(
        "",
        "a",
        "b",
        "A",
        "movie",
        "Space Odyssey",
        "space",
        "2001: a space odyssey",
        "example.com",
        "e.g. this",
    ),
    *("ÉTÉ", "été", "é.é", "straße", "ſ", "日本 東京", "🐟 fish", "don't", "a_b-c", "...", "x.", "tab\tbed"),
)
PATTERNS = (
    *(
        "space",
        "SPACE",
        "sp*",
        "*ace",
        "s*e",
        "*",
        "**",
        "*.*",
        "space odyssey",
        "space *ing",
        "example.com",
        "*.com",
    ),
    *("", "été", "é?", "é.é", "é.*", "日本", "🐟", "🐟*", "ß", "s", "don't", "a_b", "c*", "-", "201*: s*e"),
)
NUMBERS = ("0", "1", "2", "-1", "+1", "- 2", "1.5", "-0", "1e2", "2.0", "15E-1", "007", "9007199254740993")
SCALARS = (None, True, False, 0, 1, 2, -1, -2, 1.5, 1.0, 100, 7, 9007199254740993, "a", "b")
TOKENS = (
    *(
        "a",
        "b",
        "null",
        "true",
        "1",
        "-1",
        "1.5",
        '"a"',
        "'b'",
        "==",
        "!=",
        "<",
        ">=",
        "&&",
        "||",
        "!",
        "(",
        ")",
    ),
    *(
        "[",
        "]",
        "[]",
        "{",
        "}",
        ",",
        ":",
        "::",
        ".",
        "..",
        "...",
        "->",
        "=>",
        "=",
        "&",
        "|",
        "*",
        "**",
        "+",
        "-",
    ),
    *("/", "%", "@", "^", "$p", "in", "match", "asc", "desc", "defined(", "references(", "count(", "select("),
    *(
        "pt::text(",
        "string::lower(",
        "| order(",
        "| {",
        "path(",
        "fn",
        "and",
        "[0]",
        "[1..2]",
        "[a == 1]",
        "//",
        "#",
    ),
)


@dataclass(slots=True)
class Dice:
    """Everything random, from one seed."""

    random: Random

    def question(self) -> Question:
        """An expression and some documents."""
        kind = self.random.choice(("filter", "filter", "projection"))
        tokens = self.expression(3) if kind == "filter" else self.projection(3)
        if self.random.random() < 0.25:
            tokens = self.changed(tokens)
        documents = tuple(self.object(4) for _ in range(3))
        return Question("filter" if kind == "filter" else "projection", self.text(tokens), documents)

    def text(self, tokens: list[str]) -> str:
        """The tokens with blanks in between, where they are needed and where they are not."""
        text = ""
        for token in tokens:
            needed = text[-1:].isidentifier() or text[-1:].isdigit()
            if (needed and (token[:1].isidentifier() or token[:1].isdigit())) or self.random.random() < 0.3:
                text += self.random.choice((" ", " ", " ", "\n", "\t", " // so\n", "\u00a0"))
            text += token
        return text

    def changed(self, tokens: list[str]) -> list[str]:
        """The same but for one or two tokens."""
        tokens = list(tokens)
        for _ in range(self.random.choice((1, 1, 2))):
            place = self.random.randrange(len(tokens) + 1)
            match self.random.randrange(4):
                case 0:
                    tokens[place : place + 1] = []
                case 1:
                    tokens[place:place] = [self.random.choice(TOKENS)]
                case 2:
                    tokens[place : place + 1] = [self.random.choice(TOKENS)]
                case _:
                    tokens[place : place + 2] = tokens[place : place + 2][::-1]
        return tokens or ["a"]  # nothing is everything to us, and not GROQ

    # --- expressions ---

    def expression(self, depth: int) -> list[str]:
        """Anything with a value."""
        if depth == 0:
            return self.operand(0)
        match self.random.randrange(10):
            case 0 | 1 | 2:
                parts = [self.condition(depth - 1) for _ in range(self.random.choice((2, 2, 3)))]
                return self.joined(parts, self.random.choice(("&&", "||")))
            case 3:
                return [
                    *self.condition(depth - 1),
                    "&&",
                    *self.condition(depth - 1),
                    "||",
                    *self.condition(depth - 1),
                ]
            case 4:
                return ["!", *self.grouped(self.condition(depth - 1))]
            case 5:
                return ["!", *self.operand(depth - 1)]
            case _:
                return self.condition(depth - 1)

    def condition(self, depth: int) -> list[str]:
        """Something that is likely true or false."""
        match self.random.randrange(11):
            case 0 | 1 | 2:
                return [*self.operand(depth), self.random.choice(("==", "!=")), *self.operand(depth)]
            case 3 | 4:
                return [
                    *self.operand(depth),
                    self.random.choice(("<", "<=", ">", ">=")),
                    *self.operand(depth),
                ]
            case 5:
                members = self.random.choice((self.array(depth), self.path(depth), self.operand(depth)))
                return [
                    *self.operand(depth),
                    "in",
                    *(self.grouped(members) if self.random.random() < 0.3 else members),
                ]
            case 6:
                return [*self.operand(depth), "match", *self.pattern()]
            case 7:
                return ["defined(", *self.operand(depth), ")"]
            case 8:
                given = [self.random.choice((self.string, self.array, self.path))(depth) for _ in range(2)]
                return ["references(", *self.joined(given[: self.random.choice((1, 1, 2))], ","), ")"]
            case 9 if depth:
                return self.grouped(self.expression(depth - 1))
            case _:
                return self.path(depth)

    def operand(self, depth: int) -> list[str]:
        """One side of a comparison."""
        match self.random.randrange(12):
            case 0 | 1 | 2 | 3 | 4:
                return self.path(depth)
            case 5 | 6:
                return [self.random.choice(NUMBERS)]
            case 7 | 8:
                return self.string(depth)
            case 9:
                return [self.random.choice(("true", "false", "null"))]
            case 10:
                return self.array(depth)
            case _:
                return self.grouped(self.expression(depth - 1)) if depth else self.path(0)

    def path(self, depth: int) -> list[str]:
        """An attribute and what follows, or what follows something else."""
        start = [self.name()]
        if self.random.random() < 0.1:
            start = self.random.choice((self.grouped(self.path(0)), self.array(depth), self.string(0)))
        return [*start, *self.steps()]

    def steps(self) -> list[str]:
        """What follows, often nothing."""
        steps: list[str] = []
        while self.random.random() < 0.5:
            name = self.name()
            steps += self.random.choice(
                (
                    *([".", name], [".", name], ["[", "]"], ["[", "]", ".", name], ["[", "]", ".", name]),
                    *(
                        ["[", self.random.choice(("0", "1", "-1", "5", "+0", "1.0")), "]"],
                        ["[", f'"{name}"', "]"],
                    ),
                )
            )
        return steps

    def array(self, depth: int) -> list[str]:
        """An array that is written out."""
        each = [
            self.operand(0) if depth == 0 else self.operand(depth - 1)
            for _ in range(self.random.randrange(4))
        ]
        tail = [","] if each and self.random.random() < 0.1 else []
        return ["[", *self.joined(each, ","), *tail, "]"]

    def string(self, _: int) -> list[str]:
        """A string."""
        return [self.quoted(self.random.choice((*STRINGS, *"aaabbb")))]

    def pattern(self) -> list[str]:
        """The right side of match."""
        texts = [
            self.quoted(self.random.choice(PATTERNS)) for _ in range(self.random.choice((1, 1, 1, 2, 0)))
        ]
        if len(texts) == 1 and self.random.random() < 0.7:
            return texts
        return ["[", *self.joined([[text] for text in texts], ","), "]"]

    def quoted(self, text: str) -> str:
        """The text between quotes, some of it escaped."""
        quote = self.random.choice("\"'")
        written = ""
        for character in text:
            if character in (quote, "\\", "\t"):
                written += {"\t": "\\t"}.get(character, "\\" + character)
            elif self.random.random() < 0.03 and ord(character) < 0x10000:
                written += self.random.choice((f"\\u{ord(character):04x}", f"\\u{{{ord(character):X}}}"))
            else:
                written += character
        return f"{quote}{written}{quote}"

    def projection(self, depth: int) -> list[str]:
        """Braces with parts in them."""
        parts = [self.part(depth) for _ in range(self.random.choice((0, 1, 2, 2, 3)))]
        tail = [","] if parts and self.random.random() < 0.1 else []
        return ["{", *self.joined(parts, ","), *tail, "}"]

    def part(self, depth: int) -> list[str]:
        """One part of a projection."""
        match self.random.randrange(8):
            case 0:
                return ["..."]
            case 1 | 2:
                return [self.name()]
            case 3:
                return self.path(0)
            case 4 if depth:
                array = ["[", "]"] if self.random.random() < 0.6 else []
                behind = self.steps() if self.random.random() < 0.2 else []
                return [self.name(), *array, *self.projection(depth - 1), *behind]
            case _:
                return [self.quoted(self.random.choice(("x", "y", "a", "1"))), ":", *self.aliased(depth)]

    def aliased(self, depth: int) -> list[str]:
        """What has a name in front of it."""
        if depth and self.random.random() < 0.4:
            return [*self.path(0), *self.projection(depth - 1), *self.steps()]
        return self.expression(min(depth, 1))

    def name(self) -> str:
        """The name of an attribute: one of a few, so that paths lead somewhere, but for some odd ones."""
        return self.random.choice(NAMES if self.random.random() < 0.2 else NAMES[:4])

    @staticmethod
    def grouped(tokens: list[str]) -> list[str]:
        """In parentheses."""
        return ["(", *tokens, ")"]

    @staticmethod
    def joined(parts: list[list[str]], between: str) -> list[str]:
        """One behind the other."""
        return [token for place, part in enumerate(parts) for token in ([between] if place else []) + part]

    # --- documents ---

    def object(self, depth: int) -> dict[str, Any]:
        """A document, or something in one."""
        names = [name for name in NAMES if self.random.random() < (0.7 if name in NAMES[:4] else 0.2)]
        return {name: self.value(0 if name == "_ref" else depth - 1) for name in names}

    def value(self, depth: int) -> Any:
        """A value of any type."""
        kind = self.random.randrange(12)
        if kind < 6 and depth > 0:
            # What is alike has more to be found in it.
            make = self.object if self.random.random() < 0.4 else self.value
            return [make(depth - 1) for _ in range(self.random.choice((0, 1, 1, 2, 2, 3)))]
        if kind < 8 and depth > 0:
            return self.object(depth - 1)
        return self.random.choice((*SCALARS, *STRINGS, *"aaabbb"))


def questions(seed: int, number: int) -> list[Question]:
    """As many as asked for; the same ones for the same seed."""
    dice = Dice(Random(seed))
    return [dice.question() for _ in range(number)]
