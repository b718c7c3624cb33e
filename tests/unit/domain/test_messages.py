"""A message is posted whole, or started, streamed and finished; several are streamed at once."""

import time

import pytest

from stenogram.domain.concepts.messages import MAX_MESSAGE_BYTES, MessageAborted, MessageCompleted, MessagePosted
from stenogram.domain.ids import Version
from stenogram.domain.parts import ReasoningPart, TextPart, assemble, extend, text_of
from stenogram.domain.session import evolve
from stenogram.testing.rehearsal import Rehearsal


def test_a_message_is_posted_whole(session: Rehearsal) -> None:
    (posted,) = session.do("hotels", "message.post", message="m1", text="Three rooms.", reply_to="m0")
    assert posted.data == MessagePosted(message="m1", parts=(TextPart(text="Three rooms."),), reply_to="m0")
    assert session.state.messages.known["m1"].status == "completed"


def test_a_message_may_have_parts_of_several_kinds(session: Rehearsal) -> None:
    parts = [
        {"kind": "text", "text": "Tivoli."},
        {"kind": "reasoning", "text": "It is near."},
        {"kind": "data", "data": [None, {"price": 90}], "name": "offer"},
        {"kind": "citation", "source": "https://example.org", "title": "Tivoli"},
    ]
    (posted,) = session.do("hotels", "message.post", message="m1", parts=parts)
    assert isinstance(posted.data, MessagePosted)
    assert [part.model_dump(exclude_none=True) for part in posted.data.parts] == parts
    assert text_of(posted.data.parts) == "Tivoli."


@pytest.mark.parametrize(
    "fields",
    [{}, {"text": "a", "parts": [{"kind": "text", "text": "b"}]}, {"text": ""}, {"parts": [{"kind": "song"}]}],
)
def test_a_message_has_either_text_or_parts(session: Rehearsal, fields: dict[str, object]) -> None:
    assert session.refusal("hotels", "message.post", message="m1", **fields).code == "invalid"


def test_a_message_has_its_own_id(session: Rehearsal) -> None:
    session.do("hotels", "message.post", message="m1", text="Three rooms.")
    assert session.refusal("flights", "message.post", message="m1", text="Two seats.").code == "conflict"
    assert session.refusal("flights", "message.start", message="m1").code == "conflict"


def test_several_messages_are_streamed_at_once(session: Rehearsal) -> None:
    session.do("hotels", "message.start", message="m1")
    session.do("flights", "message.start", message="m2", kind="progress")
    for index, (hotel, flight) in enumerate([("Three ", "Two "), ("rooms.", "seats.")]):
        session.do("hotels", "message.delta", message="m1", index=index, text=hotel)
        session.do("flights", "message.delta", message="m2", index=index, text=flight)
    (completed,) = session.do("hotels", "message.complete", message="m1", deltas=2, usage={"tokens": 4})
    (aborted,) = session.do("flights", "message.abort", message="m2", reason="Cancelled.")
    assert completed.data == MessageCompleted(
        message="m1", parts=(TextPart(text="Three rooms."),), deltas=2, usage={"tokens": 4}
    )
    assert aborted.data == MessageAborted(
        message="m2", parts=(TextPart(text="Two seats."),), deltas=2, kind="progress", reason="Cancelled."
    )


def test_streamed_reasoning_and_text_become_parts_of_their_own(session: Rehearsal) -> None:
    session.do("hotels", "message.start", message="m1")
    chunks = [("reasoning", "Near "), ("reasoning", "is good. "), ("text", "Ti"), ("text", "voli."), ("reasoning", "!")]
    for index, (part, text) in enumerate(chunks):
        session.do("hotels", "message.delta", message="m1", index=index, text=text, part=part)
    (completed,) = session.do("hotels", "message.complete", message="m1", parts=[{"kind": "text", "text": "The end."}])
    assert isinstance(completed.data, MessageCompleted)
    assert completed.data.parts == (
        ReasoningPart(text="Near is good. "),
        TextPart(text="Tivoli."),
        ReasoningPart(text="!"),
        TextPart(text="The end."),
    )


@pytest.mark.parametrize("end", ["message.complete", "message.abort"])
def test_a_message_of_very_many_parts_can_be_finished(session: Rehearsal, end: str) -> None:
    session.do("hotels", "message.start", message="m1")
    for index in range(300):
        part = ("text", "reasoning")[index % 2]
        session.do("hotels", "message.delta", message="m1", index=index, text="x", part=part)
    (ended,) = session.do("hotels", end, message="m1")
    assert isinstance(ended.data, MessageCompleted | MessageAborted)
    assert len(ended.data.parts) == 300


def test_a_delta_that_comes_again_is_the_first_one(session: Rehearsal) -> None:
    session.do("hotels", "message.start", message="m1")
    (first,) = session.do("hotels", "message.delta", message="m1", index=0, text="Three ")
    session.do("hotels", "message.delta", message="m1", index=1, text="rooms.")
    before = session.state
    assert session.do("hotels", "message.delta", message="m1", index=0, text="Three ") == (first,)
    session.do("hotels", "message.complete", message="m1")
    assert session.do("hotels", "message.delta", message="m1", index=0, text="Three ") == (first,)
    assert before.messages.known["m1"].index == session.state.messages.known["m1"].index == 2


def test_a_delta_that_was_skipped_is_asked_for(session: Rehearsal) -> None:
    session.do("hotels", "message.start", message="m1")
    refusal = session.refusal("hotels", "message.delta", message="m1", index=1, text="rooms.")
    assert (refusal.code, refusal.extra) == ("conflict", {"expected": 0})
    session.do("hotels", "message.delta", message="m1", index=0, text="Three ")
    refusal = session.refusal("hotels", "message.complete", message="m1", deltas=2)
    assert (refusal.code, refusal.extra) == ("conflict", {"expected": 1})


@pytest.mark.parametrize(
    ("do", "fields"), [("message.delta", {"index": 0, "text": "x"}), ("message.complete", {}), ("message.abort", {})]
)
def test_only_the_author_goes_on_with_an_open_message(session: Rehearsal, do: str, fields: dict[str, object]) -> None:
    assert session.refusal("hotels", do, message="m1", **fields).code == "not_found"
    session.do("hotels", "message.start", message="m1")
    assert session.refusal("flights", do, message="m1", **fields).code == "forbidden"
    session.do("hotels", "message.abort", message="m1")
    refusal = session.refusal("hotels", do, message="m1", **fields)
    assert (refusal.code, refusal.extra) == ("conflict", {"status_now": "aborted"})


@pytest.mark.parametrize("index", ["0", 0.5, True, -1, None])
def test_an_index_is_a_whole_number(session: Rehearsal, index: object) -> None:
    session.do("hotels", "message.start", message="m1")
    assert session.refusal("hotels", "message.delta", message="m1", index=index, text="x").code == "invalid"


def test_all_that_belongs_to_a_message_has_its_audience(session: Rehearsal) -> None:
    session.do("hotels", "message.start", message="m1", audience=["users"])
    (delta,) = session.do("hotels", "message.delta", message="m1", index=0, text="Psst.")
    (completed,) = session.do("hotels", "message.complete", message="m1")
    assert delta.audience == completed.audience == ("users",)


def test_a_message_holds_a_million_bytes_of_text_and_no_more(session: Rehearsal) -> None:
    session.do("hotels", "message.start", message="m1")
    session.do("hotels", "message.delta", message="m1", index=0, text="é" * (MAX_MESSAGE_BYTES // 2 - 1))
    assert session.refusal("hotels", "message.delta", message="m1", index=1, text="éa").code == "too_large"
    session.do("hotels", "message.delta", message="m1", index=1, text="é")
    session.do("hotels", "message.complete", message="m1")


def test_a_delta_that_two_gateways_let_through_counts_once(session: Rehearsal) -> None:
    session.do("hotels", "message.start", message="m1")
    elsewhere = session.command("hotels", "message.delta", {"message": "m1", "index": 0, "text": "Three "})
    session.execute(elsewhere)
    again = _written_by_another_gateway(session, -1)
    assert again.state.messages.known["m1"].index == 1
    (completed,) = again.do("hotels", "message.complete", message="m1")
    assert isinstance(completed.data, MessageCompleted)
    assert completed.data.parts == (TextPart(text="Three "),)


def test_a_delta_that_comes_after_the_end_changes_nothing_but_the_count(session: Rehearsal) -> None:
    session.do("hotels", "message.start", message="m1")
    session.do("hotels", "message.delta", message="m1", index=0, text="Three ")
    session.do("hotels", "message.abort", message="m1")
    message = _written_by_another_gateway(session, -2).state.messages.known["m1"]
    assert (message.status, message.streamed, message.index) == ("aborted", None, 1)


def test_a_message_of_very_many_tokens_stays_small_and_quick() -> None:
    began = time.thread_time()
    streamed = None
    for _ in range(100_000):
        streamed = extend(streamed, "text", "token ")
    chunks, here = 0, streamed
    while here is not None:
        chunks, here = chunks + 1, here.before
    assert chunks < 20
    (part,) = assemble(streamed)
    assert part.text == "token " * 100_000
    assert time.thread_time() - began < 5


def _written_by_another_gateway(session: Rehearsal, which: int) -> Rehearsal:
    """The session after the event `which` was appended once more, by a gateway that had not seen the last ones."""
    event = session.events[which]._replace(version=Version(session.state.version + 1))
    session.state = evolve(session.state, event)
    return session


def test_a_message_holds_as_much_however_it_is_said(session: Rehearsal) -> None:
    """Data and citations come on top."""
    most, half = "x" * MAX_MESSAGE_BYTES, "é" * (MAX_MESSAGE_BYTES // 4)
    session.do("hotels", "message.post", message="m1", text=most)
    assert session.refusal("hotels", "message.post", message="m2", text=most + "x").code == "too_large"
    parts = [{"kind": "text", "text": half}, {"kind": "reasoning", "text": half}, {"kind": "data", "data": most}]
    more = [*parts, {"kind": "text", "text": "x"}]
    assert session.refusal("hotels", "message.post", message="m2", parts=more).code == "too_large"
    session.do("hotels", "message.post", message="m2", parts=parts)
    session.do("hotels", "message.start", message="m3")
    session.do("hotels", "message.delta", message="m3", index=0, text="x")
    assert session.refusal("hotels", "message.complete", message="m3", parts=parts).code == "too_large"
    session.do("hotels", "message.complete", message="m3", parts=parts[1:])
