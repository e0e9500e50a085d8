"""What a parser reads from: one token after another, and the errors of those that cannot stand where they do."""

from shoal.errors import InvalidInput
from shoal.model.groq.grammar import AT_A_VALUE, BEHIND_A_VALUE, OTHER_LANGUAGES
from shoal.model.groq.limits import MAX_BYTES, MAX_DEPTH
from shoal.model.groq.source import Source
from shoal.model.groq.tokens import Kind, Token, tokens

_SHOWN = 24
"""Characters of the text that an error quotes."""


class Reader:
    """One pass over a text. `token` is the next one, `last` the one that was taken."""

    def __init__(self, source: Source) -> None:
        size = len(source.text.encode("utf-8", "surrogatepass"))
        if size > MAX_BYTES:
            raise source.wrong(0, f"at most {MAX_BYTES} bytes fit, and this has {size}")
        self.source = source
        self._tokens = tokens(source)
        self.token = self.last = next(self._tokens)

    def take(self) -> Token:
        """The next token, which is then behind us."""
        self.last = self.token
        if not self.at_end():
            self.token = next(self._tokens)
        return self.last

    def accept(self, *symbols: str) -> bool:
        """Take the next token if it is one of these symbols."""
        if not self.token.is_symbol(*symbols):
            return False
        self.take()
        return True

    def expect(self, symbol: str) -> None:
        """Take a symbol that must be there."""
        if not self.accept(symbol):
            raise self.unexpected(f'"{symbol}"')

    def at_end(self) -> bool:
        """Whether there is no token left."""
        return self.token.kind is Kind.END

    def begins(self, *texts: str) -> bool:
        """Whether one of these stands right behind the next token, without a space."""
        return self.source.text.startswith(texts, self.token.end)

    def check_depth(self, depth: int) -> None:
        """See that the next token is not too far inside."""
        if depth > MAX_DEPTH:
            raise self.source.wrong(self.token.at, f"this is more than {MAX_DEPTH} levels deep")

    def no_value(self) -> InvalidInput:
        """The error of a token in the place of a value."""
        token = self.token
        if token.text in AT_A_VALUE:
            return self.unsupported(token, *AT_A_VALUE[token.text])
        return self._wrong("a value")

    def unexpected(self, expected: str) -> InvalidInput:
        """The error of a token behind a value, where it cannot stand."""
        token = self.token
        if token.text in BEHIND_A_VALUE:
            return self.unsupported(token, *BEHIND_A_VALUE[token.text])
        if token.text in OTHER_LANGUAGES:
            return self.source.wrong(token.at, f"GROQ writes {OTHER_LANGUAGES[token.text]} for {token.text}")
        return self._wrong(expected)

    def unsupported(self, token: Token, construct: str, hint: str = "") -> InvalidInput:
        """The error of a construct that begins with a token."""
        shown = self.source.text[token.at : token.at + _SHOWN].split("\n")[0].rstrip()
        return self.source.unsupported(token.at, construct, shown, hint)

    def _wrong(self, expected: str) -> InvalidInput:
        token = self.token
        if self.at_end():
            return self.source.wrong(token.at, f"expected {expected}, but the {self.source.name} ends here")
        return self.source.wrong(token.at, f"expected {expected}, found {token.text[:_SHOWN]}")
