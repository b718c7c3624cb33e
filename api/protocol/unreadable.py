"""Messages that are not JSON as a whole: read frame by frame, so that one bad frame costs no other.

What is met here: half of a surrogate pair (what JavaScript's `slice` leaves of an emoji), numbers that are not finite,
too much depth, slips of the pen. The standard library's parser takes most of that and finds where a frame ends; where
it gives up, too, brackets are counted. A frame that cannot be read is answered by its id, if that can be told.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from ...domain.errors import Invalid, TooDeep
from ...domain.wording.json_faults import unreadable
from .json_input import read_json

MAX_TOKENS = 20_000
"""Strings and brackets that are looked through in one message for the ends of its frames: about 10 ms."""
MAX_TOLD_CHARS = 128
_decode = json.JSONDecoder().raw_decode
_blank = re.compile(r"[ \t\r\n]*").match
_tokens = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|$)|[\[\]{},]', re.DOTALL).finditer
_named = re.compile(rf'"(id|session|sub)"\s*:\s*"([^"\\]{{1,{MAX_TOLD_CHARS}}})"').match
_STEPS = {"{": 1, "[": 1, "}": -1, "]": -1}


class UnreadableFrame(NamedTuple):
    """A frame that cannot be read: why, and what can be told of its `id`, `session` and `sub`."""

    error: Invalid
    about: dict[str, str]


def read_each(raw: bytes, depth: int, error: Invalid) -> Iterator[Any]:
    """The frames of a message that cannot be read as a whole, because of `error`, each by itself."""
    # What is no UTF-8 becomes halves of surrogate pairs, which no frame may hold.
    text = raw.decode(errors="surrogateescape")
    scan, at = _Scan(text), _after(text, 0)
    if not text.startswith("[", at):
        yield UnreadableFrame(error, scan.frame(at).about)
        return
    at = _after(text, at + 1)
    while not text.startswith("]", at):
        found = scan.frame(at)
        yield _read(text[at : found.end], depth - 1, found)
        if found.error is not None and found.end == len(text):  # it swallows all that is left
            return
        at = _after(text, found.end)
        if text.startswith(",", at):
            at = _after(text, at + 1)
        elif not text.startswith("]", at):
            break
    if not text.startswith("]", at) or _after(text, at + 1) < len(text):
        yield UnreadableFrame(
            Invalid("The array of frames does not go on as JSON does; what follows was not read."), {}
        )


def is_utf8(raw: bytes) -> bool:
    """Whether these bytes are UTF-8."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


class _Found(NamedTuple):
    """Where a frame ends, what can be told of it, and why it cannot be read, if that is known already."""

    end: int
    about: dict[str, str]
    error: Invalid | None = None


class _Scan:
    """Finds the ends of frames."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._left = MAX_TOKENS

    def frame(self, at: int) -> _Found:
        """The frame that begins here."""
        try:
            value, end = _decode(self._text, at)
        except json.JSONDecodeError as error:
            return self._by_brackets(at, Invalid(f"This is not JSON: {unreadable(error)}."))
        except ValueError:
            return self._by_brackets(at, Invalid("This is not JSON: a number has too many digits."))
        except RecursionError:
            return self._by_brackets(at, TooDeep("The JSON is nested much too deep."))
        return _Found(end, _told(value.items()) if isinstance(value, dict) else {})

    def _by_brackets(self, at: int, error: Invalid) -> _Found:
        inside, told = 0, []
        for token in _tokens(self._text, at):
            self._left -= 1
            sign = token[0]
            if self._left < 0:
                break
            if inside == 1 and (named := _named(self._text, token.start())):
                told.append(named.groups())
            inside += _STEPS.get(sign, 0)
            if inside < 0 or (inside == 0 and sign == ","):
                return _Found(token.start(), {}, error)
            if inside == 0 and sign in "}]":
                return _Found(token.end(), _told(told), error)
        return _Found(len(self._text), _told(told), error)


def _told(members: Any) -> dict[str, str]:
    """What of the members names a frame, and can be written in an answer."""
    return {
        name: value
        for name, value in members
        if name in ("id", "session", "sub") and isinstance(value, str)
        if len(value) <= MAX_TOLD_CHARS and value.isprintable()
    }


def _read(text: str, depth: int, found: _Found) -> Any:
    if found.error is not None:
        return UnreadableFrame(found.error, found.about)
    try:
        return read_json(text.encode(errors="surrogateescape"), depth)
    except Invalid as error:
        return UnreadableFrame(error, found.about)


def _after(text: str, at: int) -> int:
    """Where what comes behind blanks begins."""
    found = _blank(text, at)
    assert found is not None
    return found.end()
