"""A tool is called, then returns, once."""

import pytest

from stenogram.domain.concepts.tools import ToolReturned
from stenogram.testing.rehearsal import Rehearsal


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


@pytest.mark.parametrize("error", ["", "x" * 10_040, "x" * 100_000])
def test_tools_say_as_much_of_an_error_as_they_like(session: Rehearsal, error: str) -> None:
    session.do("hotels", "tool.call", call="t1", tool="search")
    (returned,) = session.do("hotels", "tool.return", call="t1", error=error)
    assert returned.data == ToolReturned(call="t1", error=error)
    session.do("hotels", "tool.call", call="t2", tool="search")
    assert session.refusal("hotels", "tool.return", call="t2", error="x" * 100_001).code == "invalid"
