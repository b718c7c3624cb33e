"""The tools of coming, seeing, saying and going. Their docstrings are what a model reads of them."""

import contextlib
from itertools import accumulate
from typing import Annotated, Any

import orjson
from mcp.server.mcpserver import Context
from pydantic import Field

from ...client.arguments import drop_none
from ...domain.errors import Conflict, Forbidden, NoChange, SessionClosed
from ...domain.ids import new_id
from ...domain.model import Event
from .answers import Result, add_news, with_news
from .arguments import LEASE_S, Audience, ReasonText, SeatHandle, Wait
from .seat import Seat, Seats, Session
from .task_tools import board

READ_TYPES = (
    *("session.*", "presence.joined", "presence.left", "presence.lost", "presence.stalled", "floor.*"),
    *("message.posted", "message.completed", "message.aborted", "tool.called", "tool.returned", "tool.abandoned"),
    *("signal.raised", "signal.honoured", "signal.refused", "signal.expired", "signal.withdrawn"),
    *("task.*", "state.*", "approval.*", "x.*"),
)
"""All but what is of use only while it happens."""
UNREAD = {"run", "new_run", "lease", "backoff_coefficient", "backoff_max", "on_need_failed", "stall_after", "on_stall"}
"""Members of events that say nothing to a model."""
MAX_READ_CHARS = 40_000
"""About what an answer may take of a model's context."""
MAX_PART_CHARS = MAX_READ_CHARS // 4
"""The same of each part of an overview: who is here, the tasks, the questions, the state."""


class TalkTools:
    """What is done by coming, seeing, saying and going."""

    def __init__(self, seats: Seats) -> None:
        self._seats = seats

    async def join(
        self,
        ctx: Context[Any, Any],
        session: Annotated[str, Field(description="The session's id, such as `website`. It is opened if need be.")],
        name: Annotated[str | None, Field(description="What people call you.")] = None,
        title: Annotated[str | None, Field(description="What a new session is about, in one line.")] = None,
        lease: Annotated[
            float,
            Field(ge=1, le=3_600, description="Seconds without a call after which you count as lost."),
        ] = LEASE_S,
        reopen: Annotated[bool, Field(description="Open it again if it is closed: only if a person says so.")] = False,
    ) -> Result:
        """Call this first. You take part in a session that other agents and people share, and get the `handle` that
        every other tool takes. Then `claim` a task before you work. Choose a `lease` longer than your longest step
        without a call (a build, the tests); if you are silent for longer, your tasks go back to the board."""
        seat = self._seats.new(self._seats.caller(ctx.request_context.request), session)
        await _open(seat, title, reopen=reopen)
        await seat.join(name, lease)
        self._seats.remember(seat.handle)
        shown = await seat.show()
        return await add_news(seat, shown, {"handle": str(seat.handle), "lease": lease, **_overview(seat, shown)})

    async def look(self, ctx: Context[Any, Any], handle: SeatHandle) -> Result:
        """See how the session is now: who is here and what each does, which tasks are open or held and by whom, which
        questions wait, and what the shared state is. Cheap: call it whenever you are not sure. Of long lists it shows
        the first, and `more` says how many it leaves out."""
        seat = self._seats.find(ctx.request_context.request, handle)
        session, lost = await seat.attend()
        return await add_news(seat, session, _overview(seat, session), lost=lost)

    async def read(
        self,
        ctx: Context[Any, Any],
        handle: SeatHandle,
        after: Annotated[
            int, Field(ge=0, description="The version up to which you know the session: `version` of the last answer.")
        ] = 0,
        wait: Wait = 0,
        types: Annotated[
            list[str] | None, Field(description="Only these, such as `message.*` or `task.completed`.")
        ] = None,
        limit: Annotated[int, Field(ge=1, le=500)] = 100,
    ) -> Result:
        """Read what has happened after a version: what was said, done and decided, in order. With `wait` it waits for
        the next thing to happen: the way to wait for others. Go on with `after` = the `version` of the answer; `more`
        says whether there is more already."""
        seat = self._seats.find(ctx.request_context.request, handle)
        asked = tuple(types or READ_TYPES)
        if wait:
            await seat.wait_for_events(after, asked, wait)
        page = await seat.page(after=after, types=asked, limit=limit, reading="folded")
        events, to = _within(page.events, MAX_READ_CHARS, page.to)
        return await with_news(seat, {"events": events, "version": to, "more": to < page.head})

    async def say(
        self,
        ctx: Context[Any, Any],
        handle: SeatHandle,
        text: Annotated[str, Field(description="What you say. Markdown is welcome.")],
        to: Audience = None,
        progress: Annotated[bool, Field(description="A note on what you do, not something to answer.")] = False,
        reply_to: Annotated[str | None, Field(description="The id of the message that you answer.")] = None,
    ) -> Result:
        """Say something to the session: to people, to the other agents, or to all. Say what others need to know:
        decisions, findings, what you leave undone. Give the handle of a task to say it as part of that task."""
        seat = self._seats.find(ctx.request_context.request, handle)
        kind = "progress" if progress else None
        said = drop_none(message=new_id(), text=text, audience=to, reply_to=reply_to, kind=kind)
        await seat.do("message.post", said, under=True)
        return await with_news(seat, {"message": said["message"]})

    async def leave(self, ctx: Context[Any, Any], handle: SeatHandle, reason: ReasonText = None) -> Result:
        """Leave the session when you have finished. Tasks that you still hold go back to the board."""
        seat = self._seats.find(ctx.request_context.request, handle)
        await seat.unless_known("presence.leave", drop_none(reason=reason))
        self._seats.forget(seat.handle)
        return {"left": seat.handle.session}


async def _open(seat: Seat, title: str | None, *, reopen: bool) -> None:
    """See that the session is there and open. Raises SessionClosed."""
    try:
        await seat.do("session.open", drop_none(title=title))
    except (Conflict, Forbidden):  # there is one; or there may be, and whether it is, joining it shows
        if reopen:
            with contextlib.suppress(NoChange):
                await seat.do("session.reopen", {})
            return
    if (await seat.show())["status"] == "closed":
        raise SessionClosed(f"Session {seat.handle.session!r} is closed.")


def _overview(seat: Seat, session: Session) -> Result:
    """A session in few words."""
    listed = {
        "present": [_present(each) for each in session["participants"] if each["present"]],
        "tasks": board(session),
        "asked": [_shown(each, "approval", "question", "requester") for each in session["open_approvals"]],
    }
    shown = {name: _first(each, MAX_PART_CHARS) for name, each in listed.items()}
    more = {name: len(each) - len(shown[name]) for name, each in listed.items() if len(each) > len(shown[name])}
    asked, me = shown.pop("asked"), seat.handle.participant
    return {
        **drop_none(session=session["session"], title=session["title"], version=session["version"], you=me),
        **({"status": "closed"} if session["status"] != "open" else {}),
        **shown,
        **({"asked": asked} if asked else {}),
        **({"more": more} if more else {}),
        **(_state(session) if session["state"] else {}),
    }


def _state(session: Session) -> Result:
    """The shared state, where there is room for it."""
    size, version = len(orjson.dumps(session["state"])), {"state_version": session["state_version"]}
    if size <= MAX_PART_CHARS:
        return {"state": session["state"], **version}
    return {"state_left_out": f"It has {size} characters. Call `state` with the `path` that you need.", **version}


def _first(listed: list[Result], room: int) -> list[Result]:
    """As many of the first as there is room for."""
    sizes = accumulate(len(orjson.dumps(each)) for each in listed)
    return [each for each, end in zip(listed, sizes, strict=True) if end <= room]


def _present(participant: Result) -> Result:
    shown = drop_none(**_shown(participant, "id", "kind", "name", "status", "activity"))
    return {**shown, **({"stalled": True} if participant["stalled"] else {})}


def _shown(known: Result, *names: str) -> Result:
    return {name: known[name] for name in names}


def _within(events: list[Event], room: int, to: int) -> tuple[list[Result], int]:
    """As many of the first events as there is room for, and the version up to which they go; the first one at all
    events, cut if need be."""
    shown = list[Result]()
    for event in events:
        each = _event(event)
        size = len(text := orjson.dumps(each).decode())
        if shown and size > room:
            return shown, event.version - 1
        if size > room:
            each = {**_shown(each, "version", "type", "by"), "cut": text[:room]}
        shown.append(each)
        room -= size
    return shown, to


def _event(event: Event) -> Result:
    about = drop_none(version=event.version, type=event.type, by=event.actor, task=event.task)
    data = orjson.loads(event.data.json_bytes())
    return {**about, **{name: value for name, value in data.items() if name not in UNREAD and value not in ([], 0)}}
