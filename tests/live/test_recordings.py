"""Recorded sessions of real teams, played through the gateway by one client for each agent and one for the person.

All speak at once, each in the order of its own steps, in deltas of sixteen characters. Three follow: one from the
start, one that joins in the middle, one whose connection is cut every fifty events. What all three end up with is the
same to the byte, without a hole, and says what the recording says.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import aiohttp
import orjson
import pytest
from support.wire import Frame, Wire, messages_of
from who_and_when import Recording, Step, read_recording, speakers

from stenogram.api.server import Gateway
from stenogram.client import Client
from stenogram.domain.envelope import timestamp
from stenogram.domain.model import Event, Kind

pytestmark = pytest.mark.thorough

Start = Callable[..., Awaitable[Gateway]]

ROOT = Path(__file__).parents[2]
OWN = ROOT / "tests" / "data" / "recording.json"
SHARED = ROOT.parent / "shared" / "data" / "who-and-when"
RECORDINGS = [OWN, *sorted(SHARED.glob("*.json"))]
ALL = "STENOGRAM_ALL_RECORDINGS" in os.environ
PLAYED = RECORDINGS if ALL else RECORDINGS[::3]
OVER_TWO = RECORDINGS if ALL else RECORDINGS[:2]
"""Those that are played over two gateways as well."""
SESSION = "recorded"
PIECE = 16
CUT_EVERY = 50


@pytest.fixture
async def gateway(start: Start) -> Gateway:
    """A gateway that keeps views meanwhile, as most do."""
    return await start(views="")


@pytest.mark.parametrize("path", PLAYED, ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_a_recorded_team_plays_and_everyone_reads_the_same(
    path: Path, gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    await _perform_and_compare(path, [gateway.url], http)


@pytest.mark.postgres
@pytest.mark.parametrize("path", OVER_TWO, ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_a_recorded_team_plays_over_two_gateways(
    path: Path, start: Start, fresh_log: Callable[[], str], http: aiohttp.ClientSession
) -> None:
    """The agents of the session are spread over both, and so are those who follow."""
    log = fresh_log()
    await _perform_and_compare(path, [(await start(log=log, views="")).url for _ in range(2)], http)


async def _perform_and_compare(path: Path, urls: list[str], http: aiohttp.ClientSession) -> None:
    recording = read_recording(path)
    async with Client(urls[0], participant="stage") as stage, stage.session(SESSION, join=False) as session:
        played = asyncio.Event()
        half = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            first = group.create_task(_follow_from_the_start(urls[-1], played))
            second = group.create_task(_join_in_the_middle(urls[0], http, half, played))
            third = group.create_task(_follow_with_cuts(urls[-1], http, played))
            await _play(urls, recording, half)
            await session.close("The recording ends here.")
            played.set()
    sequences = [first.result(), second.result(), third.result()]
    assert [event["version"] for event in sequences[0]] == list(range(1, len(sequences[0]) + 1))
    assert sequences[0] == sequences[1] == sequences[2]
    _assert_says(recording, sequences[0])


async def _play(urls: list[str], recording: Recording, half: asyncio.Event) -> None:
    done: list[int] = []

    def told(step: Step) -> None:
        done.append(step.index)
        if len(done) * 2 >= len(recording.steps):
            half.set()

    async with asyncio.TaskGroup() as group:
        for number, (actor, steps) in enumerate(speakers(recording.steps).items()):
            group.create_task(_perform(urls[number % len(urls)], actor, steps, told))


async def _perform(url: str, actor: str, steps: Sequence[Step], told: Callable[[Step], None]) -> None:
    """One participant, on a connection of its own."""
    kind: Kind = steps[0].kind
    async with Client(url, participant=actor, kind=kind) as client, client.session(SESSION) as session:
        for step in steps:
            await session.status("working", f"step {step.index}")
            async with session.stream_message(to=step.audience, message=step.message, window=0.0) as message:
                for start in range(0, len(step.text), PIECE):
                    await message.write(step.text[start : start + PIECE])
            told(step)


async def _follow_from_the_start(url: str, played: asyncio.Event) -> list[Frame]:
    """Through the client, from before anything happened."""
    events: list[Frame] = []
    async with Client(url, participant="first") as client:
        async for event in client.watch(SESSION).events(after=0):
            events.append(_plain(event))
            if event.type == "session.closed":
                break
    await played.wait()
    return events


async def _join_in_the_middle(
    url: str, http: aiohttp.ClientSession, half: asyncio.Event, played: asyncio.Event
) -> list[Frame]:
    """Over a raw connection that is opened when half of the steps are over, and reads everything from version 1."""
    await half.wait()
    wire = await Wire.open(http, url, participant="second", kind="agent")
    follower = await wire.subscribe(session=SESSION)
    await wire.until(lambda: _is_over(follower.events), timeout=50)
    await wire.close()
    await played.wait()
    return follower.events


async def _follow_with_cuts(url: str, http: aiohttp.ClientSession, played: asyncio.Event) -> list[Frame]:
    """Over raw connections, each cut after fifty events and resumed where it was."""
    events: list[Frame] = []
    cuts = 0
    while not _is_over(events):
        wire = await Wire.open(http, url, participant="third", kind="agent")
        follower = await wire.subscribe(session=SESSION, after=events[-1]["version"] if events else 0)
        enough = len(events) + CUT_EVERY
        known = follower.events
        await wire.until(lambda: len(events) + len(known) >= enough or _is_over(known), timeout=50)  # noqa: B023
        wire.cut()
        cuts += 1
        events += follower.events[:CUT_EVERY] if not _is_over(follower.events) else follower.events
    assert cuts > 1
    await played.wait()
    return events


def _is_over(events: list[Frame]) -> bool:
    return bool(events) and events[-1]["type"] == "session.closed"


def _plain(event: Event) -> Frame:
    """An event of the client as it stood on the wire."""
    members = event._asdict() | {
        "time": timestamp(event.time),
        "audience": None if event.audience is None else list(event.audience),
        "data": orjson.loads(event.data.json_bytes()),
    }
    return {name: value for name, value in members.items() if value is not None}


def _assert_says(recording: Recording, events: list[Frame]) -> None:
    messages = messages_of(events)
    assert {step.message for step in recording.steps} == set(messages)
    for step in recording.steps:
        message = messages[step.message]
        text = "".join(part["text"] for part in message["parts"])
        assert text.encode() == step.text.encode(), f"step {step.index}"
        assert (message["author"], message["status"]) == (step.actor, "completed")
