"""The example that converts recordings: what each role means, and that no byte of what was said is lost."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from to_jsonl import jsonl_lines
from who_and_when import Recording, parse_recording, speakers

from stenogram.domain.concepts.messages import MessagePosted
from stenogram.domain.envelope import parse
from stenogram.domain.errors import Invalid
from stenogram.domain.model import Event
from stenogram.domain.parts import text_of

START = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


def recording(*history: dict[str, Any], **more: Any) -> Recording:
    return parse_recording(orjson.dumps({"question": "Which hotel?", "history": list(history), **more}))


@pytest.mark.parametrize(
    ("role", "actor", "kind", "audience", "note", "assignee"),
    [
        ("human", "human", "user", None, None, None),
        ("WebSurfer", "websurfer", "agent", None, None, None),
        ("Orchestrator (thought)", "orchestrator", "agent", ("agents",), "thought", None),
        ("Orchestrator (-> WebSurfer)", "orchestrator", "agent", ("agents",), None, "websurfer"),
        ("Orchestrator (termination condition)", "orchestrator", "agent", None, "termination condition", None),
        ("Some New Role!", "some-new-role", "agent", None, None, None),
        ("日本", "unnamed", "agent", None, None, None),
    ],
)
def test_a_role_says_who_speaks_and_to_whom(
    role: str, actor: str, kind: str, audience: Any, note: str | None, assignee: str | None
) -> None:
    (step,) = recording({"role": role, "content": "Hello."}).steps
    assert (step.actor, step.kind, step.audience, step.note, step.assignee) == (actor, kind, audience, note, assignee)
    assert step.role == role


def test_a_name_beside_the_role_names_the_speaker() -> None:
    steps = recording(
        {"role": "user", "name": "Computer_terminal", "content": "exit 0"}, {"role": "user", "content": "Thanks"}
    ).steps
    assert [(step.actor, step.kind) for step in steps] == [("computer_terminal", "agent"), ("user", "user")]


def test_names_that_would_make_the_same_id_stay_apart() -> None:
    steps = recording({"role": "Web Surfer", "content": ""}, {"role": "web-surfer", "content": ""}).steps
    assert [step.actor for step in steps] == ["web-surfer", "web-surfer-2"]


def test_nobody_is_called_like_an_audience() -> None:
    made = recording({"role": "Users", "content": "a"}, {"role": "Agents (thought)", "content": "b"})
    assert [(player.id, player.name) for player in made.players] == [("users-2", "Users"), ("agents-2", "Agents")]


def test_everything_about_the_run_is_in_the_metadata() -> None:
    made = recording(
        {"role": "human", "content": "?"},
        ground_truth="Casa Azul",
        mistake_agent="WebSurfer",
        mistake_step="12",
        mistake_reason="It clicked away.",
    )
    assert made.metadata == {
        "question": "Which hotel?",
        "ground_truth": "Casa Azul",
        "mistake": {"agent": "WebSurfer", "step": 12, "reason": "It clicked away."},
    }


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no JSON"),
        (b"[]", "no recording"),
        (b'{"history": {}}', "no recording"),
        (b'{"history": []}', "empty"),
        (b'{"history": ["hello"]}', "Entry 0"),
        (b'{"history": [{"role": "human", "content": "a"}, {"content": "b"}]}', "Entry 1"),
        (b'{"history": [{"role": "human"}]}', "Entry 0"),
        (b'{"history": [{"role": "human", "content": 7}]}', "Entry 0"),
        (b'{"history": [{"role": "human", "content": "\\ud800"}]}', "no JSON"),
    ],
)
def test_what_is_no_recording_is_refused_with_its_place(content: bytes, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        parse_recording(content)


def test_a_message_that_is_too_long_is_refused() -> None:
    with pytest.raises(Invalid, match="1,000,001 bytes"):
        recording({"role": "human", "content": "x" * 1_000_001})


def test_the_steps_of_each_actor_are_at_hand() -> None:
    made = recording(*({"role": role, "content": ""} for role in ("human", "A", "B (thought)", "A", "B")))
    assert {actor: [step.index for step in steps] for actor, steps in speakers(made.steps).items()} == {
        "human": [0],
        "a": [1, 3],
        "b": [2, 4],
    }


def events_of(made: Recording, start: datetime = START) -> list[Event]:
    return [parse(line) for line in jsonl_lines(made, "s", start)]


def transcript(made: Recording) -> list[str]:
    return [text_of(event.data.parts) for event in events_of(made) if isinstance(event.data, MessagePosted)]


@given(
    st.lists(st.tuples(st.sampled_from(["human", "A", "A (thought)", "B (-> A)"]), st.text()), min_size=1, max_size=20)
)
def test_the_transcript_is_the_recording_to_the_byte(history: list[tuple[str, str]]) -> None:
    made = recording(*({"role": role, "content": text} for role, text in history))
    assert transcript(made) == [text for _, text in history]


def test_a_huge_content_stays_whole() -> None:
    text = "0123456789é" * 8_000
    assert transcript(recording({"role": "A", "content": text})) == [text]


def test_events_follow_each_other_by_a_millisecond_and_have_stable_ids() -> None:
    made = recording({"role": "human", "content": "?"}, {"role": "A", "content": "!"})
    events = events_of(made)
    steps = {(after.time - before.time).total_seconds() for before, after in pairwise(events)}
    assert steps == {0.001}
    again = events_of(made, datetime(2030, 1, 1, tzinfo=UTC))
    assert [event.id for event in again] == [event.id for event in events]


def test_everyone_joins_and_leaves_and_the_session_is_closed() -> None:
    made = recording({"role": "human", "content": "?"}, {"role": "A (-> B)", "content": "!"})
    types = [event.type for event in events_of(made)]
    expected = ["session.opened", *["presence.joined"] * 3, *["message.posted"] * 2, *["presence.left"] * 3]
    assert types == [*expected, "session.closed"]
