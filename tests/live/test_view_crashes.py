"""Views through crashes and stalls of their runners, while the log is being written.

`STENOGRAM_CRASHES` is how many runners are killed on each engine; `make crashes` kills 30. When it is set, a runner is
frozen with the lapse that the product has, and what is printed is how long it took until that was told of.
"""

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stenogram.log.log import Log
from stenogram.log.records import Append, Draft
from stenogram.log.storage import Storage
from stenogram.projections.health import healths
from stenogram.projections.store import Build, ViewStore, sqlite_views
from stenogram.projections.store.postgres import postgres_views
from stenogram.projections.store.records import LAPSE_S as PRODUCTS

pytestmark = pytest.mark.thorough

SCRIPT = Path(__file__).parent / "view_process.py"
ROUNDS = int(os.environ.get("STENOGRAM_CRASHES", "1"))
LAPSE = 3.0
LONG = "STENOGRAM_CRASHES" in os.environ
SESSIONS = 30
Process = asyncio.subprocess.Process
Wanted = Callable[[Sequence[Build]], object]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Where the log is, and where its views are."""
    if request.param == "sqlite":
        return str(tmp_path / "log.db"), str(tmp_path / "log.views.db")
    url = request.getfixturevalue("fresh_log")()
    return url, url


class Scene:
    """A log that is written by this process, and runners in others."""

    def __init__(self, log: Log, store: ViewStore, places: tuple[str, str], lapse: float) -> None:
        self.log = log
        self.store = store
        self._places = places
        self._lapse = lapse
        self._started: list[Process] = []
        self._numbers = {f"s-{number}": 0 for number in range(9)}
        self._versions = dict.fromkeys(self._numbers, 0)

    async def start(self) -> Process:
        """A runner in a process of its own, at work."""
        process = await self._spawn("run")
        assert process.stdout is not None
        assert await process.stdout.readline() == b"running\n"
        return process

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Writes for the time of the block; at its end everything is committed."""
        going = [True]
        task = asyncio.create_task(self._write(going))
        try:
            yield
        finally:
            going.clear()
            await task

    async def _write(self, going: list[bool]) -> None:
        while going:
            await asyncio.gather(*[self._append(session, random.randint(1, 20)) for session in [*self._numbers]])
            if len(self._numbers) < SESSIONS:
                await self._fork(random.choice([*self._numbers]))
            await asyncio.sleep(0.03)

    async def compared(self) -> list[str]:
        """How each view compares with a fresh fold."""
        process = await self._spawn("check")
        said, _ = await process.communicate()
        assert process.returncode == 0
        return said.decode().splitlines()

    async def until(self, wanted: Wanted, within: float = 30.0) -> None:
        async with asyncio.timeout(within):
            while True:
                builds = await self.store.builds()
                if wanted(builds):
                    return
                await asyncio.sleep(0.01)

    async def moved(self) -> None:
        """Wait until a runner has folded more of the log."""
        before = position(await self.store.builds())
        await self.until(lambda builds: position(builds) > before)

    async def end(self) -> None:
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _append(self, session: str, number: int) -> None:
        first = self._numbers[session]
        self._numbers[session] += number
        drafts = tuple(draft(session, n) for n in range(first, first + number))
        self._versions[session] = (await self.log.append(Append(session, drafts))).versions[-1]

    async def _fork(self, origin: str) -> None:
        """Another session, which goes on from where this one is."""
        at = self._versions[origin]
        fork = f"f-{len(self._numbers)}"
        first = Append(fork, (forked(origin, at),), first_version=at + 1)
        (self._versions[fork],) = (await self.log.append(first)).versions
        self._numbers[fork] = self._numbers[origin]

    async def _spawn(self, what: str) -> Process:
        arguments = [sys.executable, str(SCRIPT), what, *self._places, str(self._lapse)]
        process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
        self._started.append(process)
        return process


def draft(session: str, number: int) -> Draft:
    data = (
        f'{{"id":"{session}-{number}","type":"message.posted","time":"2026-01-01T00:00:00.000000Z","actor":"ada",'
        f'"data":{{"message":"m{number}","parts":[{{"kind":"text","text":"Rooms."}}]}}}}'
    )
    return Draft("message.posted", f"message:m{number}", data.encode(), 0)


def forked(origin: str, at: int) -> Draft:
    data = (
        f'{{"id":"{origin}-{at}","type":"session.forked","time":"2026-01-01T00:00:00.000000Z","actor":"ada",'
        f'"data":{{"origin":"{origin}","at":{at}}}}}'
    )
    return Draft("session.forked", "session", data.encode(), 0)


def position(builds: Sequence[Build]) -> int:
    return sum(build.checkpoint.position for build in builds)


@pytest.fixture
def lapse() -> float:
    """Seconds without a beat after which a runner is taken for dead."""
    return LAPSE


@pytest.fixture
async def scene(places: tuple[str, str], lapse: float) -> AsyncIterator[Scene]:
    where, kept = places
    store = postgres_views(kept, lapse=lapse) if "://" in kept else sqlite_views(kept, lapse=lapse)
    async with Log(Storage(where).engine()) as log, store:
        scene = Scene(log, store, places, lapse)
        yield scene
        await scene.end()


@pytest.mark.slow
@pytest.mark.timeout(240 + 10 * ROUNDS)
async def test_views_equal_a_fresh_fold_however_often_their_runner_is_killed(scene: Scene) -> None:
    chance = random.Random(ROUNDS)
    async with scene.writing():
        for number in range(ROUNDS):
            runners = [await scene.start() for _ in range(1 + number % 2)]  # every other time two at once
            await scene.moved()
            await asyncio.sleep(chance.random() * 0.3)
            for process in runners:
                process.kill()
                await process.wait()
        await scene.start()
        await scene.moved()
    compared = await scene.compared()
    assert [line.split()[:2] for line in compared] == [["tally", "same"], ["keyed", "same"], ["lines", "same"]]
    assert int(compared[0].split()[2]) > 500


@pytest.mark.parametrize("lapse", [PRODUCTS if LONG else LAPSE])
async def test_a_frozen_runner_is_told_of_even_when_nothing_is_appended(
    scene: Scene, lapse: float, capsys: pytest.CaptureFixture[str]
) -> None:
    process = await scene.start()
    async with scene.writing():
        await scene.moved()
    await scene.until(lambda builds: caught_up(builds, scene.log.position))
    assert {each.verdict for each in await healths(scene.log, scene.store)} == {"healthy"}
    process.send_signal(signal.SIGSTOP)
    frozen = time.monotonic()
    await scene.until(lambda builds: not any(build.held for build in builds))
    told = await healths(scene.log, scene.store)
    noticed = time.monotonic() - frozen
    assert "unhealthy" in {each.verdict for each in told}
    assert {each.behind for each in told} == {0}
    assert all("last heard of" in each.why for each in told)
    await scene.start()  # another takes over …
    async with scene.writing():
        await scene.moved()
    process.send_signal(signal.SIGCONT)  # … and the one that wakes up does no harm
    async with scene.writing():
        await scene.moved()
    assert {line.split()[1] for line in await scene.compared()} == {"same"}
    if LONG:
        with capsys.disabled():
            print(f"\na frozen runner was told of {noticed:.1f} s later (lapse {lapse:.0f} s)")


def caught_up(builds: Sequence[Build], head: int) -> bool:
    return bool(builds) and all(build.checkpoint.position == head and build.state == "current" for build in builds)
