"""Values of a framework (arguments, results, outputs) as JSON, whatever they are."""

from dataclasses import asdict, is_dataclass
from typing import Any

import orjson

MAX_VALUE_CHARS = 200_000
"""Of a value's JSON. What is larger is kept as the beginning of its text."""


class Value:
    """A value, as JSON text. It is written down when it is told, since programs change what they hold."""

    __slots__ = ("text", "truncated")

    def __init__(self, value: Any) -> None:
        text = _written(value)
        self.truncated = len(text) > MAX_VALUE_CHARS
        self.text = orjson.dumps(text[:MAX_VALUE_CHARS].decode(errors="ignore")) if self.truncated else text

    @property
    def chars(self) -> int:
        """How much it takes."""
        return len(self.text)

    def loaded(self) -> Any:
        """As JSON has it."""
        return orjson.loads(self.text)


def text_of(value: Any) -> str:
    """A value as words: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else _written(value).decode()


def sound(text: str) -> str:
    """The text, with `?` for halves of characters, which cannot be sent."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def _written(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    except Exception:  # a value of a program may be anything, and fail in any way: its name is still something
        try:
            return orjson.dumps(sound(str(value)))
        except Exception:
            return orjson.dumps(f"({type(value).__name__})")


def _plain(value: Any) -> Any:
    if callable(dump := getattr(value, "model_dump", None)):
        return dump(mode="json", exclude_none=True)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode(errors="replace")
    if isinstance(value, set | frozenset):
        return list(value)
    return str(value)
