"""The live screen: a frame fits its terminal, and shows what its model holds."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from stenogram.cli.screen.columns import wrapped
from stenogram.cli.screen.frame import Frame
from stenogram.cli.screen.screen_model import ScreenModel
from stenogram.cli.text.event_lines import Palette
from stenogram.domain.envelope import parse

Jsonl = Callable[[str], bytes]


@pytest.fixture
def model(jsonl: Jsonl) -> ScreenModel:
    """The small session up to the tool call's end, with a message under way."""
    made = ScreenModel("trip-7")
    for line in jsonl("trip-7").splitlines()[:9]:
        made.fold(parse(line), 0.0)
    return made


def drawn(model: ScreenModel, width: int, height: int, now: float = 0.0) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None, force_terminal=False)
    console.print(Frame(model, Palette()).draw(width, height, now))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(("width", "height"), [(40, 16), (80, 24), (100, 30), (120, 36), (200, 60)])
@pytest.mark.parametrize("events", [0, 1, 5, 9, 17])
def test_a_frame_fits_the_terminal(jsonl: Jsonl, width: int, height: int, events: int) -> None:
    made = ScreenModel("trip-7")
    for line in jsonl("trip-7").splitlines()[:events]:
        made.fold(parse(line), 0.0)
    lines = drawn(made, width, height)
    assert len(lines) <= height
    assert {cell_len(line) for line in lines[1:]} <= {width}


def test_it_shows_who_is_there_and_what_each_does(model: ScreenModel) -> None:
    frame = "\n".join(drawn(model, 120, 36))
    assert "Lisbon in May" in frame
    assert "looks around" in frame
    assert "⚙ search({city:" in frame
    assert "Casa Azul,▌" in frame, "a message under way has a caret"


def test_the_state_shows_who_changed_it(model: ScreenModel, jsonl: Jsonl) -> None:
    for line in jsonl("trip-7").splitlines()[9:]:
        model.fold(parse(line), 5.0)
    frame = "\n".join(drawn(model, 120, 36))
    assert "name Memmo · price 780  ← maya" in frame
    assert "780  ← hotels" in frame


def test_deltas_of_one_message_share_a_line_of_the_ticker(model: ScreenModel, jsonl: Jsonl) -> None:
    model.fold(parse(jsonl("trip-7").splitlines()[9]), 1.0)
    assert [(tick.version, tick.count) for tick in model.ticker if tick.type == "message.delta"] == [(9, 2)]


def test_a_note_stands_in_the_title(model: ScreenModel) -> None:
    model.note = "15 min passed"
    assert "15 min passed" in drawn(model, 100, 30)[0]


@example(" aaaaaa日日", 9)
@given(st.text(alphabet="ab é日本,.", max_size=300), st.integers(8, 40))
def test_wrapped_lines_fit_and_lose_no_word(text: str, width: int) -> None:
    lines = wrapped(Text(text), width)
    assert all(cell_len(line.plain) <= width for line in lines)
    assert "".join("".join(line.plain for line in lines).split()) == "".join(text.split())


def test_the_board_the_lost_and_the_questions_are_in_sight() -> None:
    made = ScreenModel("trip-7")
    for event in TEAM:
        made.fold(parse(event), 0.0)
    frame = "\n".join(drawn(made, 120, 36))
    assert "● Find a hotel rooms #2" in frame
    assert "✓ Find a flight" in frame
    assert "○ Write the plan" in frame
    assert re.search(r"✕ +hotels +agent +lost", frame)
    assert "? Book it?" in frame
    assert "→ yes · ann" in frame


def test_what_a_tool_puts_out_is_in_sight_while_it_works() -> None:
    made = ScreenModel("trip-7")
    calling: tuple[tuple[str, str, dict[str, object]], ...] = (
        ("ann", "session.opened", {"title": "Lisbon in May"}),
        ("hotels", "presence.joined", {"participant": "hotels", "kind": "agent"}),
        ("hotels", "tool.called", {"call": "c1", "tool": "bash"}),
        ("hotels", "tool.output", {"call": "c1", "index": 0, "text": "one\n"}),
        ("hotels", "tool.output", {"call": "c1", "index": 1, "text": "two\n"}),
        (
            "hotels",
            "tool.returned",
            {"call": "c1", "result": 7, "error": "Half of it.", "output": "one\ntwo\n", "deltas": 2},
        ),
    )
    *working, ended = happened(*calling)
    for event in working:
        made.fold(parse(event), 0.0)
    assert "… two" in "\n".join(drawn(made, 120, 36))
    assert [(tick.version, tick.count) for tick in made.ticker if tick.type == "tool.output"] == [(4, 2)]
    made.fold(parse(ended), 0.0)
    assert "✕ Half of it. · → 7" in "\n".join(drawn(made, 120, 36))


def happened(*events: tuple[str, str, dict[str, object]]) -> list[dict[str, object]]:
    """Events as they come over the wire: actor, type and data of each."""
    return [
        {
            "position": number,
            "session": "trip-7",
            "version": number,
            "id": f"e{number}",
            "type": type,
            "time": "2026-01-31T12:00:00Z",
            "actor": actor,
            "data": data,
        }
        for number, (actor, type, data) in enumerate(events, 1)
    ]


TEAM = happened(
    ("ann", "session.opened", {"title": "Lisbon in May"}),
    ("hotels", "presence.joined", {"participant": "hotels", "kind": "agent"}),
    ("rooms", "presence.joined", {"participant": "rooms", "kind": "agent"}),
    ("ann", "task.created", {"task": "t1", "title": "Find a flight"}),
    ("ann", "task.created", {"task": "t2", "title": "Find a hotel"}),
    ("ann", "task.created", {"task": "t3", "title": "Write the plan", "needs": ["t1", "t2"]}),
    ("rooms", "task.claimed", {"task": "t1", "attempt": 1}),
    ("rooms", "task.completed", {"task": "t1", "attempt": 1}),
    ("hotels", "task.claimed", {"task": "t2", "attempt": 1}),
    ("stenogram", "presence.lost", {"participant": "hotels", "after": 15.0}),
    ("stenogram", "task.released", {"task": "t2", "attempt": 1, "why": "lost"}),
    ("rooms", "task.claimed", {"task": "t2", "attempt": 2}),
    ("rooms", "approval.requested", {"approval": "a1", "question": "Book it?", "options": ["yes", "no"]}),
    ("ann", "approval.answered", {"approval": "a1", "option": "yes"}),
)
