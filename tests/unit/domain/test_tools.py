"""A tool is called, then returns, once."""

import pytest

from stenogram.domain.concepts.tools import MAX_OUTPUT_BYTES, ToolReturned
from stenogram.domain.model import Actor
from stenogram.domain.session import decide
from stenogram.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")


def test_a_call_is_open_until_it_returns(session: Rehearsal) -> None:
    session.do("hotels", "tool.call", call="t1", tool="search", arguments={"city": "Lisbon"}, message="m1")
    before = session.state
    (returned,) = session.do("hotels", "tool.return", call="t1", result=[None, {"hotel": "Tivoli"}])
    assert (before.tools.known["t1"].open, session.state.tools.known["t1"].open) == (True, False)
    assert returned.data == ToolReturned(call="t1", result=[None, {"hotel": "Tivoli"}])


def test_a_call_may_fail(session: Rehearsal) -> None:
    session.do("hotels", "tool.call", call="t1", tool="search")
    (returned,) = session.do("hotels", "tool.return", call="t1", error="timed out")
    assert returned.data == ToolReturned(call="t1", error="timed out")


def test_who_may_see_a_call_may_see_what_it_returned(session: Rehearsal) -> None:
    session.do("hotels", "tool.call", call="t1", tool="search", audience=["agents"])
    (returned,) = session.do("hotels", "tool.return", call="t1", result=1)
    assert returned.audience == ("agents",)


def test_a_call_has_its_own_id(session: Rehearsal) -> None:
    session.do("hotels", "tool.call", call="t1", tool="search")
    assert session.refusal("flights", "tool.call", call="t1", tool="search").code == "conflict"


def test_only_the_caller_says_what_was_returned_and_once(session: Rehearsal) -> None:
    assert session.refusal("hotels", "tool.return", call="t1", result=1).code == "not_found"
    session.do("hotels", "tool.call", call="t1", tool="search")
    assert session.refusal("flights", "tool.return", call="t1", result=1).code == "forbidden"
    session.do("hotels", "tool.return", call="t1", result=1)
    assert session.refusal("hotels", "tool.return", call="t1", result=2).code == "conflict"


@pytest.fixture
def call(session: Rehearsal) -> Rehearsal:
    """Hotels runs a command, and two lines have come."""
    session.do("hotels", "tool.call", call="t1", tool="bash", audience=["agents"])
    session.do("hotels", "tool.output", call="t1", index=0, text="one\n")
    session.do("hotels", "tool.output", call="t1", index=1, text="two\n")
    return session


def test_what_a_tool_puts_out_is_streamed_and_returned_whole(call: Rehearsal) -> None:
    (returned,) = call.do("hotels", "tool.return", call="t1", deltas=2)
    assert returned.data == ToolReturned(call="t1", output="one\ntwo\n", deltas=2)
    assert {event.audience for event in call.events if event.type.startswith("tool.")} == {("agents",)}
    assert call.state.tools.known["t1"].streamed is None


def test_an_output_that_comes_again_is_the_first_one(call: Rehearsal) -> None:
    (first,) = [event for event in call.events if event.type == "tool.output"][:1]
    assert call.do("hotels", "tool.output", call="t1", index=0, text="one\n") == (first,)
    assert call.refusal("hotels", "tool.output", call="t1", index=0, text="else").code == "conflict"
    call.do("hotels", "tool.return", call="t1")
    assert call.do("hotels", "tool.output", call="t1", index=0, text="one\n") == (first,)


def test_an_output_that_was_skipped_is_asked_for(call: Rehearsal) -> None:
    refusal = call.refusal("hotels", "tool.output", call="t1", index=3, text="four")
    assert (refusal.code, refusal.extra) == ("conflict", {"expected": 2})
    refusal = call.refusal("hotels", "tool.return", call="t1", deltas=3)
    assert (refusal.code, refusal.extra) == ("conflict", {"expected": 2})


def test_only_the_caller_streams_the_output_of_an_open_call(call: Rehearsal) -> None:
    assert call.refusal("flights", "tool.output", call="t1", index=2, text="x").code == "forbidden"
    assert call.refusal("hotels", "tool.output", call="t9", index=0, text="x").code == "not_found"
    call.do("hotels", "tool.return", call="t1")
    assert call.refusal("hotels", "tool.output", call="t1", index=2, text="x").code == "conflict"


def test_a_call_that_is_abandoned_keeps_its_output(call: Rehearsal) -> None:
    call.do("hotels", "presence.join")
    *_, abandoned = call.do("hotels", "presence.leave")
    assert (abandoned.type, getattr(abandoned.data, "output", None)) == ("tool.abandoned", "one\ntwo\n")
    assert abandoned.audience == ("agents", "hotels")
    assert call.refusal("hotels", "tool.output", call="t1", index=2, text="x").code == "fenced"


def test_a_call_keeps_a_million_bytes_of_output_and_no_more(session: Rehearsal) -> None:
    session.do("hotels", "tool.call", call="t1", tool="bash")
    session.do("hotels", "tool.output", call="t1", index=0, text="é" * (MAX_OUTPUT_BYTES // 2 - 1))
    assert session.refusal("hotels", "tool.output", call="t1", index=1, text="éa").code == "too_large"
    session.do("hotels", "tool.output", call="t1", index=1, text="é")
    session.do("hotels", "tool.return", call="t1", deltas=2)


def test_an_output_that_two_gateways_let_through_counts_once(call: Rehearsal) -> None:
    elsewhere = call.command("hotels", "tool.output", {"call": "t1", "index": 2, "text": "three"})
    (fact,) = decide(call.state, elsewhere).facts
    call.do("hotels", "tool.output", call="t1", index=2, text="three")
    call._append(elsewhere, (fact,))
    (returned,) = call.do("hotels", "tool.return", call="t1")
    assert returned.data == ToolReturned(call="t1", output="one\ntwo\nthree", deltas=3)


def test_an_output_that_comes_after_the_end_changes_nothing_but_the_count(call: Rehearsal) -> None:
    elsewhere = call.command("hotels", "tool.output", {"call": "t1", "index": 2, "text": "three"})
    (fact,) = decide(call.state, elsewhere).facts
    call.do("hotels", "tool.return", call="t1")
    call._append(elsewhere, (fact,))
    known = call.state.tools.known["t1"]
    assert (known.open, known.index, known.streamed) == (False, 3, None)


def test_what_a_tool_puts_out_shows_that_the_work_goes_on(session: Rehearsal) -> None:
    session.do("hotels", "presence.join", lease=3_600)
    session.do("planner", "task.create", task="k1", title="T", stall_after=60)
    session.do("hotels", "task.claim", task="k1", lease=600)
    session.under("k1", 1, "hotels", "tool.call", call="t1", tool="bash")
    (output,) = session.do("hotels", "tool.output", call="t1", index=0, text="one")
    assert output.task == "k1"
    session.do(ADA, "signal.raise", signal="s1", kind="pause", target="task:k1")
    session.do("hotels", "tool.output", call="t1", index=1, text="two")
    (*_, abandoned) = session.do("hotels", "task.release", task="k1", attempt=1)
    assert (abandoned.type, getattr(abandoned.data, "output", None)) == ("tool.abandoned", "onetwo")


def test_a_call_that_fails_may_have_a_result_all_the_same(session: Rehearsal) -> None:
    session.do("hotels", "tool.call", call="t1", tool="search")
    (returned,) = session.do("hotels", "tool.return", call="t1", result=["Tivoli"], error="The second page is missing.")
    assert returned.data == ToolReturned(call="t1", result=["Tivoli"], error="The second page is missing.")
