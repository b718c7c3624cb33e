"""The built-in views over recorded sessions of real teams, and the moment at which each of them went wrong."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from to_jsonl import jsonl_lines
from who_and_when import Recording, read_recording

from stenogram.adapters.recordings import slug
from stenogram.domain.audience import Viewer
from stenogram.domain.envelope import parse
from stenogram.domain.model import Event
from stenogram.domain.parts import DataPart, text_of
from stenogram.projections import fold
from stenogram.projections.views import activity, agents, attention, sessions, tasks, timeline, transcript
from stenogram.projections.views.activity import WIDTHS
from stenogram.projections.views.timeline import closed
from stenogram.projections.views.transcript import TranscriptRow

ROOT = Path(__file__).parents[4]
SHARED = ROOT.parent / "shared" / "data" / "who-and-when"
RECORDINGS = [ROOT / "tests" / "data" / "recording.json", *sorted(SHARED.glob("*.json"))]
START = datetime(2026, 1, 31, 12, tzinfo=UTC)
Played = tuple[Recording, list[Event]]


@pytest.fixture(params=RECORDINGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def played(request: pytest.FixtureRequest) -> Played:
    recording = read_recording(request.param)
    return recording, [parse(line) for line in jsonl_lines(recording, "recorded", START)]


def entries(events: list[Event]) -> list[TranscriptRow]:
    return sorted(fold(transcript, events).values(), key=lambda entry: entry.since)


def test_the_transcript_is_the_recording(played: Played) -> None:
    recording, events = played
    told = [(entry.actor, text_of(entry.parts), entry.status, entry.audience) for entry in entries(events)]
    assert told == [(step.actor, step.text, "completed", step.audience) for step in recording.steps]


def test_people_see_of_it_what_was_not_for_the_team_alone(played: Played) -> None:
    recording, events = played
    assert transcript.seen is not None
    person = Viewer("somebody", "user")
    shown = [text_of(entry.parts) for entry in entries(events) if transcript.seen(entry, person)]
    assert shown == [step.text for step in recording.steps if step.audience is None]


def test_the_other_views_agree_with_it(played: Played) -> None:
    recording, events = played
    spans = closed(fold(timeline, events).values())
    messages = [(span.actor, span.began) for span in spans if span.lane == "message"]
    assert messages == [(each.actor, each.began) for each in entries(events)]
    present = {span.actor: (span.since, span.until) for span in spans if span.lane == "presence"}
    board = fold(agents, events)["recorded"].agents
    assert set(present) == set(board) == {player.id for player in recording.players}
    assert all(not agent.present and agent.since == present[id][1] for id, agent in board.items())
    counted = [each for each in fold(activity, events).values() if each.width == WIDTHS[0]]
    assert sum(each.events for each in counted if each.family == "message") == len(recording.steps)
    overview = fold(sessions, events)["recorded"]
    assert (overview.status, overview.version) == ("closed", len(events))
    assert overview.messages == len([step for step in recording.steps if step.audience is None])


def test_what_is_assigned_stays_a_message_and_is_no_task(played: Played) -> None:
    """Of an assignment the recording says who shall do it, not when it was begun or done."""
    recording, events = played
    assert fold(tasks, events) == {}
    assert fold(attention, events) == {}
    assert all(not agent.tasks for agent in fold(agents, events)["recorded"].agents.values())
    assert {span.lane for span in fold(timeline, events).values()} == {"message", "presence"}
    told = [part.data for each in entries(events) for part in each.parts if isinstance(part, DataPart)]
    assert told == [step.about for step in recording.steps]
    assert all((step.assignee is not None) == ("->" in step.role) for step in recording.steps)


def test_the_labelled_failure_is_a_moment_that_can_be_shown(played: Played) -> None:
    recording, events = played
    mistake = recording.metadata.get("mistake")
    if mistake is None:
        pytest.skip("this recording has no labelled mistake")
    step = recording.steps[mistake["step"]]
    version = next(each.version for each in events if each.data.subject() == f"message:{step.message}")
    moment = events[:version]
    last = entries(moment)[-1]
    assert (last.actor, text_of(last.parts)) == (step.actor, step.text)
    assert last.actor == slug(mistake["agent"])
    board = fold(agents, moment)["recorded"].agents
    assert all(agent.present for agent in board.values())
    assert board[step.actor].last.version == version or step.audience is not None
    assert len(entries(moment)) == step.index + 1
