"""Who may see an event: everyone, or the groups and participants that it names, and always its actor."""

import pytest

from stenogram.domain.audience import RESERVED, SAID, Viewer, readers, visible
from stenogram.domain.catalogue import BUILT_IN
from stenogram.domain.model import Kind
from stenogram.testing.rehearsal import Rehearsal

ADA = Viewer("ada", "user")
HOTELS = Viewer("hotels", "agent")
EXPORT = Viewer("export", "service")
AUDITOR = Viewer("auditor", "service", sees_all=True)

# audience, actor, and whether ada, hotels, export and the auditor see it
TRUTH: list[tuple[tuple[str, ...] | None, str, tuple[bool, bool, bool, bool]]] = [
    (None, "flights", (True, True, True, True)),
    (("users",), "flights", (True, False, False, True)),
    (("agents",), "flights", (False, True, True, True)),
    (("agents", "users"), "flights", (True, True, True, True)),
    (("ada",), "flights", (True, False, False, True)),
    (("hotels", "users"), "flights", (True, True, False, True)),
    (("bob",), "flights", (False, False, False, True)),
    (("bob",), "hotels", (False, True, False, True)),
    (("agents",), "ada", (True, True, True, True)),
    ((), "flights", (False, False, False, True)),
]


@pytest.mark.parametrize(("audience", "actor", "seen"), TRUTH)
def test_who_sees_what(audience: tuple[str, ...] | None, actor: str, seen: tuple[bool, ...]) -> None:
    said = readers("message.posted", audience, actor)
    assert tuple(visible(said, viewer) for viewer in (ADA, HOTELS, EXPORT, AUDITOR)) == seen


@pytest.mark.parametrize("type", sorted(set(BUILT_IN) - set(SAID)))
def test_who_caused_an_event_has_no_say_in_who_sees_it(type: str) -> None:
    assert readers(type, ("agents",), "ada") == ("agents",)


def test_everything_that_counts_as_said_is_a_type_that_there_is_or_an_applications_own() -> None:
    assert {name for name in SAID if not name.endswith(".")} <= set(BUILT_IN)


@pytest.mark.parametrize("group", sorted(RESERVED))
def test_an_actor_called_like_a_group_opens_nothing_to_it(group: str) -> None:
    assert readers("message.posted", ("bob",), group) == ("bob",)


@pytest.mark.parametrize(("name", "kind"), [("users", "agent"), ("agents", "user"), ("everyone", "service")])
def test_a_participant_called_like_a_group_sees_no_more_for_it(name: str, kind: Kind) -> None:
    assert not visible((name, "bob"), Viewer(name, kind))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["users", "ada", "users"], ("ada", "users")),
        (["everyone"], None),
        (["ada", "everyone"], None),
        (None, None),
    ],
)
def test_an_audience_is_kept_in_one_form(session: Rehearsal, given: object, kept: object) -> None:
    (posted,) = session.do("hotels", "message.post", message="m1", text="Hi.", audience=given)
    assert posted.audience == kept


@pytest.mark.parametrize("audience", [[], "users", [""], ["a b"], [1], [None], ["x"] * 65, {"users": 1}])
def test_what_is_no_audience_is_invalid(session: Rehearsal, audience: object) -> None:
    assert session.refusal("hotels", "message.post", message="m1", text="Hi.", audience=audience).code == "invalid"
