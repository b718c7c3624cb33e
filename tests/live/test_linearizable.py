"""Conditional writes through two gateways are linearizable, place by place: what was answered to whom, and when, is
what one register, or one task, would have answered to one client after another.

Two models. A *register* holds the version of its last change, 0 at first. `set(expected)` succeeds if it holds the
expected one, and then it holds a higher one, which is the answer; else the answer is what it holds. Registers are a
place of the state and a custom event's name, guarded by `expect` of the frame; a path guarded by `if_unchanged`; the
whole state guarded by `if_version`. A *task* is free or held, by an attempt. `claim` succeeds if it is free, and makes
the next attempt; else the answer is who holds it, by which attempt. `release` of the attempt that holds it frees it.

The search is Wing and Gong's, with Lowe's memory of configurations (as in Knossos and Porcupine): find an order that
keeps to the real times and in which the model gives every answer. A call without an answer may have happened at any
later time, if the log has it, or else not at all.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import orjson
import pytest
from support.wire import LOST, Wire

from stenogram.log.postgres import Database, PostgresEngine

if TYPE_CHECKING:
    from live.conftest import Process

    Serve = Callable[..., Awaitable[Process]]

pytestmark = pytest.mark.thorough

CLIENTS, EACH, SESSIONS = 8, 10, 2
NEVER = float("inf")
NAMES = ("expected", "recorded", "path", "whole", "task")
LEASE = 3_600
"""Seconds: nothing takes a task back while this runs."""

Holds = tuple[int, str]
"""What a place holds: a register a version; a task its last attempt, and who holds it, if anyone does."""


class Call(NamedTuple):
    """A conditional write: when it began and was answered, the version that it expected, or the attempt that it gave
    up, whether it was done, and the version, or the attempt and its holder, that it made or found."""

    began: float
    ended: float
    expected: int
    done: bool
    version: int
    holder: str = ""


Model = Callable[[Holds, Call], Holds | None]
"""What a place holds after a call; None if it would not have answered so."""


def register(holds: Holds, call: Call) -> Holds | None:
    """Compare and set."""
    version, _ = holds
    if call.done:
        return (call.version, "") if call.expected == version < call.version else None
    return holds if call.expected != version == call.version else None


def task(holds: Holds, call: Call) -> Holds | None:
    """Claim, and give up."""
    attempt, holder = holds
    if not call.done:
        return holds if holder and holds == (call.version, call.holder) else None
    if call.holder:
        return (call.version, call.holder) if not holder and call.version == attempt + 1 else None
    return (attempt, "") if holder and call.expected == attempt else None


def linearizable(calls: list[Call], model: Model = register) -> bool:
    """Whether one order of the calls explains all answers. Depth first, each configuration once."""
    seen: set[tuple[frozenset[int], Holds]] = set()
    stack: list[tuple[frozenset[int], Holds]] = [(frozenset(range(len(calls))), (0, ""))]
    while stack:
        left, holds = stack.pop()
        if not left:
            return True
        if (left, holds) in seen:
            continue
        seen.add((left, holds))
        first_end = min(calls[each].ended for each in left)
        for each in left:
            if calls[each].began <= first_end and (after := model(holds, calls[each])) is not None:
                stack.append((left - {each}, after))
    return False


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


def test_the_checker_accepts_what_one_task_could_have_said() -> None:
    claims = [Call(0, 1, 0, True, 1, "ada"), Call(0, 2, 0, False, 1, "ada"), Call(3, 4, 1, True, 1)]
    assert linearizable([*claims, Call(3, 5, 0, True, 2, "bob"), Call(6, 7, 0, False, 2, "bob")], task)


@pytest.mark.parametrize(
    "calls",
    [
        [Call(0, 1, 0, True, 1, "ada"), Call(0, 1, 0, True, 2, "bob")],  # two hold it at once
        [Call(0, 1, 0, True, 1, "ada"), Call(2, 3, 1, True, 1), Call(4, 5, 0, True, 1, "bob")],  # an attempt made twice
        [Call(0, 1, 0, True, 1, "ada"), Call(2, 3, 0, False, 1, "bob")],  # held by another than is said
        [Call(0, 1, 0, True, 1, "ada"), Call(2, 3, 1, True, 1), Call(4, 5, 0, False, 1, "ada")],  # held by nobody
        [Call(0, 1, 0, True, 1, "ada"), Call(2, 3, 2, True, 2)],  # given up by who does not hold it
    ],
)
def test_the_checker_refuses_what_no_task_would_say(calls: list[Call]) -> None:
    assert not linearizable(calls, task)


@pytest.mark.postgres
@pytest.mark.parametrize("kill", [False, True], ids=["calm", "killed"])
async def test_conditional_writes_through_two_gateways_are_linearizable(
    http: aiohttp.ClientSession, serve: Serve, fresh_log: Callable[[], str], kill: bool
) -> None:
    log = fresh_log()
    gateways = [await serve(log=log) for _ in range(2)]
    urls = [gateway.url for gateway in gateways]
    places = [(session(name, number), name) for number in range(SESSIONS) for name in NAMES]
    random.shuffle(places)
    await _set_up(await Wire.open(http, urls[1], participant="setup"), places)
    clients = [Client(http, urls, f"c{number}", places) for number in range(CLIENTS)]
    async with asyncio.TaskGroup() as tasks:
        for number, client in enumerate(clients):
            tasks.create_task(client.run(number))
        if kill:
            await asyncio.sleep(0.3)
            await gateways[0].kill()
    written = await _written(log)
    for place in places:
        calls = [call for client in clients for call in client.history(place, written)]
        assert linearizable(calls, task if place[1] == "task" else register), (place, sorted(calls))
        assert {call.done for call in calls} == {False, True}, place


Place = tuple[str, str]
"""A session, and the name of what is in it."""


def session(name: str, number: int) -> str:
    """The session of a place: the whole state has one to itself, since every change of a state is a change of that."""
    return f"whole-{number}" if name == "whole" else f"s{number}"


async def _set_up(wire: Wire, places: list[Place]) -> None:
    for session, name in places:
        await wire.command(session, "session.open", {})
        if name == "task":
            await wire.command(session, "task.create", {"task": "t", "title": "Hotels"})
    wire.cut()


class Client:
    """Compares and sets, claims and releases, here and there, with what it last knew of each place."""

    def __init__(self, http: aiohttp.ClientSession, urls: list[str], name: str, places: list[Place]) -> None:
        self._http = http
        self._urls = urls
        self._name = name
        self._known = dict.fromkeys(places, 0)
        self._wires: dict[str, Wire] = {}
        self.calls: list[tuple[Place, str, Call]] = []

    async def run(self, first: int) -> None:
        """Its calls, one after the other, at each gateway in turn: place by place, where the others are, too."""
        for number, place in enumerate(each for each in self._known for _ in range(EACH)):
            url = self._urls[(first + number) % 2]
            id = f"{self._name}-{number}"
            call = await self._call(url, place, id)
            self.calls.append((place, id, call))
            self._learn(place, call)
        for wire in self._wires.values():
            wire.cut()

    def history(self, place: Place, written: dict[str, Written]) -> list[Call]:
        """Its calls of a place. Those without an answer are as the log has them, or did not happen."""
        return [
            written[id].told(call) if id in written else call
            for of, id, call in self.calls
            if of == place and (id in written or call.ended != NEVER)
        ]

    def _learn(self, place: Place, call: Call) -> None:
        if place[1] == "task":  # an acknowledgement tells no attempt: who claims again is told
            self._known[place] = call.version if not call.done and call.holder == self._name else 0
        elif call.ended != NEVER:
            self._known[place] = call.version

    async def _call(self, url: str, place: Place, id: str) -> Call:
        loop, expected = asyncio.get_running_loop(), self._known[place]
        do, data, expect = self._words(place, id)
        began, holder = loop.time(), self._name if do == "task.claim" else ""
        try:
            if url not in self._wires:
                self._wires[url] = await Wire.open(self._http, url, participant=self._name, kind="agent")
            answer = await self._wires[url].command(place[0], do, data, id=id, **expect)
        except LOST:
            self._wires.pop(url, None)
            return Call(began, NEVER, expected, False, 0, holder)
        if answer["frame"] == "ack":
            return Call(began, loop.time(), expected, True, answer["versions"][0], holder)
        error = answer["error"]
        assert error["code"] == "conflict", answer
        found = (error["attempt"], error["owner"]) if "owner" in error else (error["version"], "")
        return Call(began, loop.time(), expected, False, *found)

    def _words(self, place: Place, id: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """The command, its data, and what else stands in its frame."""
        expected = self._known[place]
        match place[1]:
            case "expected":
                return "state.merge", {"patch": {"register": id}}, {"expect": {"state:/register": expected}}
            case "recorded":
                data = {"type": "x.claimed", "about": "claim", "data": {"by": self._name}}
                return "custom.record", data, {"expect": {"custom:claim": expected}}
            case "path":
                patch = [{"op": "add", "path": "/path", "value": {"to": id}}]
                return "state.patch", {"patch": patch, "if_unchanged": {"/path/to": expected}}, {}
            case "whole":
                return "state.merge", {"patch": {id: True}, "if_version": expected}, {}
        if expected:
            return "task.release", {"task": "t", "attempt": expected}, {}
        return "task.claim", {"task": "t", "lease": LEASE}, {}


class Written(NamedTuple):
    """What a command became: its version, and the attempt at a task that it is about."""

    version: int
    attempt: int | None

    def told(self, call: Call) -> Call:
        """The call, with what its answer did not tell: no acknowledgement tells an attempt."""
        version = self.version if call.ended == NEVER else call.version
        return call._replace(done=True, version=self.attempt or version)


async def _written(log: str) -> dict[str, Written]:
    """What is in the log, by the ids of the commands."""
    engine = PostgresEngine(Database(log), read_only=True)
    await engine.open()
    try:
        records = await engine.read_log(0, 10_000)
    finally:
        await engine.close()
    return {
        record.key: Written(record.version, orjson.loads(record.data)["data"].get("attempt"))
        for record in records
        if record.key is not None
    }
