"""What was said and done in a session, folded from its events: messages with their text, tool calls with their ends,
questions with their answers.

The domain's state forgets the text of finished messages; this keeps it. It is folded beside the state, from the same
events, and works on what an audience may see as well as on all of it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ...domain.concepts import approvals, messages, tools
from ...domain.model import Event
from ...domain.parts import Part, ReasoningPart, TextPart, text_of
from .brief import compact, joined

Status = Literal["open", "completed", "aborted"]


@dataclass(slots=True)
class Said:
    """A message, finished or in the making."""

    id: str
    author: str
    kind: str
    audience: tuple[str, ...] | None
    version: int
    time: datetime
    status: Status = "open"
    text: str = ""
    reasoning: str = ""
    parts: tuple[Part, ...] = ()
    reason: str | None = None
    reply_to: str | None = None


@dataclass(slots=True)
class Called:
    """A tool call, returned or not."""

    id: str
    author: str
    tool: str
    arguments: object
    version: int
    time: datetime
    status: Literal["open", "returned", "failed", "abandoned"] = "open"
    result: object = None


@dataclass(slots=True)
class Asked:
    """A question to people, answered or not; `answer` is the option that holds."""

    id: str
    author: str
    question: str
    options: tuple[str, ...]
    version: int
    time: datetime
    status: Literal["open", "answered", "expired", "withdrawn"] = "open"
    answer: str | None = None
    by: str | None = None


Item = Said | Called | Asked


@dataclass
class Transcript:
    """All items of a session, in the order in which they began."""

    items: list[Item] = field(default_factory=list)
    _said: dict[str, Said] = field(default_factory=dict)
    _called: dict[str, Called] = field(default_factory=dict)
    _asked: dict[str, Asked] = field(default_factory=dict)

    def see(self, event: Event) -> Item | None:
        """Fold one event; the item that it began or changed."""
        match event.data:
            case messages.MessagePosted() as data:
                return self._finish(self._begin(event, data), data.parts, "completed")
            case messages.MessageStarted() as data:
                return self._begin(event, data)
            case messages.MessageDelta() as data:
                return self._stream(data)
            case messages.MessageCompleted() as data:
                return self._finish(self._said[data.message], data.parts, "completed")
            case messages.MessageAborted() as data:
                said = self._finish(self._said[data.message], data.parts, "aborted")
                said.reason = data.reason
                return said
        return self._tool(event) or self._question(event)

    def _tool(self, event: Event) -> Item | None:
        match event.data:
            case tools.ToolCalled() as data:
                return self._call(event, data)
            case tools.ToolReturned() as data:
                called = self._called[data.call]
                called.status, called.result = ("failed", data.error) if data.error else ("returned", data.result)
                return called
            case tools.ToolAbandoned() as data:
                called = self._called[data.call]
                called.status, called.result = "abandoned", "abandoned"
                return called
        return None

    def _question(self, event: Event) -> Item | None:
        match event.data:
            case approvals.ApprovalRequested() as data:
                about = (data.approval, event.actor, data.question, data.options, event.version, event.time)
                asked = self._asked[data.approval] = Asked(*about)
                self.items.append(asked)
                return asked
            case approvals.ApprovalAnswered() as data:
                value = None if data.value is None else compact(data.value)
                return self._end(data.approval, "answered", joined(data.option, value), event.actor)
            case approvals.ApprovalExpired() as data:
                return self._end(data.approval, "expired", data.option)
            case approvals.ApprovalWithdrawn() as data:
                return self._end(data.approval, "withdrawn")
        return None

    def _end(
        self,
        approval: str,
        status: Literal["answered", "expired", "withdrawn"],
        answer: str | None = None,
        by: str | None = None,
    ) -> Asked:
        asked = self._asked[approval]
        asked.status, asked.answer, asked.by = status, answer, by
        return asked

    def said(self) -> list[Said]:
        """The messages alone."""
        return [item for item in self.items if isinstance(item, Said)]

    def _begin(self, event: Event, data: messages.MessagePosted | messages.MessageStarted) -> Said:
        said = Said(data.message, event.actor, data.kind, event.audience, event.version, event.time)
        said.reply_to = data.reply_to
        self._said[data.message] = said
        self.items.append(said)
        return said

    def _stream(self, data: messages.MessageDelta) -> Said:
        said = self._said[data.message]
        if data.part == "reasoning":
            said.reasoning += data.text
        else:
            said.text += data.text
        return said

    def _finish(self, said: Said, parts: tuple[Part, ...], status: Status) -> Said:
        said.text = text_of(parts)
        said.reasoning = "".join(part.text for part in parts if isinstance(part, ReasoningPart))
        said.parts = tuple(part for part in parts if not isinstance(part, TextPart | ReasoningPart))
        said.status = status
        return said

    def _call(self, event: Event, data: tools.ToolCalled) -> Called:
        called = Called(data.call, event.actor, data.tool, data.arguments, event.version, event.time)
        self._called[data.call] = called
        self.items.append(called)
        return called
