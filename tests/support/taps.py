"""What a tap has recorded in a session, for tests to compare with what the program did."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from stenogram.client import Client, Session
from stenogram.domain.concepts.tasks import Task
from stenogram.domain.errors import NotFound
from stenogram.domain.model import Event


@dataclass
class Said:
    """A message."""

    who: str
    audience: tuple[str, ...] | None
    metadata: dict[str, Any]
    deltas: int = 0
    text: str = ""
    thought: str = ""
    status: str = "open"
    reason: str | None = None
    usage: Any = None
    about: dict[str, Any] = field(default_factory=dict)


@dataclass
class Called:
    """A tool call."""

    who: str
    tool: str
    arguments: Any
    message: str | None
    audience: tuple[str, ...] | None
    result: Any = None
    error: str | None = None
    status: str = "open"


@dataclass
class Recorded:
    """A session."""

    events: list[Event]
    messages: dict[str, Said]
    calls: dict[str, Called]
    runs: dict[str, Event]
    """The last event of each task."""
    present: set[str]

    @property
    def words(self) -> list[tuple[str, str]]:
        """Who said what, in the order in which they began."""
        return [(each.who, each.text) for each in self.messages.values()]

    def audiences(self) -> list[tuple[str, tuple[str, ...] | None]]:
        """Of each message and call: whose it is, and who may see it; what a sub-agent is asked is that one's."""
        said = [(str(each.metadata.get("for", each.who)), each.audience) for each in self.messages.values()]
        return said + [(each.who, each.audience) for each in self.calls.values()]

    @property
    def open(self) -> list[str]:
        """What has not ended."""
        every: list[tuple[str, str]] = [(id, each.status) for id, each in self.messages.items()]
        every += [(id, each.status) for id, each in self.calls.items()]
        return [id for id, status in every if status == "open"]


async def read(url: str, session: str, token: str | None = None) -> Recorded:
    """All that is in a session now; of one that is not there, nothing."""
    try:
        return await _read(url, session, token)
    except NotFound:
        return Recorded([], {}, {}, {}, set())


async def _read(url: str, session: str, token: str | None) -> Recorded:
    events: list[Event] = []
    async with Client(url, token=token, participant=None if token else "auditor") as client:
        page = await client.page(session, limit=1_000)
        events += page.events
        while not page.caught_up:
            page = await client.page(session, after=page.to, limit=1_000)
            events += page.events
    recorded = Recorded(events, {}, {}, {}, set())
    for event in events:
        _take(recorded, event, event.data)
    return recorded


async def recorded(
    url: str, session: str, runs: int = 1, beside: Collection[str] = (), token: str | None = None
) -> Recorded:
    """All that is in a session, when so many runs in it have ended and all have left but those `beside`."""
    async with asyncio.timeout(40):
        while True:
            found = await read(url, session, token)
            if found.present <= {*beside} and sum(map(_has_ended, found.runs.values())) >= runs:
                return found
            await asyncio.sleep(0.05)


async def brought(session: Session, signal: str) -> None:
    """Wait until a tap has brought a signal to its runs, of which it says so: a run must not end before."""
    async with asyncio.timeout(40), session.events(after=0, types=["signal.delivered"]) as delivered:
        async for event in delivered:
            if event.data.signal == signal:  # type: ignore[attr-defined]
                return


def claimed(session: Session) -> list[Task]:
    """The runs that are going on in a session."""
    return [each for each in session.tasks.known.values() if each.status == "claimed"]


def _has_ended(event: Event) -> bool:
    return event.type in ("task.completed", "task.failed", "task.cancelled")


def _take(recorded: Recorded, event: Event, data: Any) -> None:
    messages, calls = recorded.messages, recorded.calls
    match event.type:
        case "message.started":
            messages[data.message] = Said(event.actor, event.audience, dict(data.metadata or {}))
        case "message.delta":
            messages[data.message].deltas += 1
        case "message.completed" | "message.aborted":
            said = messages[data.message]
            said.status = event.type.removeprefix("message.")
            said.text = "".join(part.text for part in data.parts or () if part.kind == "text")
            said.thought = "".join(part.text for part in data.parts or () if part.kind == "reasoning")
            said.usage, said.about = data.usage, dict(data.metadata or {})
            said.reason = getattr(data, "reason", None)
        case "tool.called":
            calls[data.call] = Called(event.actor, data.tool, data.arguments, data.message, event.audience)
        case "tool.returned":
            call = calls[data.call]
            call.result, call.error, call.status = data.result, data.error, "returned"
        case "tool.abandoned":
            calls[data.call].status = "abandoned"
        case "presence.joined":
            recorded.present.add(event.actor)
        case "presence.left" | "presence.lost":
            recorded.present.discard(getattr(data, "participant", None) or event.actor)
        case kind if kind.startswith("task."):
            recorded.runs[data.task] = event
