"""A session, as one of its participants uses it."""

import asyncio
import contextlib
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self, Unpack

from ..domain.concepts.lifecycle import Session as Description
from ..domain.concepts.messages import MessageKind
from ..domain.concepts.presence import Participant, Status
from ..domain.errors import NoChange, Paused
from ..domain.ids import Position, Version, new_id
from ..domain.model import Event, EventData
from ..domain.parts import Part
from .approvals import Approvals
from .arguments import To, custom_record, drop_none, names
from .errors import ClientError, retry_after
from .floor import Floor
from .membership.live_session import LiveSession
from .membership.membership import Membership
from .message import MessageStream
from .producer import Producer
from .publishing import Published, publish_ag_ui
from .signals import SignalBoard
from .state import SharedState
from .task_context import TaskContext, current_task
from .tasks import TaskBoard
from .tool import ToolCall
from .transport.command_queue import Ack, CommandQueue
from .transport.connection import Connection
from .transport.event_stream import EventStream
from .transport.http import EventPage, PageQuery
from .transport.subscription import Place, Reading
from .transport.text_stream import WINDOW_S
from .view_reader import ViewReader


class Posted(NamedTuple):
    """A message that was posted: its id and its place."""

    message: str
    version: Version
    position: Position


class Session:
    """A handle on one session; made by `Client.session`, `Client.watch` and `fork`.

    Entered (`async with`), it opens the session unless it exists, joins it, and follows it; on leaving the block it
    leaves the session. Not entered, it can write, and read events and views; what needs `live` raises ClientError:
    `present`, `info`, the value of `state`, and what is known of tasks, signals and approvals.

    Every method that writes returns after the commit, raises the refusal (`stenogram.domain.errors`), and is done once,
    however often the connection is lost meanwhile. Cancelled, it is done or not, unobserved. `to` is the audience:
    `users`, `agents`, a participant's id, or several of these; everyone when absent.
    """

    def __init__(self, connection: Connection, id: str, membership: Membership) -> None:
        self.id = id
        self.state = SharedState(self)
        self.tasks = TaskBoard(self)
        self.signals = SignalBoard(self)
        self.approvals = Approvals(self)
        self.floor = Floor(self)
        self._connection = connection
        self._membership = membership

    @property
    def commands(self) -> CommandQueue:
        """The commands of this client that are on their way."""
        return self._connection.commands

    @property
    def followed(self) -> bool:
        """Whether the session is folded here, so that `live` is there."""
        return self._membership.live is not None

    @property
    def live(self) -> LiveSession:
        """The session as it is folded here, from its events: all but its messages. (`view` reads what the gateway has
        folded.) Raises ClientError when the session was not entered."""
        if self._membership.live is None:
            raise ClientError(
                f"Session {self.id!r} is not followed; enter it with `async with`, and not with follow=False."
            )
        return self._membership.live

    @property
    def run(self) -> str:
        """Which run of the participant this client is: the key of its instance in `present`."""
        return self._connection.identity.run

    @property
    def info(self) -> Description:
        """Title, labels, metadata, and whether the session is open."""
        return self.live.state.session

    @property
    def present(self) -> dict[str, Participant]:
        """Who is here now, and what each is doing, by id."""
        return {each.id: each for each in self.live.state.presence.in_order()}

    @property
    def current_task(self) -> TaskContext | None:
        """The task under which the running code writes to this session: that whose block it is in."""
        return current_task(self.commands, self.id)

    async def do(
        self,
        do: str,
        data: Mapping[str, Any],
        *,
        id: str | None = None,
        expect: Mapping[str, int] | None = None,
        cause: str | None = None,
    ) -> Ack:
        """Have any command done. With an `id` of your own it may be repeated, whenever. `expect` names the versions
        that subjects must have, or Conflict is raised. `cause` names the event or command of this session that it
        follows from. In the block of a task it is done under the task, and not while that is paused; it follows from
        the claim, unless you say otherwise."""
        claim = self.current_task
        members = {"cause": cause} if claim is None else {**claim.members, "cause": cause or claim.cause}
        while True:
            if claim is not None:
                await claim.checkpoint()
            try:
                return await self.commands.do(self.id, do, data, id=id, expect=expect, **members)
            except Paused as paused:  # its event is not folded here yet
                await asyncio.sleep(retry_after(paused))

    async def unless_known(self, do: str, data: Mapping[str, Any]) -> None:
        """Have a command done, unless it would change nothing."""
        with contextlib.suppress(NoChange):
            await self.do(do, data)

    def show_progress(self, task: str) -> None:
        """Let a heartbeat say that the work on a task that you hold goes on; nothing is written for it."""
        self._connection.show_progress(self.id, task)

    async def status(self, status: Status, activity: str | None = None) -> None:
        """Say what you are doing. Saying the same again does nothing."""
        await self.unless_known("presence.status", drop_none(status=status, activity=activity))

    async def post(
        self,
        text: str | None = None,
        *,
        parts: Sequence[Part | Mapping[str, Any]] = (),
        to: To | None = None,
        kind: MessageKind | None = None,
        reply_to: str | None = None,
        message: str | None = None,
        usage: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Posted:
        """Post a message at once: text, or parts. `usage` is what it took (tokens, costs)."""
        message = message or new_id()
        said = drop_none(text=text, parts=list(parts) or None, audience=names(to), kind=kind, reply_to=reply_to)
        ack = await self.do("message.post", {"message": message, **said, **drop_none(usage=usage, metadata=metadata)})
        return Posted(message, ack.versions[0], ack.positions[0])

    def stream_message(
        self,
        *,
        to: To | None = None,
        kind: MessageKind | None = None,
        reply_to: str | None = None,
        message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        window: float = WINDOW_S,
    ) -> MessageStream:
        """A message to stream, piece by piece; `window` (seconds) is how long pieces wait to be joined."""
        start = drop_none(audience=names(to), kind=kind, reply_to=reply_to, metadata=metadata)
        return MessageStream(self, start, message=message, window=window)

    def tool(
        self,
        tool: str,
        arguments: Any = None,
        *,
        to: To | None = None,
        message: str | None = None,
        call: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> ToolCall:
        """A tool call to record; `message` names the message on whose behalf it happens."""
        data = drop_none(tool=tool, arguments=arguments, audience=names(to), message=message, metadata=metadata)
        return ToolCall(self, data, call)

    async def record(
        self,
        type: str | EventData,
        data: Mapping[str, Any] | None = None,
        *,
        about: str | None = None,
        to: To | None = None,
        id: str | None = None,
    ) -> Ack:
        """Record an event of your own: a type that begins with `x.` and its data, or an instance of its model."""
        return await self.do("custom.record", custom_record(type, data, about, to), id=id)

    async def publish_agui(self, agent: str, events: AsyncIterable[Any] | Iterable[Any]) -> Published:
        """Write what a framework that speaks AG-UI tells of a run, as it comes: messages and thoughts are streamed,
        calls of tools, changes of state and questions recorded, and the rest kept under its own name. `events` are
        models of `ag_ui.core`, mappings, or texts (JSON, or server-sent events). `agent` is who says it: this client's
        participant. Raises Invalid for what is no AG-UI, and what is refused. In the block of a task it is done under
        the task; when that is cancelled, what is open is aborted."""
        me = str(self._connection.welcome["participant"])
        if agent != me:
            raise ClientError(f"This client is {me!r}; what {agent!r} says, a client of its own publishes.")
        return await publish_ag_ui(self, events)

    def producer(self, id: str, *, epoch: int = 1) -> Producer:
        """A stream of events of your own, numbered so that sending them again does no harm. `id` is its name among the
        participant's producers; a higher `epoch` (1 or more) fences those who still use a lower one."""
        return Producer(self, id, epoch)

    async def describe(self, *, title: str | None = None, metadata: Mapping[str, Any] | None = None) -> None:
        """Replace the title, or change the metadata by a merge patch."""
        await self.unless_known("session.describe", drop_none(title=title, metadata=metadata))

    async def label(self, set: Mapping[str, str] | None = None, *, remove: Sequence[str] = ()) -> None:
        """Set and remove labels."""
        await self.unless_known("session.label", {"set": dict(set or {}), "remove": list(remove)})

    async def fork(self, *, at: int | None = None, title: str | None = None, id: str | None = None) -> "Session":
        """A new session that shares this one's history up to a version (its newest, when absent) and is apart from it
        after that; enter it to join it. `id` names it. What was under way at that version ends in the fork."""
        id = id or new_id()
        await self.commands.do(id, "session.fork", drop_none(origin=self.id, at=at, title=title))
        return Session(self._connection, id, Membership(self._connection, id, None, {}))

    async def close(self, reason: str | None = None) -> Ack:
        """End the session for everyone: nothing more is written to it until it is reopened."""
        return await self.do("session.close", drop_none(reason=reason))

    async def reopen(self, reason: str | None = None) -> None:
        """Open a closed session again."""
        await self.unless_known("session.reopen", drop_none(reason=reason))

    def events(
        self,
        after: Place = 0,
        *,
        types: Sequence[str] | None = None,
        reading: Reading = "raw",
        follow: bool = True,
        epoch: str | None = None,
    ) -> EventStream:
        """The session's events after a version (`"end"`: only what comes from now on), then live ones as they come;
        with `follow=False`, only what there is. `epoch` is that of the log in which `after` was learned."""
        return EventStream.begin(
            self._connection.subscriptions, self.id, after, types=types, reading=reading, follow=follow, epoch=epoch
        )

    async def page(self, after: int | str | None = None, **query: Unpack[PageQuery]) -> EventPage:
        """A page of the session's events: after a version (by default from the start), or where another page said to
        `resume`; `before` a version; or the `last` ones. One HTTP request, without a retry."""
        return await self._connection.http.page(self.id, {"after": after, **query})

    async def causes(self, id: str) -> list[Event]:
        """What led to an event (or to the first one of a command), by the causes that events name: the nearest first.
        What you may not see is left out. One HTTP request, without a retry."""
        return await self._connection.http.chain(self.id, id, "causes")

    async def effects(self, id: str) -> list[Event]:
        """What an event (or a command) led to, directly or not, in order; at most the first thousand events."""
        return await self._connection.http.chain(self.id, id, "effects")

    def view(self, view: str) -> ViewReader:
        """Reads a view of the gateway for this session: `transcript`, `agents`, or one of your own."""
        return ViewReader(self._connection.http, self._connection.subscriptions, view, self.id)

    async def __aenter__(self) -> Self:
        await self._membership.enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._membership.leave()
