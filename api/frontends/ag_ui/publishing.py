"""An agent's own AG-UI, written into a session: the body of a POST, event by event, while it comes.

It may be server-sent events, as the agent answers them, JSON lines, or a JSON array. Its commands' ids count up within
the run, so that the same body again does nothing again, and goes on where the last one was cut. While it comes, its
participant is here: one whose connection is lost is lost after its lease, and what it has open ends. A question with
which a run ends outlives the body, since the answer is for the next run: another instance of the participant asks it,
and is here until a run ends with no question open, or for an hour after it asked.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from ....domain.commands import parse_command
from ....domain.errors import Conflict, Invalid, NoChange, Refused, StenogramError, TooLarge
from ....domain.foreign import AgUiWriter, Step, TakenIds, ag_ui_members
from ....domain.ids import SessionId, new_id
from ....domain.model import Command, CommandData
from ....log.records import Appended
from ...access.principal import Principal
from ...protocol.json_input import read_json
from ...settings import Settings
from ...tenants.tenant import Tenant
from .answers import PublishedAnswer

SILENT_S = 300.0
"""Seconds in which the next part of the body must come: models think."""
MAX_PENDING = 256
ASKS_S = 3_600.0
"""Seconds for which a question is open after the body that it came with: the longest lease."""
_JOINED_AS = "ag-ui."
_ASKS_AS = "ag-ui.asks"


class Publishing:
    """Writes what comes by one request. Raises Invalid for what is no AG-UI, Unauthenticated when the
    token expires, and what its commands are refused with."""

    def __init__(self, tenant: Tenant, principal: Principal, session: SessionId, settings: Settings) -> None:
        self._tenant = tenant
        self._principal = principal._replace(run=principal.run or f"{_JOINED_AS}{new_id()}")
        self._session = session
        self._settings = settings
        self._entered = False
        self._joined = False
        self._ids = TakenIds()
        self._pieces: list[asyncio.Future[Appended]] = []

    async def publish(self, request: web.Request) -> PublishedAnswer:
        """Write it all. Where it goes wrong, what is open ends at once; where the connection is lost, after a lease."""
        writer, read = AgUiWriter(new_id()), 0
        try:
            async for event in self._events(request):
                for step in writer.read(ag_ui_members(event)):
                    await self._carry_out(self._ids.renamed(step))
                read += 1
            for step in writer.end():
                await self._carry_out(self._ids.renamed(step))
            await self._settled()
        except StenogramError:
            await self._leave()
            raise
        await self._leave()
        return PublishedAnswer(
            events=read,
            messages=[self._ids.name(each) for each in writer.messages],
            interrupts=writer.interrupts,
            result=writer.result,
            error=writer.error,
        )

    async def _enter(self) -> None:
        """Be in the session, which is opened if there is none."""
        state = await self._tenant.log.state(self._session)
        if state.session.status == "none":
            with contextlib.suppress(Conflict):  # somebody else has opened it meanwhile
                await self._submit(new_id(), self._command("session.open", {}))
        self._joined = await self._join({}, self._principal.run)

    async def _join(self, about: dict[str, Any], run: str | None) -> bool:
        """Whether it was not here already: who is here without us stays."""
        try:
            await self._submit(new_id(), self._command("presence.join", about), run)
        except NoChange:
            return False
        return True

    async def _asks(self) -> str | None:
        """Which run of the participant asks."""
        if not self._joined:
            return self._principal.run
        await self._join({"lease": ASKS_S}, _ASKS_AS)
        return _ASKS_AS

    def _command(self, do: str, data: dict[str, Any]) -> CommandData:
        command = parse_command(do, data)
        self._principal.require_command(command, self._session)
        return command

    async def _leave(self) -> None:
        if not self._joined:
            return
        for run in (self._principal.run, *([] if await self._is_asking() else [_ASKS_AS])):
            with contextlib.suppress(Refused):
                await self._submit(new_id(), self._command("presence.leave", {}), run)

    async def _is_asking(self) -> bool:
        approvals, me = (await self._tenant.log.state(self._session)).approvals, self._principal.participant
        asked = map(approvals.known.__getitem__, approvals.work.of(me))
        return any(each.run == _ASKS_AS for each in asked)

    async def _carry_out(self, step: Step) -> None:
        """Pieces of text are not waited for one by one; what comes behind them waits for all of them."""
        data = self._command(step.do, step.data)
        if not self._entered:  # not before there is something to write
            self._entered = True
            await self._enter()
        if step.do == "message.delta":
            self._pieces.append(self._submit(step.id, data))
            if len(self._pieces) >= MAX_PENDING:
                await self._settled()
            return
        await self._settled()
        try:
            await self._submit(step.id, data, await self._asks() if step.do == "approval.request" else None)
        except Refused as refusal:
            for each in self._ids.instead(step, refusal):
                await self._submit(each.id, self._command(each.do, each.data))

    async def _settled(self) -> None:
        pieces, self._pieces = self._pieces, []
        await asyncio.gather(*pieces)

    def _submit(self, id: str, data: CommandData, run: str | None = None) -> "asyncio.Future[Appended]":
        log, principal = self._tenant.log, self._principal
        command = Command(id, self._session, principal.actor, log.clock.now(), data, run=run or principal.run)
        return log.submit(command, size=len(data.model_dump_json()), sender=principal.participant)

    async def _events(self, request: web.Request) -> AsyncIterator[Any]:
        """The events of the body, one by one."""
        held, whole = b"", request.content_type == "application/json"
        while part := await self._part(request):
            held += part
            if not whole:
                *lines, held = held.split(b"\n")
                for line in lines:
                    if (event := self._line(line)) is not None:
                        yield event
            if len(held) > self._settings.frame_bytes:
                raise TooLarge(f"An event has at most {self._settings.frame_bytes} bytes, and so has a JSON array.")
        if not whole:
            if (event := self._line(held)) is not None:
                yield event
            return
        given = read_json(held, self._settings.depth)
        if not isinstance(given, list):
            raise Invalid("The body is an array of AG-UI events; server-sent events or JSON lines name their own type.")
        for event in given:
            yield event

    async def _part(self, request: web.Request) -> bytes:
        """Raises Unauthenticated when the token has expired meanwhile: a body may last longer than that."""
        try:
            async with asyncio.timeout(self._principal.valid_for(SILENT_S)):
                part = await request.content.readany()
            self._principal.require_valid()
            return part
        except TimeoutError:
            self._principal.require_valid()
            raise Invalid(f"Nothing came for {SILENT_S:g} seconds.") from None

    def _line(self, line: bytes) -> Any:
        """The event of a line; None for one that has none: a field of server-sent events, a comment, an end."""
        text = line.strip().removeprefix(b"data:").strip()
        if not text.startswith((b"{", b"[", b'"')):
            if line.startswith((b"id:", b"event:", b"retry:", b":")) or not text:
                return None
            raise Invalid("A line is JSON, or a field of a server-sent event.")
        return read_json(text, self._settings.depth)
