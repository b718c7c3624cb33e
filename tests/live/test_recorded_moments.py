"""Recorded sessions of real teams, imported: how each team stood when it went wrong, over HTTP and on the command line.

A few of them, unless STENOGRAM_ALL_RECORDINGS says all.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from to_jsonl import jsonl_lines
from who_and_when import Recording, Step, read_recording

from stenogram.adapters.recordings import slug
from stenogram.api.server import Gateway
from stenogram.domain.parts import DataPart, TextPart

pytestmark = pytest.mark.thorough
Start = Callable[..., Awaitable[Gateway]]

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data" / "who-and-when"
RECORDINGS = [ROOT / "tests" / "data" / "recording.json", *sorted(SHARED.glob("*.json"))]
ROWS = ("transcript", "timeline", "tasks")
START = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
SOME = None if "STENOGRAM_ALL_RECORDINGS" in os.environ else 2


async def stenogram(*arguments: str, stdin: bytes = b"") -> bytes:
    """Run a command; what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stenogram", *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate(stdin)
    assert process.returncode == 0
    return said


class Team:
    """The session of an imported recording, at any moment."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def at(self, view: str, version: int) -> Any:
        """What a view held then, as an agent of the team sees it."""
        pages = {"limit": 1_000} if view in ROWS else {}
        found = await self._get(f"views/{view}/recorded", at=version, **pages)
        assert found["version"] == version
        assert "next" not in found
        return found.get("rows", found.get("value"))

    async def version_of(self, step: Step) -> int:
        """The version in which a step was said."""
        page = await self._get("sessions/recorded/events", limit=1_000)
        (version,) = [each["version"] for each in page["events"] if each["data"].get("message") == step.message]
        return int(version)

    async def _get(self, path: str, **query: Any) -> Any:
        identity = {"participant": "auditor", "kind": "agent"}
        async with self._http.get(f"{self._url}/v1/{path}", params={**identity, **query}) as response:
            assert response.status == 200, await response.text()
            return await response.json()


@pytest.mark.parametrize("path", RECORDINGS[:SOME], ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_the_team_at_the_labelled_mistake(
    path: Path, start: Start, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    recording, log = read_recording(path), str(tmp_path / "log.db")
    mistake = recording.steps[recording.metadata["mistake"]["step"]]
    assert mistake.actor == slug(recording.metadata["mistake"]["agent"])
    lines = b"\n".join(jsonl_lines(recording, "recorded", START))
    await stenogram("import", "-", "--log", log, stdin=lines)
    gateway = await start(log=log, views="")
    team = Team(http, gateway.url)
    version = await team.version_of(mistake)
    await assert_said(team, recording, version, mistake)
    await assert_known_of_the_team(team, recording, version)
    for view in ("agents", "transcript", "timeline"):
        said = await stenogram("view", "recorded", view, "--at", str(version), "--json", "--log", log)
        found = await team.at(view, version)
        assert [orjson.loads(line) for line in said.splitlines()] == (found if isinstance(found, list) else [found])


async def assert_said(team: Team, recording: Recording, version: int, last: Step) -> None:
    """What had been said until then, and nothing more."""
    said = recording.steps[: last.index + 1]
    rows = await team.at("transcript", version)
    assert [(row["actor"], row["parts"]) for row in rows] == [(step.actor, parts_of(step)) for step in said]
    spans = [span for span in await team.at("timeline", version) if span["lane"] == "message"]
    assert [(span["actor"], span["since"]) for span in spans] == [(row["actor"], row["since"]) for row in rows]


async def assert_known_of_the_team(team: Team, recording: Recording, version: int) -> None:
    """Everyone was there; when it was over, nobody; and of tasks no recording tells."""
    board = (await team.at("agents", version))["agents"]
    assert board.keys() == {player.id for player in recording.players}
    assert all(agent["present"] for agent in board.values())
    assert await team.at("tasks", version) == []


def parts_of(step: Step) -> list[Any]:
    parts = (TextPart(text=step.text), DataPart(name="recording", data=step.about))
    return [part.model_dump(mode="json", exclude_none=True) for part in parts]
