"""`stenogram record claude-code --install-hooks` and `--remove-hooks`: what becomes of the settings file."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stenogram.cli.recording.hook_settings import EVENTS, HOOK, hook_settings

Run = Callable[..., Any]
INSTALL = ("record", "claude-code", "--install-hooks")
REMOVE = ("record", "claude-code", "--remove-hooks")
WRITTEN = '{\n\t"model" : "opus",\n\t"env": {"N": 1.50},\n\t"hooks": {"Stop": [{"hooks": []}]}\n}'


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Where a project has its settings."""
    path = tmp_path / ".claude" / "settings.json"
    path.parent.mkdir()
    return path


def test_a_project_without_settings_gets_some(run: Run, tmp_path: Path) -> None:
    added = run(*INSTALL)
    assert (added.code, added.out) == (0, f"Added to .claude/settings.json: {', '.join(EVENTS)}.\n")
    path = tmp_path / ".claude" / "settings.json"
    assert (
        json.loads(path.read_text()) == hook_settings(HOOK) == json.loads(run("record", "claude-code", "--hooks").out)
    )
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    assert run(*INSTALL).out == ".claude/settings.json has them already.\n"
    removed = run(*REMOVE)
    assert removed.out == f"Removed from .claude/settings.json: {', '.join(EVENTS)}.\n"
    assert path.read_text() == "{}\n"
    assert run(*REMOVE).out == ".claude/settings.json has none of them.\n"


def test_what_is_there_stays_with_its_mode_and_behind_its_link(run: Run, settings: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text(WRITTEN)
    real.chmod(0o640)
    settings.symlink_to("../dotfiles.json")
    assert run(*INSTALL).code == 0
    assert settings.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert set(json.loads(real.read_text())["hooks"]) == {*EVENTS}
    assert run(*REMOVE).code == 0
    assert real.read_text() == WRITTEN
    assert sorted(os.listdir(tmp_path)) == [".claude", "dotfiles.json"]  # nothing was left beside it


def test_what_does_not_change_is_not_written(run: Run, settings: Path) -> None:
    assert run(*REMOVE).code == 0
    assert not settings.exists()
    run(*INSTALL)
    was = settings.stat().st_ino
    run(*INSTALL)
    assert settings.stat().st_ino == was


def test_a_file_of_choice_and_a_state_of_choice(run: Run, tmp_path: Path) -> None:
    added = run(*INSTALL, "--settings", "mine.json", "--state", "my state", "--json")
    assert json.loads(added.out) == {"settings": "mine.json", "added": [*EVENTS]}
    command = f"{HOOK} --state '{tmp_path / 'my state'}'"
    assert json.loads((tmp_path / "mine.json").read_text()) == hook_settings(command)
    assert json.loads(run(*INSTALL, "--settings", "mine.json", "--state", "my state", "--json").out)["added"] == []
    removed = run(*REMOVE, "--settings", "mine.json", "--json")
    assert json.loads(removed.out) == {"settings": "mine.json", "removed": [*EVENTS]}


@pytest.mark.parametrize("said", [b'{\n  // mine\n  "model": "opus"\n}\n', b"", b"\xff", b"[]", b'{"hooks": 1}'])
def test_what_cannot_be_read_is_refused_and_left_as_it_is(run: Run, settings: Path, said: bytes) -> None:
    settings.write_bytes(said)
    for command in (INSTALL, REMOVE):
        refused = run(*command)
        assert (refused.code, refused.out) == (1, "")
        assert str(settings) in refused.err
        assert "is left as it was" in refused.err
    assert settings.read_bytes() == said
    assert os.listdir(settings.parent) == [settings.name]


def test_a_folder_that_cannot_be_written_to_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = run(*INSTALL, "--settings", "file/settings.json")
    assert refused.code == 1
    assert "file" in refused.err


def test_it_says_when_claude_code_would_not_find_the_program(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no `stenogram` on the PATH" in run(*INSTALL).err
    (tmp_path / "stenogram").write_text("")
    (tmp_path / "stenogram").chmod(0o755)
    assert run(*INSTALL).err == ""


def test_its_options_are_for_nothing_else(run: Run) -> None:
    for options in (("--settings", "x.json"), ("--json",)):
        refused = run("record", "claude-code", *options)
        assert (refused.code, "--install-hooks" in refused.err) == (2, True)


def test_a_hook_that_is_called_wrongly_is_no_veto(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STENOGRAM_STATE", "file")
    refused = run("record", "claude-code", "--hook", stdin=b"{}")
    assert (refused.code, "STENOGRAM_STATE" in refused.err) == (
        1,
        True,
    )  # 2 would stop what Claude Code was about to do
