"""A question to people is answered once, by one of those asked."""

from typing import Any

import pytest

from stenogram.domain.concepts.approvals import Answer, Approval
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


SEVERAL: list[dict[str, Any]] = [
    {"name": "hotel", "question": "Which one?", "options": ["Tivoli", "Ritz"], "own_words": True},
    {"name": "extras", "question": "What else?", "options": ["breakfast", "parking", "none"], "several": True},
    {"name": "nights", "question": "How long?", "answer_schema": {"type": "integer"}},
    {"name": "note", "question": "Anything for the hotel?", "own_words": True},
    {"name": "go", "question": "Book it now?"},
]
ANSWERS: dict[str, Any] = {
    "hotel": {"words": "Whichever is nearer to the sea."},
    "extras": {"options": ["breakfast", "parking"]},
    "nights": {"value": 3},
    "note": {"words": "We come late."},
    "go": {"options": ["yes"]},
}


def test_several_questions_are_answered_at_once_by_one_answer(session: Rehearsal) -> None:
    ask(session, questions=SEVERAL)
    assert [each.options for each in approval(session).questions][-2:] == [(), ("yes", "no")]
    first = session.do(ADA, "approval.answer", approval="a1", answers=ANSWERS, comment="There.")
    assert [event.type for event in first] == ["approval.answered"]
    assert [*first[0].data.model_dump()["answers"]] == [*ANSWERS]
    assert session.do(BEN, "approval.answer", approval="a1", answers=ANSWERS) == first
    assert approval(session).answers == {name: Answer(**each) for name, each in ANSWERS.items()}
    assert approval(session).questions == ()


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"nights": {"value": "three"}}, "invalid"),
        ({"nights": {"words": "three"}}, "invalid"),
        ({"hotel": {"options": ["Hilton"]}}, "not_found"),
        ({"hotel": {"options": ["Tivoli", "Ritz"]}}, "invalid"),
        ({"hotel": {}}, "not_found"),
        ({"extras": {"words": "a cot"}}, "invalid"),
        ({"note": {}}, "invalid"),
        ({"go": {"options": ["yes"], "value": 1}}, "invalid"),
        ({"other": {"words": "x"}}, "invalid"),
    ],
)
def test_each_answer_is_one_to_its_question(session: Rehearsal, answers: dict[str, Any], code: str) -> None:
    ask(session, questions=SEVERAL)
    assert session.refusal(ADA, "approval.answer", approval="a1", answers={**ANSWERS, **answers}).code == code
    assert approval(session).status == "open"


def test_all_questions_are_answered_or_none(session: Rehearsal) -> None:
    ask(session, questions=SEVERAL)
    some = {name: ANSWERS[name] for name in ("hotel", "go")}
    refusal = session.refusal(ADA, "approval.answer", approval="a1", answers=some)
    assert (refusal.code, refusal.extra["missing"]) == ("invalid", ["extras", "nights", "note"])
    for one in ({"option": "yes"}, {"words": "Yes."}, {"value": 1}, {}):
        assert session.refusal(ADA, "approval.answer", {"approval": "a1", **one}).code == "invalid"


@pytest.mark.parametrize(
    "more",
    [
        {"questions": []},
        {"questions": [{**SEVERAL[2], "answer_schema": {"type": "whole"}}]},
        {"questions": [{**SEVERAL[0], "options": [str(each) for each in range(17)]}]},
        {"questions": [{"name": f"q{each}", "question": "?"} for each in range(17)]},
        {"questions": [{**SEVERAL[0], "default": "Ritz"}]},
    ],
)
def test_each_of_several_questions_makes_sense(session: Rehearsal, more: dict[str, Any]) -> None:
    asked = {"approval": "a1", "question": "Book the Tivoli?", **more}
    assert session.refusal("hotels", "approval.request", asked).code == "invalid"


@pytest.mark.parametrize(
    "more",
    [
        {"questions": [SEVERAL[0], SEVERAL[0]]},
        {"questions": SEVERAL, "options": ["yes"]},
        {"questions": SEVERAL, "own_words": True},
        {"questions": SEVERAL, "answer_schema": {}},
        {"questions": SEVERAL, "default": "Ritz", "within": 90},
    ],
)
def test_several_questions_make_sense_together(session: Rehearsal, more: dict[str, Any]) -> None:
    asked = {"approval": "a1", "question": "Book the Tivoli?", **more}
    assert session.refusal("hotels", "approval.request", asked).code == "conflict"


def test_a_question_is_answered_in_ones_own_words_where_it_says_so(session: Rehearsal) -> None:
    ask(session)
    assert session.refusal(ADA, "approval.answer", approval="a1", words="Only with a view.").code == "invalid"
    assert session.refusal(ADA, "approval.answer", approval="a1", answers=ANSWERS).code == "invalid"
    session.do("hotels", "approval.request", approval="a2", question="Book?", options=["yes", "no"], own_words=True)
    session.do(ADA, "approval.answer", approval="a2", words="Only with a view.")
    known = session.state.approvals.known["a2"]
    assert (known.status, known.option, known.words) == ("answered", None, "Only with a view.")


def test_without_options_words_are_all_that_is_asked_for(session: Rehearsal) -> None:
    ask(session, own_words=True)
    assert approval(session).options == ()
    assert session.refusal(ADA, "approval.answer", approval="a1").code == "invalid"
    session.do(ADA, "approval.answer", approval="a1", words="By the sea.")


def test_people_read_no_words_of_an_agent_without_the_floor_as_an_answer(session: Rehearsal) -> None:
    session.do("rooms", "presence.join")
    how = {"of": ["agents"], "audience": ["everyone"]}
    session.do("hotels", "approval.request", approval="a1", question="?", own_words=True, options=["x"], **how)
    session.do("hotels", "approval.request", approval="a2", question="?", questions=[SEVERAL[0]], **how)
    session.do(ADA, "floor.move", speakers=["hotels"])
    assert session.refusal("rooms", "approval.answer", approval="a1", words="Psst.").code == "forbidden"
    psst = {"hotel": {"words": "Psst."}}
    assert session.refusal("rooms", "approval.answer", approval="a2", answers=psst).code == "forbidden"
    session.do("rooms", "approval.answer", approval="a2", answers={"hotel": {"options": ["Ritz"]}})
    session.do("rooms", "approval.answer", approval="a1", option="x")
