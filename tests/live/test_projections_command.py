"""`stenogram projections`, beside a gateway that keeps views."""

import asyncio
import io
import re
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import aiohttp
import orjson
import pytest

from stenogram.api.server import Gateway
from stenogram.cli.main import run as run_stenogram
from stenogram.client import Client

HERE = Path(__file__).parent
Start = Callable[..., Awaitable[Gateway]]
Ran = tuple[int, str, str]
Run = Callable[..., Awaitable[Ran]]


@pytest.fixture
async def gateway(start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Gateway:
    """A gateway that keeps views, some of them an application's own."""
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.setenv("STENOGRAM_LOG", str(tmp_path / "log.db"))
    return await start(views="", projections=("custom_views:all_of_them",))


@pytest.fixture
def run() -> Run:
    """Runs `stenogram projections …` beside the gateway, on a loop of its own: its exit code, and what it said."""

    async def run(*arguments: str) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = await asyncio.to_thread(run_stenogram, ["projections", *arguments])
        return code, out.getvalue(), err.getvalue()

    return run


async def test_a_view_is_built_anew_and_verified(gateway: Gateway, run: Run, tmp_path: Path) -> None:
    async with Client(gateway.url, participant="hotels") as client, client.session("s") as session:
        ack = await session.do("state.merge", {"patch": {"a": 1}})
        await session.view("state").get(min_position=ack.positions[0], wait=10)
    code, said, _ = await run("status", "--wait")
    assert (code, said) == (0, "All 13 views are healthy.\n")
    _, listed, _ = await run("list", "--json")
    builds = {row["view"]: row for row in map(orjson.loads, listed.splitlines())}
    assert (builds["state"]["state"], builds["state"]["behind"]) == ("current", 0)

    code, said, _ = await run("rebuild", "state")
    assert code == 0
    assert said.endswith("of state now.\n")
    _, listed, _ = await run("list")
    (line,) = [line for line in listed.splitlines() if line.startswith("state\t") and "\tcurrent\t" in line]
    assert int(line.split("\t")[2]) > builds["state"]["build"]

    old = str(builds["state"]["build"])
    _, listed, _ = await run("list", "--json")
    states = {row["build"]: row["state"] for row in map(orjson.loads, listed.splitlines()) if row["view"] == "state"}
    assert states == {int(old): "retired", int(line.split("\t")[2]): "current"}
    async with aiohttp.ClientSession() as http, http.get(f"{gateway.url}/v1/views") as response:
        (state,) = [each for each in (await response.json())["views"] if each["view"] == "state"]
    assert {each["build"]: each["state"] for each in state["builds"]} == states
    (now,) = [each for each in state["builds"] if each["state"] == "current"]
    assert (now["behind"], now["remaining"], state["health"]) == (0, 0.0, "healthy")
    code, said, _ = await run("promote", "state", "--build", old)
    assert (code, said) == (0, f"Readers see build {old} of state, version {builds['state']['version']}, now.\n")
    code, _, _ = await run("promote", "state", "--build", line.split("\t")[2])
    assert code == 0

    code, said, _ = await run("verify", "state", "--sample", "5")
    assert (code, said.startswith("1 values of state")) == (0, True)
    code, said, _ = await run("verify", "mentions", "--projection", "custom_views:all_of_them")
    assert code == 0
    with sqlite3.connect(tmp_path / "log.views.db") as views:
        views.execute(f"UPDATE view_state_{line.split(chr(9))[2]} SET data = ?", (b'{"value":{"a":2},"version":9}',))
    views.close()
    code, said, _ = await run("verify", "state")
    assert code == 1
    assert "1 of 1 values of state" in said


async def test_everything_is_told_to_programs_too(gateway: Gateway, run: Run) -> None:
    async def lines(*arguments: str) -> list[dict[str, Any]]:
        code, said, _ = await run(*arguments, "--json")
        assert code == 0
        return [orjson.loads(line) for line in said.splitlines()]

    async with Client(gateway.url, participant="hotels") as client, client.session("s") as session:
        await session.state.merge({"a": 1})
        await session.post("Only you see this.", to="users")
    assert all((each["health"], each["keys"]) == ("healthy", []) for each in await lines("status", "--wait"))
    passed = {each["view"]: each["passed_over"] for each in await lines("status")}
    assert (passed["words"], passed["mentions"]) == (1, 0)
    _, said, _ = await run("status")
    told = r"^words, build \d+: passed over 1 event, not for everyone in their session$"
    assert re.search(told, said, re.MULTILINE)
    assert "A projection of yours gets such events when it declares who sees what of them (`shown`).\n" in said
    begun, seen = await lines("rebuild", "state")
    assert (begun["state"], seen["state"], begun["build"]) == ("building", "current", seen["build"])
    retired = next(
        each["build"] for each in await lines("list") if (each["view"], each["state"]) == ("state", "retired")
    )
    assert (await lines("promote", "state", "--build", str(retired)))[0]["build"] == retired
    (verified,) = await lines("verify", "state")
    assert (verified["values"], verified["wrong"]) == (1, 0)


async def test_where_promotion_is_manual_readers_wait_for_the_command(
    start: Start, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STENOGRAM_LOG", str(tmp_path / "log.db"))
    gateway = await start(views="", promote="manual")
    async with Client(gateway.url, participant="hotels") as client, client.session("s") as session:
        ack = await session.do("state.merge", {"patch": {"a": 1}})
        await session.view("state").get(min_position=ack.positions[0], wait=10)  # a first build waits for nobody
        store = gateway.tenants.open[""].views.store
        old = await store.current("state")
        assert old is not None
        code, said, _ = await run("rebuild", "state")
        assert code == 0
        assert said.endswith("has caught up; `stenogram projections promote state` shows it to readers.\n")
        assert await store.current("state") == old._replace(still=ANY, age=ANY, beat=ANY)
        code, said, _ = await run("promote", "state")
        assert code == 0
        new = await store.current("state")
        assert new is not None
        assert new.id > old.id
        ack = await session.do("state.merge", {"patch": {"b": 2}})
        kept = await session.view("state").get(min_position=ack.positions[0], wait=10)
        assert kept.value["value"] == {"a": 1, "b": 2}


async def test_what_is_parked_is_told_and_healed(
    gateway: Gateway, run: Run, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: Any = sys.modules["custom_views"]
    monkeypatch.setattr(words, "poison", True)
    async with Client(gateway.url, participant="hotels") as client, client.session("s") as session:
        await session.post("two words")
        await client.view("words").rows(min_position=1, wait=10)
        await session.post("more poison here")
        ack = await session.post("and more")
        await session.view("sessions").get(min_position=ack.position, wait=10)
        await client.view("words").rows(min_position=ack.position, wait=10)
        code, said, _ = await run("status")
        assert code == 1
        assert "hotels: message.posted of session s" in said
        assert "ValueError: this cannot be swallowed" in said

        monkeypatch.setattr(words, "poison", False)
        code, said, _ = await run("retry", "words", "hotels")
        assert (code, said) == (0, "words goes on with 'hotels' at the event that failed.\n")
        await _until(run, lambda code, said: code == 0)
        assert (await client.view("words", "hotels").get()).value == {"words": 7}

        monkeypatch.setattr(words, "poison", True)
        ack = await session.post("poison again")
        await client.view("words").rows(min_position=ack.position, wait=10)
        code, _, _ = await run("skip", "words", "hotels")
        assert code == 0
        await _until(run, lambda code, said: code == 0)
        assert (await client.view("words", "hotels").get()).value == {"words": 7}
    caplog.clear()  # the gateway has said that it parked


REFUSED = [
    (("rebuild", "nothing"), "There is no view 'nothing' to rebuild"),
    (("promote", "state"), "state has no such build"),
    (("skip", "state", "s"), "In 'state' nothing is parked under 's'."),
    (("verify", "words"), "name yours by --projection"),
    (("list", "--log", "nowhere.db"), "There are no views at nowhere.views.db"),
    (("list", "--log", "http://127.0.0.1:1"), "This needs the log itself"),
]


async def test_what_cannot_be_done_is_said_in_one_line(gateway: Gateway, run: Run) -> None:
    await run("status", "--wait")
    for arguments, said in REFUSED:
        code, _, told = await run(*arguments)
        assert code in (1, 2), arguments
        assert said in told
        assert "Traceback" not in told


async def _until(run: Run, done: Callable[[int, str], bool]) -> None:
    async with asyncio.timeout(30):
        while not done(*(await run("status"))[:2]):
            pass
