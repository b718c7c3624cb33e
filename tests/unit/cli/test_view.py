"""`stenogram view`: what a view holds of a session in a file."""

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from to_jsonl import jsonl_lines
from who_and_when import read_recording

from stenogram.cli.main import stenogram
from stenogram.domain.json.patch import apply_patch

ROOT = Path(__file__).parents[3]
RECORDING = ROOT / "tests" / "data" / "recording.json"
START = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> str:
    """A log that holds a recording as the session `trip-7`."""
    path = str(tmp_path / "log.db")
    lines = b"\n".join(jsonl_lines(read_recording(RECORDING), "trip-7", START))
    assert CliRunner().invoke(stenogram, ["import", "-", "--log", path], input=lines).exit_code == 0
    return path


def view(log: str, *arguments: str) -> object:
    """What the command prints, read."""
    result = CliRunner().invoke(stenogram, ["view", "trip-7", *arguments, "--log", log])
    assert result.exit_code == 0, result.output
    return orjson.loads(result.output)


def test_a_view_is_shown_as_it_is_and_as_it_was(log: str) -> None:
    now = view(log, "agents")
    assert isinstance(now, dict)
    assert not any(agent["present"] for agent in now["agents"].values())
    then = view(log, "agents", "--at", "3", "--json")
    assert isinstance(then, dict)
    assert len(then["agents"]) == 2
    assert view(log, "agents", "--at", "2026-01-31T09:30:00.002Z") == then
    assert view(log, "agents", "--at", "2026-01-31") is None
    rows = view(log, "transcript")
    assert isinstance(rows, list)
    assert rows[0]["entry"].startswith("message:step-")


def test_json_is_one_row_a_line(log: str) -> None:
    for arguments in (["transcript"], ["agents", "--since", "3"]):
        whole = view(log, *arguments)
        assert isinstance(whole, list)
        lines = CliRunner().invoke(stenogram, ["view", "trip-7", *arguments, "--json", "--log", log]).output
        assert [orjson.loads(line) for line in lines.split("\n")[:-1]] == whole
        assert len(whole) > 1


def test_what_has_changed_is_shown_as_a_patch(log: str) -> None:
    patch = view(log, "agents", "--since", "3", "--at", "9")
    assert isinstance(patch, list)
    assert apply_patch(view(log, "agents", "--at", "3"), patch).value == view(log, "agents", "--at", "9")
    assert view(log, "agents", "--since", "2100-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["agents", "--at", "9999"], "9999 is not reached yet"),
        (["agents", "--since", "9999"], "9999 is not reached yet"),
        (["agents", "--at", "soon"], "is neither a version nor a time"),
        (["nothing"], "There is no projection 'nothing' here; there are sessions,"),
        (["x", "--projection", "nowhere:x"], "nowhere cannot be imported"),
    ],
)
def test_what_cannot_be_shown_is_refused(log: str, arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(stenogram, ["view", "trip-7", *arguments, "--log", log])
    assert result.exit_code != 0
    assert said in (result.output + str(result.exception))
