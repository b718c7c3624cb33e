"""What the AI SDK's streams tell of random sessions, each task of which is taken for a run: read as the SDK does, to
each participant, joined at any moment, it comes to the same as the session itself; and it says nothing to anybody that
they are not to hear.

More of it: STENOGRAM_TEST_LEAKS=1000.
"""

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from support.followed_sessions import FollowedSession, moments, said
from support.random_play import VIEWERS, WORD, played, secrets
from support.ui_message_reader import UiMessageReader

from stenogram.api.frontends.ai_sdk.encoder import joined, so_far, translated
from stenogram.api.frontends.ai_sdk.endings import end_of_stream
from stenogram.api.frontends.ai_sdk.history import history
from stenogram.api.frontends.ai_sdk.replay import beginning, end_of_run, placed
from stenogram.api.frontends.ai_sdk.translation import StreamedRun
from stenogram.api.frontends.placed import Placed
from stenogram.api.frontends.turn import Ending, Turn, ending_of
from stenogram.domain.audience import Viewer, visible
from stenogram.domain.envelope import decode, readers_of
from stenogram.domain.session import fold
from stenogram.testing.rehearsal import Rehearsal

SCRIPTS = max(1, int(os.environ.get("STENOGRAM_TEST_LEAKS", "60")) // 20)


@pytest.fixture(autouse=True)
def every_task_is_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts know nothing of runs."""
    monkeypatch.setattr("stenogram.api.frontends.turn.RUN", "t")
    monkeypatch.setattr("stenogram.api.frontends.transcript._RUNS", "task:t")


class Told(FollowedSession):
    """A run of a session that is told from a version on. Its events are published one by one."""

    def told(self, run: StreamedRun, viewer: Viewer) -> Iterator[list[Placed]]:
        """What a stream tells: its beginning, and each event that the viewer may see."""
        turn, resume = Turn(str(run.task), run.task), f"e.v{self.state.version}"
        begun = asyncio.run(beginning(turn, run, self.state, self.transcript, viewer))
        yield placed(begun, run, resume, 0)
        state = self.state
        for record in self.coming:
            state = fold(state, [decode(record.data, record.position, record.session, record.version)])
            self.transcript.add(record)
            if visible(readers_of(record.data), viewer):
                yield [*translated(self.facts, orjson.loads(record.wire()), "e", run, so_far(state))]


def runs(session: Rehearsal, seen_by: Viewer) -> list[StreamedRun]:
    """All of them, and the session as a whole."""
    tasks = [task for task in session.state.tasks.known.values() if visible(task.audience, seen_by)]
    return [StreamedRun(None), *(StreamedRun(task.id, task.since) for task in tasks)]


def read(groups: Iterator[list[Placed]]) -> UiMessageReader:
    """What a client has of it."""
    reader = UiMessageReader()
    for group in groups:
        for chunk, _ in group:
            reader.read(chunk)
    return reader


def same(reader: UiMessageReader, session: Rehearsal) -> dict[str, Any]:
    """What is the same whenever one joins. Of others who are in mid-sentence, the last words come a moment later; and
    the call that a question is comes with the stream's end."""
    found, open = reader.same(), set(session.state.messages.open.of(None))
    found["texts"] = {id: text for id, text in found["texts"].items() if id.partition("/")[0] not in open}
    found["data"] = {(type, id): data for (type, id), data in found["data"].items() if id not in open}
    found["calls"] = {id: call for id, call in found["calls"].items() if call["type"] != "tool-ask"}
    return found


def is_over(session: Rehearsal, run: StreamedRun) -> bool:
    """Whether a run has ended."""
    return run.task is not None and not session.state.tasks.known[run.task].unfinished


@pytest.mark.parametrize("seed", range(SCRIPTS))
def test_a_session_that_is_followed_whole_is_told_whole(seed: int) -> None:
    for session in played(seed).sessions:
        for at in moments(session):
            for viewer in VIEWERS:
                reader = read(Told(session, at).told(StreamedRun(None), viewer))
                whole = said(session, viewer)
                told = reader.texts()
                late = {id for id, text in whole.items() if told.get(id) != text}
                assert all(whole[id].startswith(told.get(id, "")) for id in late)
                assert {id.partition("/")[0] for id in late} <= set(session.state.messages.open.of(None))


@pytest.mark.parametrize("seed", range(SCRIPTS))
def test_whoever_joins_a_run_has_the_same_message_in_the_end(seed: int) -> None:
    session = played(seed).session
    for viewer in VIEWERS:
        for run in runs(session, viewer)[1:]:
            task = session.state.tasks.known[run.task or ""]
            last = len(session.events)
            whole = read(Told(session, last).told(run, viewer))
            for at in {task.since, (task.since + last) // 2}:
                told = read(Told(session, at).told(run, viewer))
                until = end_of_run(run.task, session.state, Told(session, last).transcript)
                if until == last:  # what others say behind the run's end is not its replay's
                    assert same(told, session) == same(whole, session)


@pytest.mark.parametrize("seed", range(SCRIPTS))
def test_a_stream_can_be_cut_behind_any_chunk(seed: int) -> None:
    session, viewer = played(seed).session, VIEWERS[2]
    for run in runs(session, viewer)[:3]:
        follows = Told(session, len(session.events) // 2)
        resume = f"e.v{follows.state.version}"
        begun = asyncio.run(beginning(Turn("r", run.task), run, follows.state, follows.transcript, viewer))
        whole = placed(begun, run, resume, 0)
        of = "" if run.task is None else f"{run.task}/"
        assert [id for _, id in whole] == [*(f"{of}{resume}~{n + 1}" for n in range(1, len(whole))), f"{of}{resume}"]
        # The transcript goes on meanwhile; the beginning is still the same.
        later = Told(session, len(session.events)).transcript
        again = asyncio.run(beginning(Turn("r", run.task), run, follows.state, later, viewer))
        for number in range(1, len(whole)):
            assert placed(again, run, resume, number + 1) == whole[number:]
        for group in list(follows.told(run, viewer))[1:]:
            ids = [str(id).removeprefix(of) for _, id in group]
            if ids:
                before = f"e.v{int(ids[-1].removeprefix('e.v')) - 1}"
                assert ids[:-1] == [f"{before}_{n}" for n in range(1, len(ids))]


@pytest.mark.parametrize("seed", range(SCRIPTS))
def test_a_run_ends_as_the_sdk_wants_it_and_is_the_same_in_the_history(seed: int) -> None:
    session = played(seed).session
    for viewer in VIEWERS:
        follows = Told(session, len(session.events))
        messages, omitted = asyncio.run(history(session.state, follows.transcript, viewer))
        assert omitted == 0
        shown = {message["id"]: message for message in messages if message["role"] == "assistant"}
        for run in runs(session, viewer)[1:]:
            reader = read(Told(session, len(session.events)).told(run, viewer))
            ending = ending_of(session.state, Turn("r", run.task), viewer) or Ending("success")
            for chunk in end_of_stream(Turn("r", run.task), run, session.state, ending, None, viewer, "e.v1", 0):
                reader.read(chunk)
            assert reader.over
            assert reader.metadata["outcome"] == ending.outcome
            if is_over(session, run):
                parts = shown[str(run.task)]["parts"]
                assert [part["type"] for part in parts] == [part["type"] for part in reader.parts]
                assert [part.get("text") for part in parts] == [part.get("text") for part in reader.parts]


@pytest.mark.parametrize("seed", range(SCRIPTS))
def test_pieces_that_follow_on_each_other_are_joined_and_say_the_same(seed: int) -> None:
    session = played(seed).session
    for viewer in VIEWERS[:3]:
        for run in runs(session, viewer)[:3]:
            chunks = [placed for group in Told(session, 0).told(run, viewer) for placed in group]
            one, other = read(iter([chunks])), read(iter([joined(chunks)]))
            assert one.same() == other.same()
            assert joined(chunks)[-1].id == chunks[-1].id


@pytest.mark.parametrize("seed", range(SCRIPTS))
def test_nobody_is_told_what_they_are_not_to_hear(seed: int) -> None:
    play = played(seed)
    for session in play.sessions:
        for at in moments(session)[1:]:
            for viewer in VIEWERS:
                for run in runs(session, viewer)[:2]:
                    follows = Told(session, at)
                    texts = [chunk for group in follows.told(run, viewer) for chunk, _ in group]
                    texts += asyncio.run(history(session.state, follows.transcript, viewer))[0]
                    told = secrets(play, viewer).intersection(WORD.findall(orjson.dumps(texts)))
                    assert not told, f"{viewer.id} is told {told} of {session.state.id} from {at}"


def test_all_so_far_costs_a_bounded_number_of_times_its_length() -> None:
    session = Rehearsal("s-1")
    session.do("rooms", "message.start", message="m1")
    words = [f"word-{number} " for number in range(2_000)]
    for number, word in enumerate(words):
        session.do("rooms", "message.delta", message="m1", index=number, text=word)
    sizes, lag, text = list[int](), 0, 0
    for group in Told(session, 0).told(StreamedRun(None), VIEWERS[0]):
        for chunk, _ in group:
            if chunk["type"] == "data-agent-message":
                sizes.append(len(chunk["data"]["text"]))
    for word in words:
        text += len(word)
        lag = max(lag, text - max((size for size in sizes if size <= text), default=0))
    assert sum(sizes) < 36 * text
    assert lag < text / 24
