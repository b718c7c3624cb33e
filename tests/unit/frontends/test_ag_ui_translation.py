"""What AG-UI tells of random sessions: read strictly, to each participant, joined at any moment, it comes to the same
as the session itself; and it says nothing to anybody that they are not to hear.

More of it: STENOGRAM_TEST_LEAKS=1000.
"""

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from support.ag_ui_reader import AgUiReader
from support.followed_sessions import FollowedSession, moments, records, said
from support.random_play import VIEWERS, WORD, played, secrets

from stenogram.api.frontends.ag_ui.encoder import joined, translated
from stenogram.api.frontends.ag_ui.endings import end_of_stream
from stenogram.api.frontends.ag_ui.snapshot import HEAD, beginning, messages_snapshot, resumed_beginning
from stenogram.api.frontends.placed import Placed
from stenogram.api.frontends.transcript import Transcript
from stenogram.api.frontends.turn import Ending, Turn
from stenogram.domain.audience import Viewer, visible
from stenogram.domain.concepts.document import seen_by
from stenogram.domain.envelope import readers_of
from stenogram.domain.ids import Version
from stenogram.testing.rehearsal import Rehearsal

SCRIPTS = max(1, int(os.environ.get("STENOGRAM_TEST_LEAKS", "60")) // 6)
TURN = Turn("watched")


class Joined(FollowedSession):
    """A session that AG-UI tells of from a version on."""

    def told(self, viewer: Viewer) -> Iterator[list[Placed]]:
        """What a stream tells: its beginning, and each event that the viewer may see."""
        yield asyncio.run(beginning(TURN, self.state, self.transcript, viewer, f"e.v{self.state.version}"))
        for record in self.coming:
            if visible(readers_of(record.data), viewer):
                yield [*translated(self.facts, orjson.loads(record.wire()), "e")]


@pytest.mark.parametrize("seed", range(SCRIPTS))
def test_a_strict_reader_has_what_the_session_has(seed: int) -> None:
    for session in played(seed).sessions:
        for at in moments(session):
            follows = Joined(session, at)
            for viewer in VIEWERS:
                reader = AgUiReader()
                for group in follows.told(viewer):
                    for event, _ in group:
                        reader.read(event)
                assert reader.texts == said(session, viewer)
                assert reader.state == seen_by(session.state.document, viewer)[0]
                here = session.state.presence
                shown = {id: each for id, each in reader.activities.items() if id.startswith("presence/")}
                assert {id: each["present"] for id, each in shown.items()} == {
                    f"presence/{id}": here[id].present for id in here
                }
                for event, _ in end_of_stream(TURN, session.state, Ending("success"), None, viewer, "e.v1", old=False):
                    reader.read(event)
                assert not reader.running


@pytest.mark.parametrize("seed", range(SCRIPTS))
def test_a_stream_can_be_cut_behind_any_event(seed: int) -> None:
    session = played(seed).session
    follows, viewer = Joined(session, len(session.events) // 2), VIEWERS[2]
    first, *rest = follows.told(viewer)
    assert [id is None for _, id in first[:HEAD]] == [True, True, False]
    for number, (_, id) in enumerate(first[HEAD - 1 : -1], HEAD):
        assert id == f"e.v{follows.state.version}~{number}"
        again = resumed_beginning(follows.state, viewer, f"e.v{follows.state.version}", number)
        assert again == first[number:]
    for group in filter(None, rest):
        version = group[-1].id
        assert version is not None
        before = f"e.v{int(version.removeprefix('e.v')) - 1}"
        assert [id for _, id in group] == [*(f"{before}_{n}" for n in range(1, len(group))), version]


@pytest.mark.parametrize("seed", range(SCRIPTS))
def test_pieces_that_follow_on_each_other_are_joined_and_say_the_same(seed: int) -> None:
    session = played(seed).session
    follows = Joined(session, 0)
    for viewer in VIEWERS[:3]:
        one, other = AgUiReader(), AgUiReader()
        events = [placed for group in follows.told(viewer) for placed in group]
        for event, _ in events:
            one.read(event)
        few = joined(events)
        for event, _ in few:
            other.read(event)
        assert (one.texts, one.state, one.activities) == (other.texts, other.state, other.activities)
        assert few[-1].id == events[-1].id


@pytest.mark.parametrize("seed", range(SCRIPTS))
def test_nobody_is_told_what_they_are_not_to_hear(seed: int) -> None:
    play = played(seed)
    for session in play.sessions:
        for at in moments(session)[1:]:
            follows = Joined(session, at)
            for viewer in VIEWERS:
                text = orjson.dumps([event for group in follows.told(viewer) for event, _ in group])
                told = secrets(play, viewer).intersection(WORD.findall(text))
                assert not told, f"{viewer.id} is told {told} of {session.state.id} from {at}"


def thoughtful() -> Rehearsal:
    """An agent that thinks, calls tools before and behind its words, and thinks again; another one that adds words at
    the end; and changes of state of every kind."""
    session = Rehearsal("s-1")
    for who in ("hotels", "rooms"):
        session.do(who, "presence.join")
    session.do("hotels", "message.start", message="m1")
    session.do("rooms", "message.start", message="m2", audience=["agents"])
    session.do("hotels", "message.delta", message="m1", index=0, text="Hm. ", part="reasoning")
    session.do("hotels", "tool.call", call="c1", tool="search", message="m1", arguments={"city": "Lisbon"})
    session.do("rooms", "tool.call", call="c2", tool="search", message="m2", audience=["agents"])
    session.do("rooms", "tool.call", call="c3", tool="look", message="m1")  # of another one's message
    session.do("hotels", "message.delta", message="m1", index=1, text="And so. ", part="reasoning")
    session.do("hotels", "tool.return", call="c1", result=["Casa Azul"])
    session.do("hotels", "message.delta", message="m1", index=2, text="Casa ")
    session.do("rooms", "message.delta", message="m2", index=0, text="Two.")
    session.do("hotels", "message.delta", message="m1", index=3, text="Azul", part="text")
    session.do("hotels", "message.delta", message="m1", index=4, text="Or not?", part="reasoning")
    session.do("rooms", "tool.return", call="c2", error="It broke.")
    session.do("hotels", "state.merge", patch={"a": {"b": 1, "c": 2}})
    session.do("rooms", "state.increment", path="/n/m")
    session.do("hotels", "state.merge", patch={"a": {"b": None}})
    session.do("hotels", "state.patch", patch=[{"op": "add", "path": "/list", "value": []}])
    more = [{"kind": "reasoning", "text": " Yes."}, {"kind": "text", "text": " it is."}, {"kind": "data", "data": 7}]
    session.do("hotels", "message.complete", message="m1", parts=more)
    session.do("rooms", "message.complete", message="m2", parts=[{"kind": "text", "text": " Rooms."}])
    session.do("rooms", "message.start", message="m3")
    session.do("rooms", "message.delta", message="m3", index=0, text="Only a thought.", part="reasoning")
    session.do("rooms", "message.abort", message="m3")
    return session


def test_thoughts_and_calls_are_told_the_same_from_every_moment_on() -> None:
    session = thoughtful()
    known = Joined(session, 0).facts  # as somebody else has them who was there before
    for viewer in VIEWERS[1:3]:
        ends = list[tuple[object, ...]]()
        for at in range(len(session.events) + 1):
            reader = AgUiReader()
            for group in Joined(session, at, known).told(viewer):
                for event, _ in group:
                    reader.read(event)
            assert reader.texts == said(session, viewer)
            calls = {id: [call["id"] for call in each.get("toolCalls", ())] for id, each in reader.messages.items()}
            ends.append((reader.texts, reader.state, {id: ids for id, ids in calls.items() if ids}))
        assert all(end == ends[0] for end in ends)
        assert ends[0][2] == ({"m1": ["c1"], "c3": ["c3"]} | ({"m2": ["c2"]} if viewer.kind == "agent" else {}))


def test_a_thought_ends_where_words_begin() -> None:
    session = thoughtful()
    follows = Joined(session, 0)
    about = [
        event["type"]
        for group in follows.told(VIEWERS[1])
        for event, _ in group
        if str(event.get("messageId", "")).startswith("m1")
    ]
    said, thought = "TEXT_MESSAGE", "REASONING"
    begins = [f"{thought}_START", f"{thought}_MESSAGE_START", f"{thought}_MESSAGE_CONTENT"]
    ends = [f"{thought}_MESSAGE_END", f"{thought}_END"]
    assert about == [
        *(*begins, f"{said}_START", f"{thought}_MESSAGE_CONTENT", *ends, f"{said}_CONTENT", f"{said}_CONTENT"),
        *(*begins, f"{thought}_MESSAGE_CONTENT", *ends, f"{said}_CONTENT", f"{said}_END"),
    ]


def test_a_long_session_is_shown_a_little_at_a_time() -> None:
    """What is older than what fits is counted, and not made; and meanwhile others have their turns."""
    session = Rehearsal("s-1")
    session.do("rooms", "message.post", message="m", text="x" * 1_000)
    (posted,) = [each for each in records(session) if each.type == "message.posted"]
    transcript = Transcript(session.state.id)
    for version in range(1, 20_001):
        transcript.add(posted._replace(version=Version(version), subject=f"message:{version}"))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def show() -> dict[str, Any]:
        waiting = asyncio.create_task(others())
        shown = await messages_snapshot(session.state, transcript, VIEWERS[0])
        waiting.cancel()
        return shown

    shown = asyncio.run(show())
    assert len(orjson.dumps(shown["messages"])) < 4.1 * 2**20
    assert shown["metadata"]["stenogram"]["omitted"] == 20_000 - len(shown["messages"])
    assert turns > 5


def test_a_call_that_is_older_than_its_message_is_shown_by_itself() -> None:
    session = Rehearsal("s-1")
    session.do("rooms", "tool.call", call="c1", tool="look", message="m1")
    session.do("rooms", "message.post", message="m1", text="There.")
    for at in (0, len(session.events)):
        reader = AgUiReader()
        for group in Joined(session, at).told(VIEWERS[0]):
            for event, _ in group:
                reader.read(event)
        assert [id for id, each in reader.messages.items() if each.get("toolCalls")] == ["c1"]
