"""A participant's run in a session, as calls use it: each does its own requests, and nothing is kept in between.

A request that found no gateway, or a busy one, is made again for a few seconds. That is safe: a command has an id.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from ...client.arguments import drop_none
from ...client.transport.command_queue import Ack
from ...client.transport.http import EventPage, Http
from ...domain.concepts.presence import LEASE
from ...domain.errors import Conflict, Forbidden, Invalid, NoChange, StenogramError
from ...domain.ids import new_id
from ..patience import RETRY_S, patiently
from .caller import Caller
from .handle import Handle

PATIENCE_S = 8.0
"""How long a gateway that does not answer is asked again."""
LONG_POLL_S = 30.0
"""For how long a gateway lets a request wait."""
Session = dict[str, Any]
"""A session as `GET /v1/sessions/{session}` shows it."""


class Seat:
    """The run that a handle names. Every call of it is evidence that the participant is there."""

    def __init__(self, http: Http, handle: Handle) -> None:
        self.handle = handle
        self._http = http

    async def do(self, do: str, data: Mapping[str, Any], *, under: bool = False) -> Ack:
        """Have a command done, once; with `under`, under the handle's claim, if it has one."""
        id, claim = new_id(), self.handle.claim if under else None
        return await patiently(lambda: self._http.do(self.handle.session, do, data, id=id, under=claim), PATIENCE_S)

    async def unless_known(self, do: str, data: Mapping[str, Any]) -> None:
        """Have a command done, unless it would change nothing."""
        with contextlib.suppress(NoChange):
            await self.do(do, data)

    async def report(self, status: str, activity: str | None = None) -> None:
        """Say what the participant does. That is for those who watch: nothing depends on it."""
        with contextlib.suppress(Conflict):
            await self.do("presence.status", drop_none(status=status, activity=activity and activity[:200]))

    async def show(self) -> Session:
        """The session now."""
        return await patiently(lambda: self._http.get(f"/v1/sessions/{self.handle.session}", {}), PATIENCE_S)

    async def page(self, **query: Any) -> EventPage:
        """A page of its events; it may wait for the next one."""
        return await patiently(lambda: self._http.page(self.handle.session, query), PATIENCE_S)

    async def wait_for_events(self, after: int, types: Sequence[str], seconds: float) -> bool:
        """Wait until there is an event of these types after a version; false when there is none in time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (left := until - loop.time()) > 0:
            asked = loop.time()
            page = await self.page(after=after, types=types, wait=min(left, LONG_POLL_S))
            if page.events:
                return True
            if page.to == after and loop.time() - asked < min(left, LONG_POLL_S) / 2:
                await asyncio.sleep(RETRY_S)  # a gateway that ends lets nobody wait; the next one may
            after = page.to
        return False

    async def join(self, name: str | None, lease: float) -> None:
        """Join as a new run. Others of the participant keep what they hold."""
        joining = drop_none(name=name, lease=lease)
        await self.unless_known("presence.join", {**joining, "new_run": True, "beside": True})

    async def attend(self) -> tuple[Session, bool]:
        """The session now, with the run in it; and whether it had been lost, and joins again now."""
        session = await self.show()
        if self.instance(session) is not None or session["status"] != "open":
            return session, False
        me = self.participant(session) or {}
        joining = {name: me[name] for name in ("name", "about", "lease") if me.get(name)}
        await self.unless_known("presence.join", joining)
        return await self.show(), True

    def participant(self, session: Session) -> dict[str, Any] | None:
        """The participant, as the session shows it."""
        found = [each for each in session["participants"] if each["id"] == self.handle.participant]
        return found[0] if found else None

    def instance(self, session: Session) -> dict[str, Any] | None:
        """The run, as the session shows it; None where it is not here."""
        me = self.participant(session)
        here = [] if me is None or not me["present"] else me["instances"]
        return next((each for each in here if each["run"] == self.handle.run), None)

    def lease(self, session: Session) -> float:
        """Seconds of silence after which the run is lost."""
        return float((self.instance(session) or {}).get("lease", LEASE))


class Seats:
    """Gives each call its seat. With a `caller` all calls are that one's; without, each HTTP request says whose."""

    def __init__(self, url: str, http: aiohttp.ClientSession, caller: Caller | None = None) -> None:
        self._url = url
        self._http = http
        self._caller = caller
        self._joined: list[Handle] = []

    def caller(self, request: Any) -> Caller:
        """Who makes a call: `request` is its HTTP request, where it came by HTTP."""
        if self._caller is not None:
            return self._caller
        return Caller.of_request(request.headers, request.query_params)

    def http(self, caller: Caller, run: str | None = None) -> Http:
        """The gateway, as one participant asks it."""
        return Http(self._http, self._url, caller.identity(run))

    def new(self, caller: Caller, session: str) -> Seat:
        """A seat for a new run."""
        return self.of(caller, Handle.mint(session, caller.participant))

    def find(self, request: Any, handle: str, *, claim: bool = False) -> Seat:
        """The seat that a call names; with `claim`, that of a task. Raises Invalid and Forbidden."""
        caller, found = self.caller(request), Handle.parse(handle)
        if found.participant != caller.participant:
            raise Forbidden(
                f"This handle is {found.participant!r}'s, and you are {caller.participant!r}. Call `join` for your own."
            )
        if claim and found.task is None:
            raise Invalid(f"{handle!r} names no task. Give the handle that `claim` returned for the task.")
        return self.of(caller, found)

    def of(self, caller: Caller, handle: Handle) -> Seat:
        """The seat of a handle."""
        return Seat(self.http(caller, handle.run), handle)

    def remember(self, joined: Handle) -> None:
        """That run has joined; where all calls are one caller's, it is left when the server ends."""
        if self._caller is not None:
            self._joined.append(joined)

    def forget(self, left: Handle) -> None:
        """That run has left."""
        self._joined = [each for each in self._joined if each.run != left.run]

    async def leave_all(self) -> None:
        """Leave wherever the one caller has joined: what is held goes back to the board at once."""
        left, self._joined = self._joined, []
        for handle in left:
            assert self._caller is not None
            try:
                await self.http(self._caller, handle.run).do(handle.session, "presence.leave", {})
            except StenogramError:  # it had left; or the gateway will notice by itself
                continue
