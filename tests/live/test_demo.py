"""The demo, run as fast as it can: what it leaves in its log is what the screen would show."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from stenogram.domain.concepts.messages import MessageAborted, MessageCompleted, MessageDelta, MessageStarted
from stenogram.domain.concepts.tasks import TaskClaimed, TaskReleased
from stenogram.domain.envelope import parse
from stenogram.domain.model import Event
from stenogram.domain.parts import ReasoningPart, TextPart
from stenogram.domain.session import fold
from stenogram.domain.state import State

STENOGRAM = (sys.executable, "-m", "stenogram")
WITHOUT_DISPLAY = {name: value for name, value in os.environ.items() if name not in {"DISPLAY", "WAYLAND_DISPLAY"}}


class Played(NamedTuple):
    """What the demo printed, and the events in its log."""

    out: str
    err: str
    events: list[Event]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """One run, in plain lines."""
    log = str(tmp_path_factory.mktemp("demo") / "demo.db")
    command = [*STENOGRAM, "demo", "--speed", "max", "--session", "trip", "--log", log]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, env=WITHOUT_DISPLAY)
    assert ran.returncode == 0, ran.stderr
    exported = subprocess.run([*STENOGRAM, "export", "trip", "--log", log], capture_output=True, check=True)
    return Played(ran.stdout, ran.stderr, [parse(line) for line in exported.stdout.splitlines()])


def test_versions_are_dense(played: Played) -> None:
    assert [event.version for event in played.events] == list(range(1, len(played.events) + 1))


def test_the_users_wishes_win(played: Played) -> None:
    state = fold(State("trip"), played.events)
    assert state.document.value["trip"]["to"] == "Lisbon"
    assert state.document.value["hotel"] == {"name": "Casa da Graça", "price": 680, "status": "booked"}
    assert state.document.value["budget"] == {"limit": 2400, "spent": 412 + 680 + 90}
    assert {task.status for task in state.tasks.known.values()} == {"completed"}


def test_the_conflict_was_seen_and_resolved(played: Played) -> None:
    """The user's change stands between the agent's proposal and its booking, and the agent says that it saw it."""
    words = [(event.actor, str(event.data)) for event in played.events]
    proposed = next(n for n, (actor, said) in enumerate(words) if actor == "hotels" and "Hotel Lis'" in said)
    changed = next(n for n, (actor, said) in enumerate(words) if actor == "maya" and "chosen by Maya" in said)
    noticed = next(n for n, (actor, said) in enumerate(words) if actor == "hotels" and "look and try again" in said)
    booked = next(n for n, (actor, said) in enumerate(words) if actor == "hotels" and "'booked'" in said)
    assert proposed < changed < noticed < booked


def test_only_what_depends_on_the_place_began_anew(played: Played) -> None:
    rerouted = [event.data for event in played.events if isinstance(event.data, TaskReleased)]
    assert {(each.task, each.why) for each in rerouted} == {
        ("flights", "rerouted"),
        ("hotels", "rerouted"),
        ("visas", "lost"),
    }
    cut = {event.actor for event in played.events if event.type == "message.aborted"}
    assert cut == {"flights", "hotels", "stenogram"}, "two were interrupted, one was lost, in the middle of a sentence"


def test_the_killed_agents_task_was_taken_over(played: Played) -> None:
    claims = [event for event in played.events if isinstance(event.data, TaskClaimed) and event.data.task == "visas"]
    assert [(event.actor, event.data.attempt) for event in claims] == [("visas", 1), ("visas-2", 2)]  # type: ignore[attr-defined]
    lost = next(event for event in played.events if event.type == "presence.lost")
    assert claims[0].version < lost.version < claims[1].version
    assert any(event.type == "tool.abandoned" for event in played.events)
    assert "kill -9" in played.err


def test_the_question_was_answered(played: Played) -> None:
    types = [(event.type, event.actor) for event in played.events if event.type.startswith("approval.")]
    assert types == [("approval.requested", "hotels"), ("approval.answered", "maya")]


def test_every_stream_is_completed_with_what_was_streamed_or_aborted_with_it(played: Played) -> None:
    streamed: dict[str, str] = {}
    for event in played.events:
        match event.data:
            case MessageStarted() as data:
                streamed[data.message] = ""
            case MessageDelta() as data:
                streamed[data.message] += data.text
            case MessageCompleted() | MessageAborted() as data:
                whole = "".join(part.text for part in data.parts if isinstance(part, TextPart | ReasoningPart))
                assert streamed.pop(data.message) == whole
    assert not streamed, "every message that was started has ended"


def test_everyone_came_and_left_and_tools_ended(played: Played) -> None:
    types = Counter(event.type for event in played.events)
    assert types["presence.joined"] == types["presence.left"] + types["presence.lost"] == 6
    assert types["tool.called"] == types["tool.returned"] + types["tool.abandoned"] >= 6
    assert not any(each.present for each in fold(State("trip"), played.events).presence.values())


def test_without_a_display_it_prints_where_the_console_is_and_ends_by_itself(played: Played) -> None:
    assert re.search(r"you are Maya: http://127\.0\.0\.1:\d+/console/s/trip#link=[\w-]{22}$", played.err, re.MULTILINE)
    assert "Your turn" not in played.out, "nobody was there to take one"


def test_the_lines_tell_the_story_and_what_to_do_next(played: Played) -> None:
    assert "Lisbon it is" in played.out
    for command in ("replay", "show", "tail", "export"):
        assert f"stenogram {command} trip --log " in played.out
    assert "\x1b" not in played.out


@pytest.mark.skipif("STENOGRAM_ROUNDS" not in os.environ, reason="takes long; `make chaos` runs it")
def test_chaos_changes_nothing_of_how_it_ends(tmp_path: Path) -> None:
    log = str(tmp_path / "demo.db")
    command = [*STENOGRAM, "demo", "--chaos", "--speed", "max", "--session", "trip", "--log", log]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("kill -9") >= 3
    exported = subprocess.run([*STENOGRAM, "export", "trip", "--log", log], capture_output=True, check=True)
    state = fold(State("trip"), [parse(line) for line in exported.stdout.splitlines()])
    assert {task.status for task in state.tasks.known.values()} == {"completed"}
    assert state.document.value["hotel"]["name"] == "Casa da Graça"


def test_the_screen_runs_on_a_terminal_and_gives_it_back(tmp_path: Path) -> None:
    """On a pseudo-terminal: the live page is entered and left, also when Ctrl-C ends the demo."""
    environment = {**os.environ, "COLUMNS": "120", "LINES": "36", "TERM": "xterm-256color"}
    terminal, theirs = os.openpty()
    with subprocess.Popen(
        [*STENOGRAM, "demo", "--terminal"], stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env=environment
    ) as process:
        os.close(theirs)
        try:
            said = _read_until(terminal, b"Five days in Porto", 30)
            assert b"\x1b[?1049h" in said, "the second page"
            process.send_signal(signal.SIGINT)
            said = _read_until(terminal, None, 10)
            assert process.wait(10) == 130
        finally:
            process.kill()  # or one that still writes to the terminal would be waited for without an end
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
