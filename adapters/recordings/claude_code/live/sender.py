"""Sends what is recorded, and does not give up.

What fails for a reason that may pass is sent again, without end. What the rules refuse there, and did not refuse here
(somebody has stopped a message meanwhile), is kept as a custom event.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import orjson

from .....client.errors import Unreachable
from .....client.transport.backoff import Backoff
from .....domain.commands import parse_command
from .....domain.concepts.lifecycle import CloseSession
from .....domain.errors import Forbidden, NoChange, StenogramError, Unauthenticated
from .....domain.ids import SessionId, recorded_id
from .....domain.model import Actor, Command
from ..writing import MAX_RAW_CHARS, RAW, TEAM
from .session_recording import SessionRecording
from .sink import Outcome, Sink, members_of

MAX_COMMANDS = 200
MAX_BYTES = 2**20
CLOSED = "session_closed"
CLOSED_S = 10.0
"""Seconds after which it is tried again to write to a session that somebody has closed."""
BUSY = 429
AT_ONCE = 4
"""Sessions that are written to at the same time."""


class Sender:
    """Writes to a sink. `say` tells people one line."""

    def __init__(self, sink: Sink, say: Callable[[str], None]) -> None:
        self._sink = sink
        self._say = say
        self._checked: set[SessionId] = set()
        self._returning: set[SessionId] = set()
        """Sessions to which nothing came for a while, so that those in them may have been lost."""
        self._closed_at: dict[SessionId, float] = {}
        self._failing: set[SessionId] = set()
        self._writing = asyncio.Semaphore(AT_ONCE)

    async def send(self, recording: SessionRecording) -> None:
        """Send what waits. Of a session that somebody has closed, everything goes on to wait. Raises Unauthenticated
        and Forbidden: it makes no sense to go on."""
        if time.monotonic() < self._closed_at.get(recording.session, -CLOSED_S) + CLOSED_S:
            return
        if recording.session not in self._checked and recording.spool.sent:
            await self._check(recording)
        self._checked.add(recording.session)
        while recording.unsent:
            commands = _batch(recording.unsent)
            outcome = await self._write(recording, commands)
            if CLOSED in outcome.refused.values():
                self._say_closed(recording.session)
                return
            await self._settle(recording, commands, outcome)
            recording.sent(len(commands))
        if recording.session in self._returning:  # not before: until then somebody may not have come yet
            self._returning.discard(recording.session)
            await self._come_back(recording)

    async def vouch(self, recording: SessionRecording) -> None:
        """Say who is here still."""
        await self._write(recording, [])

    async def _settle(self, recording: SessionRecording, commands: Sequence[Command], outcome: Outcome) -> None:
        """See to what was refused. Somebody stopped an agent here, which Claude Code knows nothing of: it goes on, as a
        new run. All else is kept as it is."""
        begun = set[Actor]()
        for each in commands:
            if outcome.refused.get(each.id, NoChange.code) == NoChange.code:
                continue
            if each.id in outcome.stopped:
                if each.actor not in begun:
                    begun.add(each.actor)
                    join = parse_command("presence.join", {"new_run": True})
                    id = recorded_id(recording.session, "begins again", each.id)
                    await self._write(recording, [each._replace(id=id, data=join)])
                again = await self._write(recording, [each])
                if each.id not in again.refused:
                    continue
            await self._write(recording, _as_refused(each, outcome.refused[each.id]))

    async def _check(self, recording: SessionRecording) -> None:
        """See that what is written to has what it had before, by the first command: if that is new there, all is."""
        if recording.first is None:
            return
        outcome = await self._write(recording, [recording.first])
        if outcome.done:
            self._say(f"{recording.session} was not there any more; it is written once more.")
            recording.send_again()
        else:
            self._returning.add(recording.session)

    async def _come_back(self, recording: SessionRecording) -> None:
        """Those who were lost while nothing came are here again."""
        if recording.is_idle:
            return
        now = datetime.now(UTC)
        for each in recording.participants:
            id = recorded_id(recording.session, f"back {each.id}", now.isoformat())
            join = parse_command("presence.join", {})
            await self._write(recording, [Command(id, recording.session, each, now, join, recorded=True)])

    async def _write(self, recording: SessionRecording, commands: Sequence[Command]) -> Outcome:
        """Have these done, however long that takes."""
        here = [] if recording.is_idle else [each.id for each in recording.participants]
        backoff = Backoff()
        while True:
            try:
                async with self._writing:  # not while it waits to try again: then it is the others' turn
                    outcome = await self._sink.write(recording.session, commands, here)
            except (Unauthenticated, Forbidden):
                raise
            except StenogramError as error:
                if not isinstance(error, Unreachable) and error.status < 500 and error.status != BUSY:
                    return await self._one_by_one(recording, commands, error)
                if not self._failing:
                    self._say(f"{error.detail} What comes is kept, and written as soon as that is possible.")
                self._failing.add(recording.session)
                await asyncio.sleep(backoff.next(error.extra.get("retry_after")))
            else:
                if recording.session in self._failing:
                    self._failing.discard(recording.session)
                    self._returning.add(recording.session)
                    if not self._failing:
                        self._say("It goes on.")
                return outcome

    async def _one_by_one(
        self, recording: SessionRecording, commands: Sequence[Command], error: StenogramError
    ) -> Outcome:
        """What cannot be read as a whole: the others are done."""
        if len(commands) < 2:
            return Outcome(0, {each.id: error.code for each in commands})
        done, refused, stopped = 0, dict[str, str](), frozenset[str]()
        for each in commands:
            outcome = await self._write(recording, [each])
            done, refused, stopped = done + outcome.done, refused | outcome.refused, stopped | outcome.stopped
        return Outcome(done, refused, stopped)

    def _say_closed(self, session: SessionId) -> None:
        known, self._closed_at[session] = session in self._closed_at, time.monotonic()
        if not known:
            self._say(f"{session} was closed; what comes is kept until somebody opens it again (stenogram reopen).")


def _batch(unsent: Sequence[Command]) -> list[Command]:
    """The first commands, as many as go into one request."""
    commands: list[Command] = []
    size = 0
    for each in unsent:
        size += len(each.data.model_dump_json())
        full = size > MAX_BYTES or len(commands) == MAX_COMMANDS
        if commands and (full or isinstance(each.data, CloseSession)):  # which waits for what those before it came to
            break
        commands.append(each)
    return commands


def _as_refused(command: Command, code: str) -> list[Command]:
    """A command that was refused, as custom events that have all of it: one, or pieces."""
    text = orjson.dumps(members_of(command)).decode()
    pieces = [text[at : at + MAX_RAW_CHARS] for at in range(0, len(text), MAX_RAW_CHARS)]
    made = []
    for number, piece in enumerate(pieces, 1):
        data = {"code": code, "command": command.id, "piece": number, "of": len(pieces), "json": piece}
        record = parse_command("custom.record", {"type": f"{RAW}refused", "data": data, "audience": TEAM})
        id = recorded_id(command.session, f"refused {number}", command.id)
        made.append(command._replace(id=id, data=record))
    return made
