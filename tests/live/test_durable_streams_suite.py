"""The suite that implementations of Durable Streams share, and both clients of the protocol, against a gateway.

On SQLite every time; on PostgreSQL, too, where there is time:

    STENOGRAM_STREAMS=all pytest tests/live/test_durable_streams_suite.py
"""

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from durable_streams import AsyncDurableStream, SeqConflictError, StreamExistsError, StreamNotFoundError, astream
from support.browser import find_node, install_packages

from stenogram.api.durable_streams import reading
from stenogram.api.durable_streams.chunks import place_in
from stenogram.domain.concepts.streams import rules

pytestmark = pytest.mark.thorough

PACKAGE = Path(__file__).parents[1] / "support" / "durable_streams"
SECONDS = 240
ENGINES = ["sqlite"]
if os.environ.get("STENOGRAM_STREAMS") == "all":
    ENGINES.append("postgres")
TESTS, WITH_SUBSCRIPTIONS = 332, 6
SETTINGS = {
    "origins": ("https://example.com",),
    "durable_streams_poll": 1.0,
    "webhooks": ("http://127.0.0.1:*",),
}
SUBSCRIPTIONS = "Reserved subscription APIs"


@pytest.fixture(scope="session")
def node() -> str:
    """Node, with the suite and the client."""
    found = find_node()
    if found is None:
        pytest.skip("no Node: install it (Debian: nodejs npm)")
    install_packages(PACKAGE)
    return found


@pytest.fixture
def log(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a log is to be, on either engine."""
    if request.param == "sqlite":
        return str(tmp_path / "streams.db")
    fresh_log: Callable[[], str] = request.getfixturevalue("fresh_log")
    return fresh_log()


@pytest.mark.parametrize(
    "log",
    [pytest.param(each, marks=pytest.mark.postgres if each == "postgres" else ()) for each in ENGINES],
    indirect=True,
)
@pytest.mark.web
@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
async def test_the_whole_suite_passes(start: Any, node: str, log: str, tmp_path: Path) -> None:
    gateway = await start(log=log, **SETTINGS)
    found = await _run(node, gateway.url, tmp_path)
    assert not _failed(found)
    assert found["numPassedTests"] == TESTS
    assert found["numTotalTests"] == TESTS + WITH_SUBSCRIPTIONS
    # One after the other: each subscribes to the streams of all of them, and counts what comes.
    found = await _run(node, gateway.url, tmp_path, SUBSCRIPTIONS, "--sequence.concurrent=false", "--retry=2")
    assert not _failed(found)
    assert found["numPassedTests"] == WITH_SUBSCRIPTIONS


@pytest.mark.web
@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
async def test_it_finds_that_repeats_are_appended_again_and_that_reads_resume_too_early(
    start: Any, node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "_check_producer", lambda stream, producer: None)
    monkeypatch.setattr(reading, "place_in", lambda stream, place: max(place_in(stream, place) - 1, stream.start))
    gateway = await start(**SETTINGS)
    failed = _failed(
        await _run(node, gateway.url, tmp_path, "Idempotent Producer Operations|Offset Validation and Resum")
    )
    assert "should return 204 for duplicate sequence (idempotent success)" in failed
    assert "duplicate should not corrupt or duplicate data" in failed
    assert "should support resumable reads (no duplicate data)" in failed


@pytest.mark.web
@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
async def test_its_javascript_client_works(start: Any, node: str, connect: Any, gateway: Any) -> None:
    wire = await connect("maya", "user")
    await wire.command("trip-7", "session.open", {"title": "Trip"})
    await wire.command("trip-7", "message.post", {"message": "m1", "text": "Hello."})
    url = f"{gateway.url}/v1/stream"
    said = json.loads(await _node(node, "client.js", f"{url}/chat/7", f"{url}/trip-7"))
    words = [f"w{number}" for number in range(40)] + ["last"]
    assert [each["word"] for each in said["sse"]] == words
    assert [each["word"] for each in said["polled"]] == words
    assert [each["word"] for each in said["resumed"]] == words[20:]
    assert said["fenced"] == "StaleEpochError"
    assert [each["type"] for each in said["events"]] == ["session.opened", "message.posted"]


async def test_its_python_client_works(gateway: Any, connect: Any) -> None:
    wire = await connect("maya", "user")
    await wire.command("trip-7", "session.open", {"title": "Trip"})
    await wire.command("trip-7", "message.post", {"message": "m1", "text": "Hello."})
    url = f"{gateway.url}/v1/stream"
    async with await AsyncDurableStream.create(f"{url}/notes", content_type="application/json") as notes:
        await asyncio.gather(*(notes.append({"n": number}, seq=None) for number in range(20)))
        middle = (await notes.head()).offset
        await notes.append({"n": "last"}, seq="1")
        with pytest.raises(SeqConflictError):
            await notes.append({"n": "again"}, seq="1")
        with pytest.raises(StreamExistsError):
            await AsyncDurableStream.create(f"{url}/notes", content_type="text/plain")
        for live in ("sse", "long-poll"):
            found = await _first(f"{url}/notes", 21, live=live, offset="-1")
            assert sorted(each["n"] for each in found[:20]) == list(range(20))
            assert found[20] == {"n": "last"}
        assert await _first(f"{url}/notes", 1, live="sse", offset=middle) == [{"n": "last"}]
        await notes.delete()
        with pytest.raises(StreamNotFoundError):
            await notes.head()
    events = await _first(f"{url}/trip-7", 2, live=False)
    assert [each["type"] for each in events] == ["session.opened", "message.posted"]


async def _first(url: str, count: int, **how: Any) -> list[Any]:
    """The first so many messages of a stream."""
    found: list[Any] = []
    async with astream(url, **how) as response:
        async for each in response.iter_json():
            found.append(each)
            if len(found) == count:
                break
    return found


async def _run(node: str, url: str, folder: Path, pattern: str = "", *how: str) -> Any:
    """What the suite, or those of its tests that match, has found."""
    report = folder / "suite.json"
    arguments = ["run", "--reporter=json", f"--outputFile={report}"]
    if pattern:  # what is wrong stays so
        arguments += ["-t", pattern, *(how or ("--retry=0",))]
    env = {"CONFORMANCE_TEST_URL": url, "CONFORMANCE_TEST_SUBSCRIPTIONS": str(pattern == SUBSCRIPTIONS).lower()}
    with suppress(AssertionError):  # then tests have failed, and which is what is asked for
        await _node(node, "node_modules/vitest/vitest.mjs", *arguments, **env)
    return json.loads(report.read_text())


def _failed(found: Any) -> list[str]:
    tests = [each for file in found["testResults"] for each in file["assertionResults"]]
    return [each["title"] for each in tests if each["status"] == "failed"]


async def _node(node: str, *arguments: str, **env: str) -> str:
    """What a program of Node's prints."""
    program = await asyncio.create_subprocess_exec(
        node,
        *arguments,
        cwd=PACKAGE,
        env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, wrong = await program.communicate()
    assert program.returncode == 0, f"{said.decode()[-5_000:]}\n{wrong.decode()[-5_000:]}"
    return said.decode()
