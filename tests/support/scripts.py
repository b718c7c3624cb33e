"""What stands in for models in tests of taps says: by a script, word by word, until the connection is lost."""

from __future__ import annotations

from typing import Any

SECRET = "key sk-123"
"""In the text of the error of models that fail."""


class Script:
    """What comes next, turn by turn; the last over and over. `heard` is what was asked."""

    def __init__(self, *script: Any, pause: float = 0.0, fails_at: int | None = None) -> None:
        self.script = script
        self.pause = pause
        self.fails_at = fails_at
        self.turn = 0
        self.heard: list[Any] = []

    def next(self, asked: Any) -> list[Any]:
        """What is answered."""
        self.heard.append(asked)
        said = self.script[min(self.turn, len(self.script) - 1)]
        self.turn += 1
        return said if isinstance(said, list) else [said]


def words(text: str) -> list[str]:
    """Its words, each but the last with the space behind it."""
    *first, last = text.split(" ")
    return [*(f"{word} " for word in first), last]


def hung_up() -> ConnectionError:
    """The connection is lost."""
    return ConnectionError(f"the provider hung up: {SECRET}")
