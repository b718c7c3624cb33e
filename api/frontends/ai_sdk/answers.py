"""What the AI SDK's routes answer that is no stream."""

from typing import Any

from ...http.answer import HttpAnswer, Number


class ChatAnswer(HttpAnswer):
    """The messages of a chat, as UIMessage of the AI SDK; how many messages, calls and runs are left out; and the run
    under way, whose message its stream brings."""

    messages: list[dict[str, Any]]
    omitted: Number
    active: str | None


class ChatStoppedAnswer(HttpAnswer):
    """Which runs are being stopped now."""

    success: bool
    stopped: list[str]
