"""A session is opened once, described and labelled, closed and opened again."""

import pytest

from stenogram.domain.concepts.lifecycle import Session
from stenogram.domain.model import Actor
from stenogram.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")


def test_a_session_begins_with_being_opened() -> None:
    session = Rehearsal("trip-7", opened=False)
    (opened,) = session.do(ADA, "session.open", title="Lisbon", labels={"team": "travel"}, metadata={"budget": 900})
    assert (opened.type, opened.version, opened.actor) == ("session.opened", 1, "ada")
    assert session.state.session == Session("open", "Lisbon", {"team": "travel"}, {"budget": 900})


@pytest.mark.parametrize("do", ["session.reopen", "session.close", "presence.join", "session.label"])
def test_nothing_is_done_to_a_session_that_does_not_exist(do: str) -> None:
    assert Rehearsal(opened=False).refusal(ADA, do).code == "not_found"


def test_a_session_is_opened_once(session: Rehearsal) -> None:
    assert session.refusal(ADA, "session.open").code == "conflict"
    session.do(ADA, "session.close")
    assert session.refusal(ADA, "session.open").code == "conflict"


def test_its_title_is_replaced_and_its_metadata_merged(session: Rehearsal) -> None:
    session.do(ADA, "session.describe", title="Lisbon", metadata={"budget": 900, "pax": {"adults": 2}})
    session.do(ADA, "session.describe", metadata={"budget": None, "pax": {"children": 1}})
    assert session.state.session.title == "Lisbon"
    assert session.state.session.metadata == {"pax": {"adults": 2, "children": 1}}


@pytest.mark.parametrize("fields", [{}, {"title": "Lisbon"}, {"metadata": {"pax": None}}, {"metadata": {}}])
def test_a_description_that_changes_nothing_is_not_recorded(session: Rehearsal, fields: dict[str, object]) -> None:
    session.do(ADA, "session.describe", title="Lisbon")
    assert session.refusal(ADA, "session.describe", **fields).code == "no_change"


def test_true_is_not_one(session: Rehearsal) -> None:
    session.do(ADA, "session.describe", metadata={"pets": 1})
    assert session.refusal(ADA, "session.describe", metadata={"pets": 1.0}).code == "no_change"
    session.do(ADA, "session.describe", metadata={"pets": True})
    assert session.state.session.metadata["pets"] is True


def test_metadata_does_not_grow_without_end(session: Rehearsal) -> None:
    """It is in memory for as long as its session is, and in every answer about it."""
    for name in ("a", "b"):
        session.do(ADA, "session.describe", metadata={name: "x" * 30_000})
    assert session.refusal(ADA, "session.describe", metadata={"c": "x" * 30_000}).code == "too_large"
    session.do(ADA, "session.describe", metadata={"a": None, "c": "x" * 30_000})
    assert Rehearsal(opened=False).refusal(ADA, "session.open", metadata={"a": "x" * 65_536}).code == "too_large"


def test_labels_are_set_and_removed(session: Rehearsal) -> None:
    session.do(ADA, "session.label", set={"team": "travel", "vip": ""})
    session.do(ADA, "session.label", set={"team": "sales"}, remove=["vip", "unknown"])
    assert session.state.session.labels == {"team": "sales"}


def test_a_label_that_is_set_and_removed_at_once_is_removed(session: Rehearsal) -> None:
    session.do(ADA, "session.label", set={"team": "travel"})
    session.do(ADA, "session.label", set={"team": "sales"}, remove=["team"])
    assert session.state.session.labels == {}


def test_labels_that_change_nothing_are_not_recorded(session: Rehearsal) -> None:
    assert session.refusal(ADA, "session.label", remove=["unknown"]).code == "no_change"


def test_a_session_has_at_most_64_labels(session: Rehearsal) -> None:
    session.do(ADA, "session.label", set={f"label-{number}": "" for number in range(64)})
    refusal = session.refusal(ADA, "session.label", set={"one-more": ""})
    assert (refusal.code, refusal.extra) == ("conflict", {"labels": 64})
    session.do(ADA, "session.label", set={"one-more": ""}, remove=["label-0"])


def test_a_closed_session_refuses_everything_but_being_reopened(session: Rehearsal) -> None:
    session.do(ADA, "session.close", reason="Booked.")
    assert session.refusal(ADA, "message.post", message="m1", text="Wait!").code == "session_closed"
    assert session.refusal(ADA, "session.close").code == "session_closed"
    session.do(ADA, "session.reopen", reason="Not quite.")
    session.do(ADA, "message.post", message="m1", text="Wait!")


def test_an_open_session_is_not_reopened(session: Rehearsal) -> None:
    assert session.refusal(ADA, "session.reopen").code == "no_change"


def test_what_a_session_held_is_there_after_reopening(session: Rehearsal) -> None:
    session.do(ADA, "session.describe", title="Lisbon")
    session.do(ADA, "session.close")
    session.do(ADA, "session.reopen")
    assert session.state.session.title == "Lisbon"
