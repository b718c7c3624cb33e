"""Nothing that comes later tells anybody what they were not to hear when it was said.

Random sessions are played by their rules: everything that is said holds a word of its own, whoever may ends whatever
they like, time runs out (leases, stalls, graces, deadlines), agents are stopped and begin new runs, and sessions are
forked, also from forks. A word is known to those who may see the event that said it first, if they are meant to: what
is said about a thing (a task, a question, a signal, a message, a call, a name at the top of the shared state) is
meant for those who may see the thing, and nothing that an agent without the floor says is meant for people. Then every
event, every view at two moments, and the session's page is searched, as each participant and a bystander of each kind
is shown it, for words that they do not know; and so is every refusal.

The search says what it covers: it fails when there is a command that it never carried out, or a type of event that it
never saw. More of it: STENOGRAM_TEST_LEAKS=1000.
"""

import os
from collections.abc import Iterator

import pytest
from support.random_play import VIEWERS, WORD, played, secrets

from stenogram.api.http.session_answers import session_answer
from stenogram.domain.audience import Viewer, readers, visible
from stenogram.domain.catalogue import BUILT_IN
from stenogram.domain.commands import COMMANDS
from stenogram.domain.envelope import readers_of
from stenogram.projections import fold
from stenogram.projections.views import BUILT_IN as VIEWS
from stenogram.testing.rehearsal import Rehearsal

SCRIPTS = int(os.environ.get("STENOGRAM_TEST_LEAKS", "60"))


def shown(session: Rehearsal, viewer: Viewer) -> Iterator[tuple[str, bytes]]:
    """Everything of a session that a viewer is shown, and where."""
    for event, stored in zip(session.events, session.stored, strict=True):
        assert readers_of(stored) == readers(event.type, event.audience, event.actor)
        if visible(readers_of(stored), viewer):
            yield f"{event.type} {event.version}", stored
    for upto in (len(session.events), len(session.events) * 2 // 3):
        for view in VIEWS:
            for value in fold(view, session.events[:upto]).values():
                seen = value if view.seen is None else view.seen(value, viewer)
                if seen is not None:
                    yield f"view {view.name} at {upto}", seen.model_dump_json().encode()
    yield "page", session_answer(session.state, viewer).model_dump_json().encode()


@pytest.mark.parametrize("seed", range(SCRIPTS))
def test_nobody_is_shown_what_they_were_not_to_hear(seed: int) -> None:
    play = played(seed)
    for session in play.sessions:
        for viewer in VIEWERS:
            secret = secrets(play, viewer)
            for place, text in shown(session, viewer):
                told = secret.intersection(WORD.findall(text))
                assert not told, f"{viewer.id} is shown {told} of {session.state.id} in {place}"


@pytest.mark.parametrize("seed", range(SCRIPTS))
def test_nobody_is_refused_with_what_they_were_not_to_hear(seed: int) -> None:
    play = played(seed)
    for actor, text in play.refusals:
        told = secrets(play, Viewer(*actor)).intersection(WORD.findall(text))
        assert not told, f"{actor.id} is told {told}: {text!r}"


@pytest.mark.parametrize("seed", range(SCRIPTS))
def test_nobody_is_shown_an_event_about_what_is_not_for_them(seed: int) -> None:
    play = played(seed)
    for session in play.sessions:
        for event in session.events:
            kind = "task" if event.type.startswith("presence.") else event.type.split(".")[0]
            meant = play.things.get(f"{kind}:{getattr(event.data, kind, None)}")
            for viewer in VIEWERS:
                if viewer.id not in (event.actor, getattr(event.data, "participant", None)):
                    assert visible(meant, viewer) or not visible(event.audience, viewer), f"{viewer.id}: {event}"


def test_the_search_has_used_every_command_and_seen_every_event() -> None:
    plays = [played(seed) for seed in range(SCRIPTS)]
    done = {do for play in plays for do in play.done}
    seen = {event.type for play in plays for session in play.sessions for event in session.events}
    assert set(COMMANDS) - {"session.open"} - done == set()
    # Those of subscriptions are in sessions of their own, for one participant; no command of a client leads to them.
    assert {type for type in set(BUILT_IN) - seen if not type.startswith("stream_subscription.")} == set()
