"""Conditional writes through two gateways are linearizable, session by session: what was answered to whom, and when, is
what one register would have answered to one client after another.

The model is a compare-and-set register that holds the version of its last change, 0 at first. `set(expected)` succeeds
if it holds the expected one, and then it holds a higher one, which is the answer; else the answer is what it holds. A
claim is the same with 0 expected: of those who race for it one wins. The search is Wing and Gong's, with Lowe's memory
of configurations (as in Knossos and Porcupine): find an order that keeps to the real times and in which the model gives
every answer. A call without an answer may have happened at any later time, if the log has it, or else not at all.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import pytest

from hansard.log.postgres import Database, PostgresEngine
from hansard.testing.wire import LOST, Wire

if TYPE_CHECKING:
    from tests.live.conftest import Process

    Serve = Callable[..., Awaitable[Process]]

CLIENTS, EACH, SESSIONS = 6, 25, 3
NEVER = float("inf")
REGISTERS = ("state:/register", "custom:claim")


class Call(NamedTuple):
    """A conditional write: when it began and was answered, the version that it expected, whether it was done, and the
    version that it made or found."""

    began: float
    ended: float
    expected: int
    done: bool
    version: int


def linearizable(calls: list[Call]) -> bool:
    """Whether one order of the calls explains all answers. Depth first, each configuration once."""
    seen: set[tuple[frozenset[int], int]] = set()
    stack = [(frozenset(range(len(calls))), 0)]
    while stack:
        left, holds = stack.pop()
        if not left:
            return True
        if (left, holds) in seen:
            continue
        seen.add((left, holds))
        first_end = min(calls[each].ended for each in left)
        for each in left:
            call = calls[each]
            if call.began <= first_end and _answers(call, holds):
                stack.append((left - {each}, call.version if call.done else holds))
    return False


def _answers(call: Call, holds: int) -> bool:
    """Whether a register that holds this version would answer so."""
    if call.done:
        return call.expected == holds < call.version
    return call.expected != holds == call.version


def test_the_checker_accepts_what_one_register_could_have_said() -> None:
    assert linearizable([Call(0, 1, 0, True, 4), Call(2, 3, 0, False, 4), Call(2, 4, 4, True, 7)])
    assert linearizable([Call(0, 9, 4, True, 7), Call(1, 2, 0, True, 4)])  # the first began earlier and came later
    assert linearizable([Call(0, NEVER, 0, True, 4), Call(2, 3, 4, True, 7)])  # it happened, unheard


@pytest.mark.parametrize(
    "calls",
    [
        [Call(0, 1, 0, True, 4), Call(0, 1, 0, True, 5)],  # two winners
        [Call(0, 1, 0, True, 4), Call(2, 3, 5, False, 0)],  # what was there is not seen
        [Call(0, 1, 0, True, 4), Call(2, 3, 4, True, 7), Call(4, 5, 7, False, 4)],  # time goes back
        [Call(0, 1, 4, True, 7), Call(2, 3, 0, True, 4)],  # an effect before its cause
        [Call(0, 1, 0, True, 4), Call(2, 3, 4, False, 4)],  # refused for no reason
    ],
)
def test_the_checker_refuses_what_no_register_would_say(calls: list[Call]) -> None:
    assert not linearizable(calls)


@pytest.mark.postgres
@pytest.mark.parametrize("kill", [False, True], ids=["calm", "killed"])
async def test_conditional_writes_through_two_gateways_are_linearizable(
    http: aiohttp.ClientSession, serve: Serve, fresh_log: Callable[[], str], kill: bool
) -> None:
    log = fresh_log()
    gateways = [await serve(log=log) for _ in range(2)]
    urls = [gateway.url for gateway in gateways]
    setup = await Wire.open(http, urls[1], participant="setup")
    for session in range(SESSIONS):
        await setup.command(f"s{session}", "session.open", {})
    setup.cut()
    registers = [(f"s{session}", subject) for session in range(SESSIONS) for subject in REGISTERS]
    clients = [Client(http, urls, number, registers) for number in range(CLIENTS)]
    async with asyncio.TaskGroup() as tasks:
        for client in clients:
            tasks.create_task(client.run())
        if kill:
            await asyncio.sleep(0.3)
            await gateways[0].kill()
    written = await _written(log)
    for register in registers:
        calls = [call for client in clients for call in client.history(register, written)]
        assert linearizable(calls), (register, sorted(calls))
    outcomes = [call.done for client in clients for each in registers for call in client.history(each, written)]
    assert {*outcomes} == {False, True}


Register = tuple[str, str]


class Client:
    """Compares and sets, here and there, with what it last knew of each register."""

    def __init__(self, http: aiohttp.ClientSession, urls: list[str], number: int, registers: list[Register]) -> None:
        self._http = http
        self._urls = urls
        self._number = number
        self._known = dict.fromkeys(registers, 0)
        self._wires: dict[str, Wire] = {}
        self.calls: list[tuple[Register, str, Call]] = []

    async def run(self) -> None:
        """All of its calls, one after the other."""
        for number in range(EACH):
            register, url = random.choice(list(self._known)), self._urls[(self._number + number) % 2]
            id = f"c{self._number}-{number}"
            call = await self._set(url, register, id)
            self.calls.append((register, id, call))
            if call.ended != NEVER:
                self._known[register] = call.version
        for wire in self._wires.values():
            wire.cut()

    def history(self, register: Register, written: dict[str, int]) -> list[Call]:
        """Its calls of a register. Those without an answer are as the log has them, or did not happen."""
        answered = [call for of, _, call in self.calls if of == register and call.ended != NEVER]
        unheard = [(id, call) for of, id, call in self.calls if of == register and call.ended == NEVER]
        return answered + [call._replace(done=True, version=written[id]) for id, call in unheard if id in written]

    async def _set(self, url: str, register: Register, id: str) -> Call:
        (session, subject), loop = register, asyncio.get_running_loop()
        expected, began = self._known[register], loop.time()
        do, data = "state.merge", dict[str, Any](patch={"register": id})
        if subject.startswith("custom:"):
            do, data = "custom.record", {"type": "x.claimed", "about": "claim", "data": {"by": self._number}}
        try:
            if url not in self._wires:
                self._wires[url] = await Wire.open(self._http, url, participant=f"c{self._number}", kind="agent")
            wire = self._wires[url]
            answer = await wire.command(session, do, data, id=id, expect={subject: expected})
        except LOST:
            self._wires.pop(url, None)
            return Call(began, NEVER, expected, False, 0)
        if answer["frame"] == "ack":
            return Call(began, loop.time(), expected, True, answer["versions"][0])
        assert answer["error"]["code"] == "conflict", answer
        return Call(began, loop.time(), expected, False, answer["error"]["version"])


async def _written(log: str) -> dict[str, int]:
    """The versions of what is in the log, by the ids of the commands."""
    engine = PostgresEngine(Database(log), read_only=True)
    await engine.open()
    try:
        return {record.key: record.version for record in await engine.read_log(0, 10_000) if record.key is not None}
    finally:
        await engine.close()
