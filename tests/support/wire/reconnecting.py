"""Clients that get through: connection after connection, gateway after gateway, until all is said and heard.

They do what the protocol asks of a client, and nothing else: send again what was not answered, under the same ids and
in the same order; resume where they were.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable, Iterator

import aiohttp

from support.wire.follower import Follower, Frame
from support.wire.wire import Closed, Wire

LOST = (Closed, aiohttp.ClientError, ConnectionError, TimeoutError)
PAUSE_S = 0.02
"""Seconds between two connections."""

Where = Callable[[], str]
"""Says which gateway to connect to next."""


class _Refused(Exception):
    """A command was refused: those behind it are sent again with it, in order."""


class ReconnectingWriter:
    """One participant: sends in order, at most `window` that are not answered. Every `turn` acknowledgements it
    reconnects by itself. `hello` says who it is where a name does not do. `times` has the loop's time of
    each first acknowledgement."""

    def __init__(
        self,
        name: str,
        commands: Iterator[Frame],
        *,
        window: int = 32,
        patience: float = 20.0,
        turn: int = 10**9,
        hello: Frame | None = None,
    ) -> None:
        self.name = name
        self.acks: dict[str, Frame] = {}
        self.sent: dict[str, Frame] = {}
        self.times: list[float] = []
        self.repeated = 0
        self.refusals: Counter[str] = Counter()
        self.over = False
        self._commands = commands
        self._waiting: deque[Frame] = deque()
        self._window = window
        self._patience = patience
        self._turn = turn
        self._hello = {"participant": name, "kind": "agent"} if hello is None else hello
        self._exhausted = False

    async def run(self, http: aiohttp.ClientSession, where: Where) -> None:
        """Until everything is acknowledged."""
        while not self.over:
            with contextlib.suppress(_Refused, *LOST):
                async with asyncio.timeout(self._patience):
                    wire = await Wire.open(http, where(), **self._hello)
                try:
                    await self._speak(wire)
                finally:
                    wire.cut()
            await asyncio.sleep(PAUSE_S)

    async def _speak(self, wire: Wire) -> None:
        for frame in self._waiting:
            await wire.send(frame)
        await self._fill(wire)
        enough = len(self.acks) + self._turn
        while not self.over and len(self.acks) < enough:
            async with asyncio.timeout(self._patience):
                await wire.step()
            self._settle(wire)
            await self._fill(wire)

    async def _fill(self, wire: Wire) -> None:
        while len(self._waiting) < self._window and not self._exhausted:
            frame = next(self._commands, None)
            if frame is None:
                self._exhausted = True
            else:
                self._waiting.append(frame)
                self.sent[frame["id"]] = frame
                await wire.send(frame)
        self.over = self._exhausted and not self._waiting

    def _settle(self, wire: Wire) -> None:
        answers, wire.answers = wire.answers, {}
        for id, answer in answers.items():
            if answer["frame"] == "refused":
                self.refusals[answer["error"]["code"]] += 1
                raise _Refused
            if id not in self.acks:
                self.times.append(asyncio.get_running_loop().time())
            self.acks[id] = answer
            self.repeated += answer.get("repeated", False)
        while self._waiting and self._waiting[0]["id"] in self.acks:
            self._waiting.popleft()


async def follow_reconnecting(
    http: aiohttp.ClientSession,
    where: Where,
    follower: Follower,
    place: Frame,
    patience: float = 20.0,
    kind: str = "user",
) -> None:
    """Follow `place` (`{"session": …}` or `{"all": True}`) until cancelled, each connection resumed from where the last
    one got to. One that says nothing for `patience` seconds is given up."""
    while True:
        with contextlib.suppress(*LOST):
            async with asyncio.timeout(patience):
                wire = await Wire.open(http, where(), participant="reader", kind=kind)
            try:
                await _listen(wire, follower, place, patience)
            finally:
                wire.cut()
        await asyncio.sleep(PAUSE_S)


async def _listen(wire: Wire, follower: Follower, place: Frame, patience: float) -> None:
    session = place.get("session")
    follower.resume()
    wire.follow("f", {("f", session): follower})
    await wire.send({"frame": "subscribe", "sub": "f", **place, "after": follower.place})
    while not wire.frames:  # a refusal: there is nothing else to come here
        async with asyncio.timeout(patience):
            await wire.step()
