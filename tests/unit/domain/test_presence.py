"""A participant joins, says what it is doing, and leaves."""

from hansard.domain.model import Actor
from hansard.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")


def test_a_participant_joins_under_its_own_name(session: Rehearsal) -> None:
    (joined,) = session.do(ADA, "presence.join", name="Ada", about={"avatar": "a.png"})
    ada = session.state.presence["ada"]
    assert (ada.kind, ada.name, ada.about, ada.present, ada.status) == (
        "user",
        "Ada",
        {"avatar": "a.png"},
        True,
        "idle",
    )
    assert (joined.data.subject(), ada.since) == ("presence:ada", joined.version)


def test_a_participant_joins_once(session: Rehearsal) -> None:
    session.do(ADA, "presence.join")
    assert session.refusal(ADA, "presence.join").code == "no_change"


def test_a_participant_says_what_it_is_doing(session: Rehearsal) -> None:
    session.do("hotels", "presence.join")
    session.do("hotels", "presence.status", status="waiting-for-human", activity="Which hotel?")
    hotels = session.state.presence["hotels"]
    assert (hotels.status, hotels.activity) == ("waiting-for-human", "Which hotel?")


def test_a_status_that_is_known_is_not_recorded(session: Rehearsal) -> None:
    session.do("hotels", "presence.join")
    session.do("hotels", "presence.status", status="working", activity="Lisbon")
    assert session.refusal("hotels", "presence.status", status="working", activity="Lisbon").code == "no_change"
    session.do("hotels", "presence.status", status="working")
    assert session.state.presence["hotels"].activity is None


def test_who_is_not_here_has_no_status(session: Rehearsal) -> None:
    assert session.refusal("hotels", "presence.status", status="idle").code == "conflict"
    assert session.refusal("hotels", "presence.leave").code == "no_change"


def test_a_status_is_one_of_six(session: Rehearsal) -> None:
    assert session.refusal("hotels", "presence.status", status="sleeping").code == "invalid"


def test_who_left_is_known_and_may_come_back(session: Rehearsal) -> None:
    session.do("hotels", "presence.join", name="Hotels")
    session.do("hotels", "presence.status", status="working", activity="Lisbon")
    session.do("hotels", "presence.leave", reason="Done.")
    gone = session.state.presence["hotels"]
    assert (gone.present, gone.status, gone.activity, gone.name) == (False, "idle", None, "Hotels")
    assert session.refusal("hotels", "presence.leave").code == "no_change"
    session.do("hotels", "presence.join")
    assert session.state.presence["hotels"].present
