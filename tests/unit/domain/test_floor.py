"""The floor says which agents may address people; what others say is for the team."""

import pytest

from stenogram.domain.audience import Viewer, visible
from stenogram.domain.model import Actor
from stenogram.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")


@pytest.fixture
def held(session: Rehearsal) -> Rehearsal:
    """The planner alone has the floor."""
    session.do(ADA, "presence.join")
    session.do("hotels", "presence.join")
    session.do("flights", "presence.join")
    session.do(ADA, "floor.move", speakers=["planner"])
    return session


@pytest.mark.parametrize(
    ("audience", "kept"),
    [
        (None, ("agents",)),
        (["everyone"], ("agents",)),
        (["users"], ("agents",)),
        (["users", "agents"], ("agents",)),
        (["ada"], ("agents",)),
        (["ada", "flights"], ("flights",)),
        (["never-seen"], ("agents",)),
        (["flights", "hotels"], ("flights", "hotels")),
    ],
)
def test_what_an_agent_without_the_floor_says_is_kept_for_the_team(
    held: Rehearsal, audience: list[str] | None, kept: tuple[str, ...]
) -> None:
    to = {} if audience is None else {"audience": audience}
    (posted,) = held.do("hotels", "message.post", {"message": "m1", "text": "Three rooms.", **to})
    assert posted.audience == kept
    (started,) = held.do("hotels", "message.start", {"message": "m2", **to})
    (delta,) = held.do("hotels", "message.delta", message="m2", index=0, text="Three")
    (completed,) = held.do("hotels", "message.complete", message="m2")
    assert {started.audience, delta.audience, completed.audience} == {kept}
    assert not visible(posted.audience, Viewer("ada", "user"))


def test_who_has_the_floor_and_people_say_what_they_want(held: Rehearsal) -> None:
    (said,) = held.do("planner", "message.post", message="m1", text="We have three.", audience=["users"])
    assert said.audience == ("users",)
    (said,) = held.do(ADA, "message.post", message="m2", text="Good.")
    assert said.audience is None
    (said,) = held.do(Actor("bridge", "service"), "message.post", message="m3", text="From the mail.")
    assert said.audience is None


def test_users_and_those_who_have_it_move_the_floor(held: Rehearsal) -> None:
    assert held.refusal("hotels", "floor.move", speakers=["hotels"]).code == "forbidden"
    held.do("planner", "floor.move", speakers=["hotels"])
    (said,) = held.do("hotels", "message.post", message="m1", text="Three rooms.")
    assert said.audience is None
    assert held.refusal(ADA, "floor.move", speakers=["hotels"]).code == "no_change"
    held.do(ADA, "floor.move")
    (said,) = held.do("flights", "message.post", message="m2", text="Two seats.")
    assert said.audience is None


def test_nobody_may_have_it(held: Rehearsal) -> None:
    held.do(ADA, "floor.move", speakers=[])
    (said,) = held.do("planner", "message.post", message="m1", text="We have three.")
    assert said.audience == ("agents",)
