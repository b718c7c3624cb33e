"""Senders whose commands held the loop rest, one after the other, and none without end."""

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from stenogram.domain.state import State
from stenogram.log.commit import intake as module
from stenogram.log.commit import rest
from stenogram.log.commit.intake import MOST_REST_S, Intake
from stenogram.log.commit.queue import RequestQueue
from stenogram.log.commit.requests import Execute
from stenogram.log.log import Log
from stenogram.log.memory import MemoryEngine
from stenogram.testing.command import command

HELD_S, REST_S = 0.01, 0.1


@pytest.fixture
async def resting(monkeypatch: pytest.MonkeyPatch) -> tuple[Intake, Callable[[float], None]]:
    """An intake, and what says how late it is."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))

    def at(seconds: float) -> None:
        clock.now = 100.0 + seconds

    unused = cast(Any, None)
    return Intake(RequestQueue(10, 10), unused, unused, lambda: None), at


async def test_they_rest_one_after_the_other(resting: tuple[Intake, Callable[[float], None]]) -> None:
    intake, at = resting
    for sender in ("a", "b", "c"):
        intake.rest_after(sender, HELD_S)
    assert intake.new_room().full == {"a", "b", "c"}
    at(1.5 * REST_S)
    assert intake.new_room().full == {"b", "c"}
    intake.rest_after("a", HELD_S)
    at(3.5 * REST_S)
    assert intake.new_room().full == {"a"}
    at(4.5 * REST_S)
    assert not intake.new_room().full


async def test_those_that_come_later_do_not_keep_one_resting(resting: tuple[Intake, Callable[[float], None]]) -> None:
    intake, at = resting
    intake.rest_after("a", HELD_S)
    for number in range(1_000):
        intake.rest_after(number, HELD_S)
    at(1.5 * REST_S)
    assert "a" not in intake.new_room().full
    at(MOST_REST_S + REST_S)
    assert not intake.new_room().full


async def test_one_sender_is_not_taken_for_several() -> None:
    queue, taken = RequestQueue(1_000, 1_000), list[int]()
    sessions = cast(Any, SimpleNamespace(get=State))
    intake = Intake(queue, sessions, cast(Any, SimpleNamespace(version=lambda _: None)), lambda: None)
    for _ in range(2):
        for _ in range(300):
            request = Execute(lambda *_: None, 1, command("session.open", "s-1"))
            request.sender = "".join(["over", " http"])  # equal to the others', and not the same object
            queue.put(request)
        taken.append(len(list(intake.dequeue(intake.new_room()))))
    assert taken == [256, 256]


async def test_nobody_rests_when_the_log_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "FREE_S", 1e-12)  # so that all is followed by the longest rest
    monkeypatch.setattr(rest, "MAX_REST_S", REST_S)
    patch = [{"op": "add", "path": f"/{number % 10}", "value": number} for number in range(1_000)]
    async with Log(MemoryEngine()) as log:
        await log.submit(command("session.open", "s-1"))
        answers = [
            log.submit(command("state.patch", "s-1", patch=patch), sender="a"),
            log.submit(command("state.increment", "s-1", path="/n"), sender="a"),
            log.submit(command("state.increment", "s-1", path="/n"), sender="a"),
        ]
        await asyncio.sleep(0)
        began = time.monotonic()
    assert time.monotonic() - began < 1_000 / 16 * REST_S / 2
    assert [(await answer).versions for answer in answers] == [(2,), (3,), (4,)]
