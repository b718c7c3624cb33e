"""What every tap does, with programs of each framework: what is recorded is what the framework says."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from pydantic_ai.exceptions import RunCancelled
from support.scripts import SECRET
from support.tap_programs import PROGRAMS, Produced, Program, cancelled_at
from support.taps import Recorded, claimed, read, recorded

from stenogram.adapters.taps import tap as taps
from stenogram.adapters.taps.steps import Speaker
from stenogram.adapters.taps.tap import RunStopped, Tap
from stenogram.api.server import running
from stenogram.api.settings import Settings
from stenogram.client import Client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stenogram.api.server import Gateway

    Start = Callable[..., Awaitable[Gateway]]

# ADK's own AgentTool uses what ADK deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The `plugins` argument is deprecated:DeprecationWarning")
KEY = "known to everyone who reads this"


@pytest.fixture(params=PROGRAMS, ids=lambda each: each.name)
def program(request: pytest.FixtureRequest) -> Program:
    """A program of each framework."""
    chosen: Program = request.param
    return chosen


def _tools(found: Recorded) -> list[tuple[str, str, Any]]:
    return [(each.who, each.tool, each.arguments) for each in found.calls.values()]


def _same(found: Recorded, produced: Produced) -> None:
    """The session has what the framework says was produced, and nothing else."""
    assert [each for each in found.words if each[1]] == produced.words
    assert [each.thought for each in found.messages.values() if each.thought] == produced.thoughts
    assert sorted(_tools(found), key=str) == sorted(((*each[:2], each[2]) for each in produced.tools), key=str)
    results = {(each.who, each.tool, str(each.arguments)): each.result for each in found.calls.values()}
    for who, tool, arguments, result in produced.tools:
        assert results[who, tool, str(arguments)] in (result, {"assistant": result})
    usages = [each.usage["output_tokens"] for each in found.messages.values() if each.usage]
    assert sum(usages) >= produced.output_tokens > 0
    assert not found.open


async def test_what_three_agents_do_is_in_the_session(gateway: Gateway, program: Program) -> None:
    async with program.tap(gateway.url) as tap:
        produced = await program.run(tap, "trip", pause=0.01)
    found = await recorded(gateway.url, "trip")
    _same(found, produced)
    assert len({who for who, _ in found.words}) == 3
    (last,) = found.runs.values()
    assert last.type == "task.completed"
    begun = {each.message for each in found.calls.values()}
    assert begun <= {*found.messages}
    assert None not in begun


@pytest.mark.thorough
async def test_words_come_while_they_are_said(gateway: Gateway, program: Program) -> None:
    async with program.tap(gateway.url) as tap:
        going_on = asyncio.ensure_future(program.run(tap, "trip", pause=0.3))
        async with asyncio.timeout(40):
            while True:
                await asyncio.sleep(0.05)
                found = await read(gateway.url, "trip")
                if any(each.status == "open" and each.deltas for each in found.messages.values()):
                    break
        assert not going_on.done()
        await going_on
    found = await recorded(gateway.url, "trip")
    assert max(each.deltas for each in found.messages.values()) > 2


@pytest.mark.thorough
async def test_a_model_that_fails_ends_its_message_and_the_run(gateway: Gateway, program: Program) -> None:
    async with program.tap(gateway.url) as tap:
        with pytest.raises(program.error, match=SECRET):
            await program.run(tap, "trip", pause=0.01, fails_at=1)
    found = await recorded(gateway.url, "trip")
    *_, said = found.messages.values()
    assert (said.who, said.status, said.reason, said.text) == (program.last, "aborted", program.error.__name__, "Dear ")
    (last,) = found.runs.values()
    assert (last.type, last.data.model_dump()["error"]) == ("task.failed", program.error.__name__)
    assert not found.open
    assert SECRET not in str(found.events)


@pytest.mark.thorough
async def test_a_run_that_is_cancelled_leaves_nothing_open(gateway: Gateway, program: Program) -> None:
    async with program.tap(gateway.url) as tap:
        await cancelled_at(3, lambda on_word: program.run(tap, "trip", pause=0.05, on_word=on_word))
        found = await recorded(gateway.url, "trip")
    assert not found.open
    assert [each.status for each in found.messages.values()].count("aborted") == 1
    (last,) = found.runs.values()
    assert last.type == "task.cancelled"


@pytest.mark.thorough
async def test_two_runs_at_once_do_not_mix(gateway: Gateway, program: Program) -> None:
    async with program.tap(gateway.url) as tap:
        lisbon, porto, faro = await asyncio.gather(
            program.run(tap, "one", about="Lisbon", pause=0.01),
            program.run(tap, "two", about="Porto", pause=0.01),
            program.run(tap, "two", about="Faro", pause=0.01),
        )
    _same(await recorded(gateway.url, "one"), lisbon)
    both = await recorded(gateway.url, "two", runs=2)
    for produced in (porto, faro):
        run = next(each.metadata["run"] for each in both.messages.values() if each.text == produced.words[-1][1])
        said = [(each.who, each.text) for each in both.messages.values() if each.metadata["run"] == run and each.text]
        assert said == produced.words


@pytest.mark.reconnects
@pytest.mark.thorough
async def test_the_gateway_goes_away_and_comes_back(tmp_path: Path, program: Program, held_port: int) -> None:
    chosen: dict[str, Any] = {"log": str(tmp_path / "log.db"), "drain": 0.1, "views": "none", "views_in": "gateway"}
    async with running(Settings(port=held_port, **chosen)) as gateway:
        url = gateway.url
        tap = program.tap(url)
        going_on = asyncio.create_task(program.run(tap, "trip", pause=0.1))
        await asyncio.sleep(0.5)
    assert not going_on.done()
    await asyncio.sleep(0.3)
    async with running(Settings(port=held_port, **chosen)):
        produced = await going_on
        found = await recorded(url, "trip")
        await tap.aclose()
    _same(found, produced)


@pytest.mark.reconnects
@pytest.mark.thorough
async def test_without_a_gateway_the_program_runs_as_ever(program: Program, unused_tcp_port: int) -> None:
    tap = program.tap(f"http://127.0.0.1:{unused_tcp_port}")
    async with asyncio.timeout(50):  # neither the program nor the end waits for one
        for _ in range(3):
            produced = await program.run(tap, "trip")
            assert produced.words[-1] == (program.last, "Dear Maya, Casa Azul in Lisbon.")
        await tap.aclose()


@pytest.mark.thorough
async def test_who_may_see_it_is_said_to_the_tap(gateway: Gateway, program: Program) -> None:
    async with program.tap(gateway.url, to=["auditor", "maya"], sub_agents_to="agents") as tap:
        await program.run(tap, "trip")
    found = await recorded(gateway.url, "trip")
    for who, audience in found.audiences():
        assert audience == (("agents",) if who in program.subs else ("auditor", "maya"))
    async with Client(gateway.url, participant="bob", kind="user") as bob:
        seen = {event.type for event in (await bob.page("trip", limit=1_000)).events}
    assert not [kind for kind in seen if kind.startswith(("message.", "tool.", "task."))]


@pytest.mark.thorough
async def test_sub_agents_are_the_teams_unless_it_is_said(gateway: Gateway, program: Program) -> None:
    for session, more in {"team": {}, "all": {"sub_agents_to": None}}.items():
        async with program.tap(gateway.url, **more) as tap:
            await program.run(tap, session)
        found = await recorded(gateway.url, session)
        for who, audience in found.audiences():
            assert audience == (("agents",) if who in program.subs and session == "team" else None)


@pytest.mark.thorough
async def test_a_cancel_in_the_session_reaches_the_run(
    gateway: Gateway, program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "langchain_core")  # which says that a callback stopped the run
    async with (
        program.tap(gateway.url) as tap,
        Client(gateway.url, participant="maya", kind="user") as client,
        client.session("trip") as maya,
    ):
        going_on = asyncio.ensure_future(program.run(tap, "trip", pause=0.3))
        await maya.live.until(lambda: claimed(maya))
        signal = await maya.signals.cancel()
        assert (await maya.signals.settled(signal)).status == "closed"
        await _ends(going_on)
        found = await recorded(gateway.url, "trip", beside=["maya"])
    assert not found.open
    (last,) = found.runs.values()
    assert last.type == "task.cancelled"


async def _ends(going_on: asyncio.Future[Any]) -> None:
    with contextlib.suppress(RunStopped, RunCancelled):
        await going_on


@pytest.mark.thorough
async def test_with_one_token_all_speak_as_one_participant(start: Start, program: Program) -> None:
    gateway = await start(jwt_secret=KEY)
    async with program.tap(gateway.url, session="trip", token=_token("concierge")) as tap:
        produced = await program.run(tap, "trip")
    found = await recorded(gateway.url, "trip", token=_token("auditor"))
    assert {who for who, _ in found.words} == {"concierge"}
    said = [(each.metadata["agent"].lower(), each.text) for each in found.messages.values() if each.text]
    assert said == produced.words


@pytest.mark.thorough
async def test_with_tokens_each_agent_takes_part_by_itself(start: Start, program: Program) -> None:
    gateway = await start(jwt_secret=KEY)
    async with program.tap(gateway.url, session="trip", participant="concierge", tokens=_token) as tap:
        produced = await program.run(tap, "trip")
    found = await recorded(gateway.url, "trip", token=_token("auditor"))
    _same(found, produced)
    assert {each.actor for each in found.runs.values()} == {"concierge"}


@pytest.mark.thorough
async def test_who_may_not_take_part_speaks_as_the_holder(start: Start) -> None:
    def tokens(participant: str) -> str:
        return _token(participant, **({"scopes": ["read:*"]} if participant == "researcher" else {}))

    gateway, (program, *_) = await start(jwt_secret=KEY), PROGRAMS
    async with program.tap(gateway.url, session="trip", participant="planner", tokens=tokens) as tap:
        produced = [await program.run(tap, "trip") for _ in range(2)]
    found = await recorded(gateway.url, "trip", runs=2, token=_token("auditor"))
    said = [(each.metadata["agent"], each.text) for each in found.messages.values() if each.text]
    # Sorted, for the second began while the first was still being written.
    assert sorted(said) == sorted([*produced[0].words, *produced[1].words])
    assert {who for who, _ in found.words} == {"planner", "writer"}
    assert not found.open


@pytest.mark.reconnects
@pytest.mark.thorough
async def test_what_does_not_fit_is_dropped_and_said_to_be(tmp_path: Path, program: Program, held_port: int) -> None:
    chosen: dict[str, Any] = {"log": str(tmp_path / "log.db"), "drain": 0.1, "views": "none", "views_in": "gateway"}
    async with running(Settings(port=held_port, **chosen)) as gateway:
        url = gateway.url
    tap = program.tap(url, max_chars=7_000)  # a run and a few steps
    await program.run(tap, "trip")
    async with running(Settings(port=held_port, **chosen)):
        found = await recorded(url, "trip")
        await tap.aclose()
    assert not found.open
    (last,) = found.runs.values()
    assert last.type == "task.completed"
    assert last.data.model_dump()["metadata"]["dropped"] > 0


def _token(participant: str, **more: Any) -> str:
    claims = {"sub": participant, "kind": "agent", "exp": time.time() + 600, **more}
    return jwt.encode(claims, KEY, "HS256")


@pytest.mark.parametrize("told", [True, False])
async def test_a_tap_that_closes_waits_a_moment_for_the_end_of_a_run(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    """Frameworks may tell of it when the program already has the output."""
    monkeypatch.setattr(taps, "LATE_END_S", 20.0 if told else 0.1)
    tap = Tap(gateway.url, session="trip")
    run = tap.begin("hotels", "A hotel?", {})
    message = run.message(Speaker("hotels"))
    message.write("Casa Azul.")
    closing = asyncio.create_task(tap.aclose())
    await asyncio.sleep(0.3)
    if told:
        message.end()
        tap.finish(run, "Casa Azul.")
    await closing
    found = await recorded(gateway.url, "trip")
    (said,) = found.messages.values()
    assert (said.text, said.status) == ("Casa Azul.", "completed" if told else "aborted")
    (last,) = found.runs.values()
    assert last.type == ("task.completed" if told else "task.failed")
