"""A question to people is answered once, by one of those asked."""

from typing import Any

import pytest

from stenogram.domain.concepts.approvals import Approval
from stenogram.domain.model import Actor
from stenogram.testing.rehearsal import Rehearsal

ADA, BEN = Actor("ada", "user"), Actor("ben", "user")


def approval(session: Rehearsal) -> Approval:
    """The question as it stands."""
    return session.state.approvals.known["a1"]


def ask(session: Rehearsal, **more: Any) -> None:
    """Hotels asks."""
    session.do("hotels", "approval.request", {"approval": "a1", "question": "Book the Tivoli?", **more})


def test_a_question_is_answered_once_and_the_second_gets_the_first(session: Rehearsal) -> None:
    ask(session)
    first = session.do(ADA, "approval.answer", approval="a1", option="yes", comment="Go ahead.")
    assert session.do(BEN, "approval.answer", approval="a1", option="no") == first
    assert (approval(session).status, approval(session).option) == ("answered", "yes")


def test_only_those_who_are_asked_may_answer(session: Rehearsal) -> None:
    ask(session, of=["ben", "agents"], audience=["everyone"])
    assert session.refusal(ADA, "approval.answer", approval="a1", option="yes").code == "forbidden"
    session.do("flights", "approval.answer", approval="a1", option="yes")
    assert session.refusal(ADA, "approval.answer", approval="a1", option="yes").code == "forbidden"


def test_the_default_holds_at_the_deadline(session: Rehearsal) -> None:
    ask(session, within=60, default="no")
    assert session.wait(59) == ()
    (expired,) = session.wait(1)
    assert (expired.type, expired.data.model_dump()) == ("approval.expired", {"approval": "a1", "option": "no"})
    late = session.refusal(ADA, "approval.answer", approval="a1", option="yes")
    assert (late.code, late.extra) == ("conflict", {"status_now": "expired", "option": "no"})


def test_without_a_default_nothing_holds(session: Rehearsal) -> None:
    ask(session, within=60)
    session.wait(60)
    assert (approval(session).status, approval(session).option) == ("expired", None)


def test_an_answer_in_time_stops_the_clock(session: Rehearsal) -> None:
    ask(session, within=60)
    session.do(ADA, "approval.answer", approval="a1", option="yes")
    assert session.wait(120) == ()


def test_whoever_asks_may_take_it_back(session: Rehearsal) -> None:
    ask(session)
    assert session.refusal("flights", "approval.withdraw", approval="a1").code == "forbidden"
    session.do("hotels", "approval.withdraw", approval="a1")
    assert session.refusal(ADA, "approval.answer", approval="a1", option="yes").code == "conflict"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"options": []}, "invalid"),
        ({"within": 0}, "invalid"),
        ({"of": []}, "invalid"),
        ({"within": 60, "default": "maybe"}, "not_found"),
    ],
)
def test_a_question_makes_sense(session: Rehearsal, more: dict[str, Any], code: str) -> None:
    data = {"approval": "a1", "question": "Book the Tivoli?", **more}
    assert session.refusal("hotels", "approval.request", data).code == code


def test_an_option_stands_there_once(session: Rehearsal) -> None:
    ask(session, options=["yes", "no", "yes"])
    assert approval(session).options == ("yes", "no")


def test_an_answer_is_one_of_the_options(session: Rehearsal) -> None:
    ask(session, options=["Tivoli", "Ritz"])
    refusal = session.refusal(ADA, "approval.answer", approval="a1", option="yes")
    assert (refusal.code, refusal.extra) == ("not_found", {"options": ("Tivoli", "Ritz")})
    assert session.refusal(ADA, "approval.answer", approval="a9", option="yes").code == "not_found"
    assert session.refusal("hotels", "approval.request", approval="a1", question="?").code == "conflict"
