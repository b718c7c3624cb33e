"""Formats of recordings that a package adds by an entry point."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "record-a-coding-agent.md"
TALK = "2026-05-01T10:00:00Z ada: Hello.\n2026-05-01T10:00:01+00:00 bob: Goodbye.\n"


def from_page(language: str, holds: str) -> str:
    """The code of the how-to that has this in it."""
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    (found,) = [str(block) for block in blocks if holds in block]
    return found


@pytest.fixture
def chat_log(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A format that an installed package has."""
    package = tmp_path / "site"
    (package / "chat_log-1.dist-info").mkdir(parents=True)
    (package / "chat_log-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: chat-log\nVersion: 1\n")
    ((group, points),) = tomllib.loads(from_page("toml", "entry-points"))["project"]["entry-points"].items()
    ((name, target),) = points.items()
    (package / "chat_log-1.dist-info" / "entry_points.txt").write_text(f"[{group}]\n{name} = {target}\n")
    (package / "chat_log.py").write_text(from_page("python", "def convert"))
    monkeypatch.setattr(sys, "path", [*sys.path, str(package)])
    monkeypatch.delitem(sys.modules, "chat_log", raising=False)  # which an earlier test has loaded
    importlib.invalidate_caches()
    (tmp_path / "talk.txt").write_text(TALK)
    return str(name)


def test_a_package_adds_a_format(run: Run, chat_log: str) -> None:
    imported = run("import", chat_log, "talk.txt")
    assert (imported.out, imported.err) == ("Imported 3 events of 1 session.\n", "stenogram: 1 read\n")
    assert run("import", chat_log, "talk.txt").out.startswith("Nothing new")
    assert run("import", chat_log, "talk.txt", "--session", "other").code == 0
    assert '"text":"Goodbye."' in run("export", "other").out


def test_what_a_format_cannot_read_is_its_word_and_nothing_is_imported(run: Run, chat_log: str, tmp_path: Path) -> None:
    (tmp_path / "talk.txt").write_text(f"{TALK}Hello?\n")
    refused = run("import", chat_log, "talk.txt")
    assert (refused.code, refused.err) == (1, "stenogram: talk.txt, line 3: this says neither who nor what.\n")
    assert not (tmp_path / "stenogram.db").exists()


@pytest.mark.parametrize("broken", ["import nowhere\n", "1 / 0\n", ""])
def test_a_format_whose_package_is_broken_is_named(run: Run, chat_log: str, tmp_path: Path, broken: str) -> None:
    (tmp_path / "site" / "chat_log.py").write_text(broken)
    refused = run("import", chat_log, "talk.txt")
    assert refused.code == 1
    assert refused.err.startswith("stenogram: The format chat-log (chat_log:convert) cannot be loaded: ")


def test_a_file_with_the_name_of_a_format_is_named_by_its_path(run: Run, tmp_path: Path, jsonl: Any) -> None:
    (tmp_path / "claude-code").write_bytes(jsonl("trip"))
    assert run("import", "./claude-code").out == "Imported 17 events of 1 session.\n"


def test_a_name_that_is_no_format_is_a_file(run: Run) -> None:
    refused = run("import", "claude-coed", "talk.txt")
    assert refused.code == 2
    assert "claude-coed" in refused.err
    assert "claude-code" in refused.err, "the formats that there are"
