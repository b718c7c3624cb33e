"""One participant of a session, on a connection of their own that moves from gateway to gateway at random moments."""

import asyncio
import contextlib
import random
import time
import uuid
from collections.abc import Callable

import aiohttp

from support.soak.figures import Acks
from support.wire import LOST, Closed, Frame, Wire

MOVES = 1 / 150
"""The chance that a connection is cut while a command is on its way."""
LEASE_S = 60.0
PATIENCE_S = 30.0


class Speaker:
    """Sends one command at a time. What was on its way when the connection went is sent again under its id, through
    the next gateway: the two may race."""

    def __init__(
        self, http: aiohttp.ClientSession, where: Callable[[], str], who: Frame, acks: Acks, chance: random.Random
    ) -> None:
        self._http = http
        self._where = where
        self._who = who
        self._acks = acks
        self._chance = chance
        self._wire: Wire | None = None
        self._reading: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()

    async def tell(self, session: str, do: str, data: Frame, due: float) -> Frame:
        """Have a command answered. The ack's time, counted from when the command was due, is noted, unless the
        connection was lost meanwhile; so is a refusal."""
        command = {"frame": "command", "id": str(uuid.uuid4()), "session": session, "do": do, "data": data}
        moved = False
        while True:
            with contextlib.suppress(*LOST):
                answer = await self._try(command)
                if answer["frame"] == "refused":
                    self._acks.refusals.append((do, answer["error"]))
                elif not moved:
                    self._acks.note(due, time.monotonic())
                self._acks.repeated += answer.get("repeated", False)
                return answer
            moved = True
            self.cut()

    async def _try(self, command: Frame) -> Frame:
        wire = await self._connected()
        wire.answers.clear()
        await wire.send(command)
        if self._chance.random() < MOVES:
            await asyncio.sleep(self._chance.random() / 100)
            self._acks.moves += 1
            raise ConnectionResetError
        async with asyncio.timeout(PATIENCE_S):
            while command["id"] not in wire.answers:
                if self._reading is None or self._reading.done():
                    raise ConnectionResetError
                self._answered.clear()
                await self._answered.wait()
        return wire.answers[command["id"]]

    async def _connected(self) -> Wire:
        if self._wire is None or self._reading is None or self._reading.done():
            self.cut()
            async with asyncio.timeout(PATIENCE_S):
                self._wire = await Wire.open(self._http, self._where(), **self._who)
            self._reading = asyncio.create_task(self._read(self._wire))
        return self._wire

    async def _read(self, wire: Wire) -> None:
        """Take over what comes, also between commands; show now and then that we are alive."""
        beating = asyncio.create_task(self._beat(wire))
        try:
            while True:
                await wire.step()
                self._answered.set()
        except Closed as closed:
            self._acks.dismissals.append(closed.bye or {"code": closed.code})
        finally:
            beating.cancel()
            self._answered.set()

    async def _beat(self, wire: Wire) -> None:
        with contextlib.suppress(*LOST):
            while True:
                await asyncio.sleep(wire.welcome["heartbeat"])
                await wire.send({"frame": "heartbeat"})
                wire.frames.clear()

    def cut(self) -> None:
        """Go without a word."""
        if self._reading is not None:
            self._reading.cancel()
        if self._wire is not None:
            self._wire.cut()
        self._wire = self._reading = None
