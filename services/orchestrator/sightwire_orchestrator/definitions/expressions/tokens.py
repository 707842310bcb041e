"""The words of an expression."""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from sightwire_orchestrator.definitions.errors import shown
from sightwire_orchestrator.definitions.expressions.errors import malformed

_SPACE: Final = re.compile(r"(?:[\t\n\f\r ]+|//[^\n]*)*")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER: Final = re.compile(r"(0x[0-9a-fA-F]+)|([0-9]+(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+))|([0-9]+)")
_SYMBOL: Final = re.compile(r"&&|\|\||[<>=!]=|[-+*/%<>!?:,.()\[\]{}]")
_QUOTED: Final = re.compile(
    r'([rR])?("""(?:[^\\]|\\.)*?"""|'
    r"'''(?:[^\\]|\\.)*?'''|"
    r'"(?:[^"\\\n\r]|\\[^\n\r])*"|'
    r"'(?:[^'\\\n\r]|\\[^\n\r])*')",
    re.DOTALL,
)
_RAW_QUOTED: Final = re.compile(
    r'[rR]("""(.*?)"""|' + r"'''(.*?)'''|" + r'"([^"\n\r]*)"|' + r"'([^'\n\r]*)')", re.DOTALL
)
_ESCAPE: Final = re.compile(
    r"\\(?:([abfnrtv\\?\"'`])|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.?))", re.DOTALL
)
_PLAIN_ESCAPES: Final = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))
_QUOTE_AHEAD: Final = re.compile(r"[rR]?[\"']")
_OTHER_LITERAL: Final = re.compile(r"([bB][rR]?|[rR][bB])[\"']")


class Kind(Enum):
    """What a token is."""

    NAME = auto()
    SYMBOL = auto()
    LITERAL = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A word of an expression."""

    kind: Kind
    #: As it is written.
    text: str
    #: Offset in the expression.
    at: int
    #: Of a literal.
    value: str | int | float | None = None

    def __str__(self) -> str:
        return "the end" if self.kind is Kind.END else shown(self.text)


def tokens_of(text: str) -> list[Token]:
    """All tokens, and one more for the end.

    Raises:
        MalformedExpressionError: something in it is none.
    """
    tokens = []
    at = _after_space(text, 0)
    while at < len(text):
        token = _token(text, at)
        tokens.append(token)
        at = _after_space(text, at + len(token.text))
    return [*tokens, Token(Kind.END, "", at)]


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    assert space is not None
    return space.end()


def _token(text: str, at: int) -> Token:
    if _OTHER_LITERAL.match(text, at):
        raise malformed("bytes are not known here", at)
    if _QUOTE_AHEAD.match(text, at):
        return _text_literal(text, at)
    if number := _NUMBER.match(text, at):
        return _number(number, text)
    if name := _NAME.match(text, at):
        return Token(Kind.NAME, name[0], at)
    if symbol := _SYMBOL.match(text, at):
        return Token(Kind.SYMBOL, symbol[0], at)
    hint = {"=": "; equality is ==", "&": "; and is &&", "|": "; or is ||"}.get(text[at], "")
    raise malformed(f"{shown(text[at])} means nothing{hint},", at)


def _number(number: re.Match[str], text: str) -> Token:
    hexadecimal, fraction, whole = number.groups()
    following = text[number.end() : number.end() + 1]
    if following in ("u", "U"):
        raise malformed("unsigned numbers are not known here; leave the u out", number.end())
    if following.isalnum() or following == "_":
        raise malformed(f"{shown(following)} within a number", number.end())
    value = float(fraction) if fraction else int(hexadecimal, 16) if hexadecimal else int(whole)
    return Token(Kind.LITERAL, number[0], number.start(), value)


def _text_literal(text: str, at: int) -> Token:
    if raw := _RAW_QUOTED.match(text, at):
        return Token(Kind.LITERAL, raw[0], at, next(content for content in raw.groups()[1:] if content is not None))
    quoted = _QUOTED.match(text, at)
    if quoted is None or quoted[1]:
        raise malformed("a text that does not end begins", at)
    whole = quoted[2]
    quotes = 3 if len(whole) >= 6 and whole[:3] in ('"""', "'''") else 1
    content = whole[quotes:-quotes]
    return Token(Kind.LITERAL, whole, at, _ESCAPE.sub(lambda escape: _unescaped(escape, at), content))


def _unescaped(escape: re.Match[str], at: int) -> str:
    plain, byte, short, long, octal, other = escape.groups()
    if plain is not None:
        return _PLAIN_ESCAPES.get(plain, plain)
    if other is not None:
        raise malformed(f"{shown(escape[0])} is no escape, in the text", at)
    number = int(octal, 8) if octal else int(byte or short or long, 16)
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise malformed(f"{shown(escape[0])} is no character, in the text", at)
    return chr(number)
