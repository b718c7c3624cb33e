"""`stenogram record claude-code` as a command: into a log, with hooks, and what it refuses."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.claude_code_project import NAME, PROJECT

from stenogram.cli.recording.hook_settings import EVENTS

Run = Callable[..., Any]
RECORD = ("record", "claude-code")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of Claude Code's."""
    return shutil.copytree(PROJECT, tmp_path / "project")


def test_what_was_recorded_the_import_finds_there(run: Run, project: Path) -> None:
    into = ("--log", "a.db", "--state", "state")
    assert run(*RECORD, str(project), "--finish", *into).code == 0
    assert run("import", "claude-code", str(project), "--log", "a.db").out.startswith("Nothing new: all 86 events")
    assert run("import", "claude-code", str(project), "--log", "b.db").code == 0
    assert run("export", "--all", "--log", "a.db").out == run("export", "--all", "--log", "b.db").out
    assert run(*RECORD, str(project), "--finish", *into).code == 0
    assert run("import", "claude-code", str(project), "--log", "a.db").out.startswith("Nothing new: all 86 events")


def test_a_session_gets_the_id_that_is_given(run: Run, project: Path) -> None:
    transcript = str(project / f"{NAME}.jsonl")
    assert run(*RECORD, transcript, "--finish", "--session", "trip", "--log", "a.db", "--state", "state").code == 0
    assert "trip" in run("sessions", "--log", "a.db").out
    refused = run(*RECORD, str(project), "--session", "trip", "--state", "state")
    assert (refused.code, "--session names one session" in refused.err) == (2, True)


def test_a_folder_that_is_not_there_is_named(run: Run) -> None:
    refused = run(*RECORD, "nowhere", "--state", "state")
    assert (refused.code, "nowhere" in refused.err) == (2, True)


def test_two_recorders_do_not_share_their_state(run: Run, project: Path, tmp_path: Path) -> None:
    into = ("--finish", "--log", "a.db", "--state", "state")
    assert run(*RECORD, str(project), *into).code == 0
    (folder,) = (tmp_path / "state").iterdir()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = run(*RECORD, str(project), *into)
    assert (refused.code, "Another recorder" in refused.err) == (1, True)
    assert folder.stat().st_mode & 0o077 == 0


def test_the_hooks_call_this_command(run: Run) -> None:
    hooks = json.loads(run(*RECORD, "--hooks").out)["hooks"]
    assert {*hooks} == {*EVENTS}
    assert {each["command"] for hook in hooks.values() for one in hook for each in one["hooks"]} == {
        "stenogram record claude-code --hook"
    }


def test_a_hook_never_holds_up_claude_code(run: Run, tmp_path: Path) -> None:
    hook = json.dumps({"session_id": NAME, "hook_event_name": "Stop"}).encode()
    assert run(*RECORD, "--hook", "--state", "state", stdin=hook).code == 0
    assert json.loads((tmp_path / "state" / "hooks" / f"{NAME}.jsonl").read_text())["hook_event_name"] == "Stop"
    assert run(*RECORD, "--hook", "--state", "state", stdin=b"no hook").code == 0
    (tmp_path / "file").write_text("")
    assert run(*RECORD, "--hook", "--state", "file/state", stdin=hook).code == 0
