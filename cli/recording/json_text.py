"""The text of a JSON document, changed in places: all else of it stays as it is, to the byte.

Loading a document and writing it again would change how numbers, strings and lines are written, in a file that belongs
to somebody else. So what is added goes right behind what is before it, and what is removed goes with the comma that
came with it: the one undoes the other.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn

_SPACE = re.compile(r"[ \t\r\n]*")
_CLOSES = {"{": "}", "[": "]"}
DEFAULT_INDENT = "  "


class Item(NamedTuple):
    """A member of an object (from its name on) or an element of an array; `at` is where its value begins."""

    name: str | None
    start: int
    at: int
    end: int


class JsonText:
    """A document whose text is valid JSON. Changing it gives another one."""

    def __init__(self, text: str) -> None:
        """Raises ValueError for what is no JSON, or is nested too deep to be read."""
        self.text = text
        try:
            self.start = self._skip(0)
            _, end = _decode(text, self.start)
        except RecursionError:
            raise ValueError("it is nested too deep") from None
        if self._skip(end) != len(text):
            raise json.JSONDecodeError("Extra data", text, self._skip(end))

    def is_object(self, at: int) -> bool:
        """Whether the value that begins there is one."""
        return self.text[at] == "{"

    def is_array(self, at: int) -> bool:
        """Whether the value that begins there is one."""
        return self.text[at] == "["

    def value(self, at: int) -> Any:
        """The value that begins there; its numbers are left as they are written."""
        return _decode(self.text, at)[0]

    def items(self, at: int) -> list[Item]:
        """What is in the object or array that begins there."""
        return list(self._items(at))

    def member(self, at: int, name: str) -> Item | None:
        """That member of an object. Raises ValueError if there are two."""
        found = [each for each in self.items(at) if each.name == name]
        if len(found) > 1:
            raise ValueError(f"it has `{name}` twice")
        return found[0] if found else None

    def with_item(self, at: int, value: Any, *, depth: int, name: str | None = None) -> "JsonText":
        """The document with one more item at the end of an object or array that is so deep in it."""
        line = self._line(depth)
        item = ("" if name is None else f"{json.dumps(name)}: ") + self._dump(value, depth)
        items = self.items(at)
        if items:
            return self._replaced(items[-1].end, items[-1].end, f",{line or ' '}{item}")
        return self._replaced(at + 1, self._skip(at + 1), f"{line}{item}{self._line(depth - 1)}")

    def without_item(self, at: int, index: int) -> "JsonText":
        """The document without an item of an object or array."""
        items = self.items(at)
        if len(items) == 1:
            return self._replaced(at + 1, self._skip(items[0].end), "")
        if index > 0:
            return self._replaced(items[index - 1].end, items[index].end, "")
        return self._replaced(items[0].start, items[1].start, "")

    def _replaced(self, start: int, end: int, by: str) -> "JsonText":
        return JsonText(self.text[:start] + by + self.text[end:])

    def _skip(self, at: int) -> int:
        space = _SPACE.match(self.text, at)
        assert space is not None
        return space.end()

    def _items(self, at: int) -> Iterator[Item]:
        closing, here = _CLOSES[self.text[at]], self._skip(at + 1)
        while self.text[here] != closing:
            start, name = here, None
            if closing == "}":
                name, end = _decode(self.text, here)
                here = self._skip(self._skip(end) + 1)
            _, end = _decode(self.text, here)
            yield Item(name, start, here, end)
            here = self._skip(end)
            if self.text[here] == ",":
                here = self._skip(here + 1)

    def _line(self, depth: int) -> str:
        """What begins a line so deep in the document; nothing where it is all on one line."""
        lines = re.search(r"(\r?\n)", self.text[self.start :].rstrip())
        empty = self.text[self.start :].strip() == "{}"
        if lines is None and not empty:
            return ""
        return (lines[1] if lines else "\n") + self._indent() * depth

    def _indent(self) -> str:
        first = re.match(r"[{\[]\r?\n([ \t]+)", self.text[self.start :])
        return first[1] if first else DEFAULT_INDENT

    def _dump(self, value: Any, depth: int) -> str:
        line = self._line(depth)
        if not line:
            return json.dumps(value, ensure_ascii=False)
        return json.dumps(value, ensure_ascii=False, indent=self._indent()).replace("\n", line)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_decode: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder(
    parse_int=str, parse_float=str, parse_constant=_refuse
).raw_decode
