"""Formats of recordings that a package adds by an entry point."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
MODULE = """
from datetime import UTC, datetime
from stenogram.adapters.recordings import SessionLines
from stenogram.domain.commands import parse_command
from stenogram.domain.errors import Invalid
from stenogram.domain.model import Actor

def convert(paths, options):
    for path in paths:
        lines = SessionLines(options.session or path.stem)
        ada, now = Actor("ada", "user"), datetime(2026, 1, 1, tzinfo=UTC)
        yield from lines.lines(ada, now, parse_command("session.open", {}))
        for number, text in enumerate(path.read_text().splitlines(), 1):
            if not text and not options.as_recorded:
                raise Invalid(f"{path}, line {number}: nobody said anything.")
            said = {"message": f"m{number}", "parts": [{"kind": "text", "text": text}]}
            yield from lines.lines(ada, now, parse_command("message.post", said))
    options.say("all read")
"""


@pytest.fixture
def chat_log(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A format that an installed package has."""
    package = tmp_path / "site"
    (package / "chat_log-1.dist-info").mkdir(parents=True)
    (package / "chat_log-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: chat-log\nVersion: 1\n")
    (package / "chat_log-1.dist-info" / "entry_points.txt").write_text(
        "[stenogram.importers]\nchat-log = chat_log_format:convert\n"
    )
    (package / "chat_log_format.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", [*sys.path, str(package)])
    importlib.invalidate_caches()
    (tmp_path / "talk.txt").write_text("Hello.\nGoodbye.\n")
    return "chat-log"


def test_a_package_adds_a_format(run: Run, chat_log: str) -> None:
    imported = run("import", chat_log, "talk.txt")
    assert (imported.out, imported.err) == ("Imported 3 events of 1 session.\n", "stenogram: all read\n")
    assert run("import", chat_log, "talk.txt").out.startswith("Nothing new")
    assert run("import", chat_log, "talk.txt", "--session", "other").code == 0
    assert '"text":"Goodbye."' in run("export", "other").out


def test_what_a_format_cannot_read_is_its_word_and_nothing_is_imported(run: Run, chat_log: str, tmp_path: Path) -> None:
    (tmp_path / "talk.txt").write_text("Hello.\n\n")
    refused = run("import", chat_log, "talk.txt")
    assert (refused.code, refused.err) == (1, "stenogram: talk.txt, line 2: nobody said anything.\n")
    assert not (tmp_path / "stenogram.db").exists()


def test_a_file_with_the_name_of_a_format_is_named_by_its_path(run: Run, tmp_path: Path, jsonl: Any) -> None:
    (tmp_path / "claude-code").write_bytes(jsonl("trip"))
    assert run("import", "./claude-code").out == "Imported 17 events of 1 session.\n"


def test_a_name_that_is_no_format_is_a_file(run: Run) -> None:
    refused = run("import", "claude-coed", "talk.txt")
    assert refused.code == 2
    assert "claude-coed" in refused.err
    assert "claude-code" in refused.err, "the formats that there are"
