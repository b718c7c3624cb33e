"""The demo, run as fast as it can: what it leaves in its log is what the screen would show."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from hansard.domain.envelope import parse
from hansard.domain.messages import MessageCompleted, MessageDelta, MessageStarted
from hansard.domain.model import Event
from hansard.domain.parts import ReasoningPart, TextPart
from hansard.domain.session import State, fold

HANSARD = (sys.executable, "-m", "hansard")


class Played(NamedTuple):
    """What the demo printed, and the events in its log."""

    out: str
    events: list[Event]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """One run, in plain lines."""
    log = str(tmp_path_factory.mktemp("demo") / "demo.db")
    command = [*HANSARD, "demo", "--speed", "max", "--session", "trip", "--log", log]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert ran.returncode == 0, ran.stderr
    exported = subprocess.run([*HANSARD, "export", "trip", "--log", log], capture_output=True, check=True)
    return Played(ran.stdout, [parse(line) for line in exported.stdout.splitlines()])


def test_versions_are_dense(played: Played) -> None:
    assert [event.version for event in played.events] == list(range(1, len(played.events) + 1))


def test_the_users_hotel_wins(played: Played) -> None:
    state = fold(State("trip"), played.events)
    assert state.document.value["hotel"] == {"name": "Ryokan Hanare", "price": 910, "status": "booked"}
    assert state.document.value["budget"] == {"limit": 4200, "spent": 1720 + 44 + 910 + 20}
    assert state.document.value["searches"] == 34


def test_the_conflict_was_seen_and_resolved(played: Played) -> None:
    """The user's change stands between the agent's proposal and its booking, and the agent says that it saw it."""
    words = [(event.actor, str(event.data)) for event in played.events]
    proposed = next(n for n, (actor, said) in enumerate(words) if actor == "hotels" and "Kamo Riverside Inn'" in said)
    changed = next(n for n, (actor, said) in enumerate(words) if actor == "maya" and "Ryokan Hanare" in said)
    noticed = next(n for n, (actor, said) in enumerate(words) if actor == "hotels" and "look and try again" in said)
    booked = next(n for n, (actor, said) in enumerate(words) if actor == "hotels" and "/hotel/status" in said)
    assert proposed < changed < noticed < booked


def test_every_stream_is_completed_with_what_was_streamed(played: Played) -> None:
    streamed: dict[str, str] = {}
    for event in played.events:
        match event.data:
            case MessageStarted() as data:
                streamed[data.message] = ""
            case MessageDelta() as data:
                streamed[data.message] += data.text
            case MessageCompleted() as data:
                whole = "".join(part.text for part in data.parts if isinstance(part, TextPart | ReasoningPart))
                assert streamed.pop(data.message) == whole
    assert not streamed, "every message that was started was completed"
    assert not any(event.type == "message.aborted" for event in played.events)


def test_everyone_came_and_left_and_tools_returned(played: Played) -> None:
    types = Counter(event.type for event in played.events)
    assert types["presence.joined"] == types["presence.left"] == 5
    assert types["tool.called"] == types["tool.returned"] >= 6
    assert not any(each.present for each in fold(State("trip"), played.events).presence.values())


def test_the_lines_tell_the_story_and_what_to_do_next(played: Played) -> None:
    assert "Kyoto in November it is" in played.out
    for command in ("replay", "show", "tail", "export"):
        assert f"hansard {command} trip --log " in played.out
    assert "\x1b" not in played.out


def test_the_screen_runs_on_a_terminal_and_gives_it_back(tmp_path: Path) -> None:
    """On a pseudo-terminal: the live page is entered and left, also when Ctrl-C ends the demo."""
    environment = {**os.environ, "COLUMNS": "120", "LINES": "36", "TERM": "xterm-256color"}
    terminal, theirs = os.openpty()
    with subprocess.Popen(
        [*HANSARD, "demo"], stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env=environment
    ) as process:
        os.close(theirs)
        said = _read_until(terminal, b"Five days in Kyoto", 30)
        assert b"\x1b[?1049h" in said, "the second page"
        process.send_signal(signal.SIGINT)
        said = _read_until(terminal, None, 10)
        assert process.wait(10) == 130
    os.close(terminal)
    assert b"\x1b[?1049l" in said, "the first page again"
    assert b"\x1b[?25h" in said, "the cursor"
    assert b"Traceback" not in said


def _read_until(terminal: int, wanted: bytes | None, seconds: float) -> bytes:
    """Read from a terminal until something was said, or until its end."""
    said, end = b"", time.monotonic() + seconds
    while time.monotonic() < end and (wanted is None or wanted not in said):
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            piece = os.read(terminal, 65_536)
        except OSError:  # Linux says so when the other side has closed
            return said
        if not piece:
            return said
        said += piece
    assert wanted is None or wanted in said
    return said
