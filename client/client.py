"""The client: one connection to a gateway, shared by everything that is done through it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self, Unpack

import aiohttp

from ..domain.envelope import timestamp
from ..domain.model import Kind
from .agent.agent import Agent
from .arguments import drop_none
from .errors import ClientClosed, Unreachable
from .membership.membership import Membership
from .session import Session
from .transport.backoff import Backoff
from .transport.command_queue import Ack
from .transport.connection import Connection, OnState, State
from .transport.event_stream import LogStream
from .transport.http import EventPage, Http, PageQuery
from .transport.identity import Identity, Token, base_url
from .transport.subscription import Reading
from .view_reader import Moment, ViewReader, ViewRows


class Client:
    """A participant's connection to a gateway. Use it with `async with`, in one event loop; it is not thread-safe.

    - The connection is kept up: when it is lost, the client connects again (0.05 s, doubling to 5 s, with full jitter,
      or as long as the gateway asked for), subscribes again from the places reached and sends again what was not
      answered. Streams see every event once; commands are done once. It gives up when the gateway says that trying
      again makes no sense (`Unauthenticated`, `Forbidden`, ...); then everything raises that error.
    - Commands of one client are carried out in the order in which they were given. At most 1,000 are on their way;
      further ones wait.
    - Closing fails whatever still waits with `ClientClosed`, and ends all streams. Nothing is left running.

    `token` is a JWT, or a callable (which may be async) that returns a fresh one and is asked at every connection.
    A gateway that runs open takes `participant` and `kind` instead. `connect_timeout` (seconds) limits how long the
    first connection may take, then `Unreachable` is raised; without it the client keeps trying. `on_state` is called
    with each new state of the connection.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token | None = None,
        participant: str | None = None,
        kind: Kind = "agent",
        connect_timeout: float | None = None,
        backoff: Backoff | None = None,
        on_state: OnState | None = None,
    ) -> None:
        self._url = base_url(url)
        self._identity = Identity(token, participant, kind)
        self._connect_timeout = connect_timeout
        self._backoff = backoff or Backoff()
        self._on_state = on_state
        self._http_session: aiohttp.ClientSession | None = None
        self._connection: Connection | None = None
        self._runner: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None and self._connection.state == "connected"

    @property
    def participant(self) -> str:
        """Who this is, as the gateway knows it from the token."""
        return str(self._open.welcome["participant"])

    @property
    def epoch(self) -> str:
        """Which log this is; keep it beside a version in order to resume in another process."""
        return str(self._open.welcome["epoch"])

    def states(self) -> AsyncIterator[State]:
        """`connected`, `reconnecting`, `closed`: the present state first, then each change, until it is closed."""
        return self._open.states()

    def session(  # noqa: PLR0913  (keywords, few of which are used at once)
        self,
        id: str,
        *,
        title: str | None = None,
        labels: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        name: str | None = None,
        about: Mapping[str, Any] | None = None,
        open: bool = True,
        join: bool = True,
        follow: bool = True,
        reopen: bool = False,
    ) -> Session:
        """A session. Entering it opens it unless it exists (`labels` and `metadata` count only then, `title` also when
        it has none), joins it (`name` and `about` introduce the participant), and follows all of it but messages, which
        takes one of the connection's subscriptions (100, unless the gateway is set otherwise). `open`, `join` and
        `follow` leave these steps out. To join one that was closed raises SessionClosed; with `reopen` it is opened
        again."""
        opening = drop_none(title=title, labels=labels, metadata=metadata) if open else None
        joining = drop_none(name=name, about=about) if join else None
        membership = Membership(self._open, id, opening, joining, follow, reopen=reopen)
        return Session(self._open, id, membership)

    def agent(
        self,
        name: str | None = None,
        *,
        session: str,
        title: str | None = None,
        about: Mapping[str, Any] | None = None,
        lease: float | None = None,
        beside: bool = False,
        open: bool = True,
        reopen: bool = False,
    ) -> Agent:
        """An agent at work in a session: it claims tasks, answers signals, speaks and asks. `name` is what people call
        it; its id comes from the token. The session is opened, with this `title`, unless it exists; one without a title
        gets it; with `open=False` it must exist. `lease`: seconds of silence after which it counts as lost (15). What
        other processes of the same agent hold in the session is given back, as left by an earlier run; with `beside`
        they work side by side, and each is lost by itself. To enter a session that was closed raises SessionClosed;
        with `reopen` it is opened again."""
        opening = drop_none(title=title) if open else None
        joining = drop_none(name=name, about=about, lease=lease)
        membership = Membership(self._open, session, opening, joining, restart=True, beside=beside, reopen=reopen)
        return Agent(Session(self._open, session, membership), self.participant)

    def watch(self, id: str) -> Session:
        """A session, to be followed without opening or joining it."""
        return self.session(id, open=False, join=False)

    def events(
        self,
        after: str | None = None,
        *,
        types: Sequence[str] | None = None,
        reading: Reading = "raw",
        follow: bool = True,
    ) -> LogStream:
        """The events of every session that the client may read, in commit order, each with the cursor to resume from.
        `after` is such a cursor, handed back as it is, `"end"`, or nothing: from the beginning. Raises BadCursor, at
        iteration, for a cursor of another log."""
        return LogStream.begin(
            self._open.subscriptions, None, 0 if after is None else after, types=types, reading=reading, follow=follow
        )

    async def do(
        self,
        session: str,
        do: str,
        data: Mapping[str, Any],
        *,
        id: str | None = None,
        expect: Mapping[str, int] | None = None,
    ) -> Ack:
        """Have a command done in any session; see `Session.do`."""
        return await self._open.commands.do(session, do, data, id=id, expect=expect)

    async def sessions(
        self, *, prefix: str | None = None, after: str | None = None, limit: int | None = None
    ) -> dict[str, Any]:
        """A page of the sessions that the client may read, by id. One HTTP request, without a retry: raises
        Unreachable."""
        return await self._http.get("/v1/sessions", {"prefix": prefix, "after": after, "limit": limit})

    async def show(self, session: str, at: Moment | None = None) -> dict[str, Any]:
        """A session now, as the gateway has it, or as it was at a version or a time. One HTTP request, without a
        retry. Raises BadCursor for a moment that is yet to come."""
        when = timestamp(at) if isinstance(at, datetime) else at
        return await self._http.get(f"/v1/sessions/{session}", {"at": when})

    def view(self, view: str, key: str | None = None) -> ViewReader:
        """Reads a view: under a key (of most views a session's id), or with none all that the client may read."""
        return ViewReader(self._http, self._open.subscriptions, view, key)

    async def search(  # noqa: PLR0913  (keywords, few of which are used at once)
        self,
        title: str | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        participant: str | None = None,
        status: Literal["open", "closed"] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        order: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> ViewRows:
        """A page of the sessions of which all this is true: objects with `key`, the session's id, and `value`, an
        overview of it. Those that changed last come first, unless `order` says otherwise."""
        times = {name: time and timestamp(time) for name, time in {"since": since, "until": until}.items()}
        asked = {"title": title, "with": participant, "status": status, "order": order, "after": after, "limit": limit}
        labelled = {f"label.{name}": value for name, value in (labels or {}).items()}
        found = await self._http.get("/v1/search", {**asked, **times, **labelled})
        return ViewRows(found["documents"], found["position"], found.get("next"))

    async def page(self, session: str, after: int | None = None, **query: Unpack[PageQuery]) -> EventPage:
        """A page of a session's events: after a version (by default all of it, from the start), or before one, or the
        last ones. One HTTP request, without a retry."""
        return await self._http.page(session, {"after": after, **query})

    async def connect(self) -> None:
        """Connect, as `async with` does. Raises what makes it impossible; then nothing is left running."""
        if self._runner is not None or self._connection is not None:
            raise ClientClosed("A client connects once; make another.")
        self._http_session = aiohttp.ClientSession()
        self._connection = Connection(self._http_session, self._url, self._identity, self._backoff, self._on_state)
        self._runner = asyncio.create_task(self._connection.run(), name="stenogram-client")
        try:
            async with asyncio.timeout(self._connect_timeout):
                await self._connection.ready()
        except TimeoutError:
            await self.aclose()
            raise Unreachable(f"{self._url} {self._connection.trouble}") from None
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Send what waits to be written, close the connection, fail what waits for an answer. Idempotent."""
        if self._runner is None or self._connection is None or self._http_session is None:
            return
        if self.connected:
            await self._connection.flush()
        self._runner.cancel()
        try:
            await asyncio.wait([self._runner])
            self._connection.end()  # a task that was cancelled before it began could not
        finally:
            await self._http_session.close()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def _open(self) -> Connection:
        if self._connection is None:
            raise ClientClosed("The client is not connected; use it with `async with`.")
        return self._connection

    @property
    def _http(self) -> Http:
        if self._http_session is None or self._http_session.closed:
            raise ClientClosed("The client is not connected; use it with `async with`.")
        return self._open.http
