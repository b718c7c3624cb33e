"""A command that comes again is recognised by the event that it led to first."""

from datetime import timedelta
from typing import Any

import pytest
from support.random_play import Play

from stenogram.domain.errors import Conflict
from stenogram.domain.model import Command, Event
from stenogram.log.commit.repetition import may_have_led_to
from stenogram.testing.rehearsal import Rehearsal


def ended(do: str, *, speaks: bool = True, **data: Any) -> tuple[Rehearsal, Command, Event]:
    """A task whose only attempt is ended by its holder; the command, and the first event that it led to."""
    session = Rehearsal()
    session.do("ada", "task.create", task="k", title="T", max_attempts=1)
    session.do("hotels", "task.claim", task="k")
    if not speaks:
        session.do("ada", "floor.move", speakers=[])
    command = session.command("hotels", do, {"task": "k", "attempt": 1, **data})
    return session, command, session.execute(command)[0]


@pytest.mark.parametrize("speaks", [True, False])
@pytest.mark.parametrize("reason", [None, "Too hard.", "x" * 2_000])
def test_a_release_of_the_last_attempt_is_recognised_by_the_failure(reason: str | None, speaks: bool) -> None:
    said = {} if reason is None else {"reason": reason}
    session, command, first = ended("task.release", speaks=speaks, **said)
    assert first.type == ("task.failed" if speaks else "floor.withheld")
    assert may_have_led_to(command, first)
    for other in ({"reason": "Too easy."}, {"task": "k2", **said}):
        another = session.command("hotels", "task.release", {"task": "k", "attempt": 1, **other})
        assert not may_have_led_to(another, first)


def test_a_failure_that_could_be_retried_is_recognised_when_no_attempt_is_left() -> None:
    session, command, first = ended("task.fail", error="No.", retryable=True)
    assert may_have_led_to(command, first)
    assert not may_have_led_to(
        session.command("hotels", "task.fail", {"task": "k", "attempt": 1, "error": "Yes."}), first
    )


@pytest.mark.parametrize("within", [None, 0.1, 30])
@pytest.mark.parametrize(
    ("do", "data"),
    [("task.create", {"task": "k", "title": "T"}), ("approval.request", {"approval": "a", "question": "?"})],
)
def test_another_deadline_is_another_command(do: str, data: dict[str, Any], within: float | None) -> None:
    session, times = Rehearsal(), {} if within is None else {"within": within}
    command = session.command("hotels", do, {**data, **times})
    (first,) = session.execute(command)
    assert may_have_led_to(command._replace(time=command.time + timedelta(seconds=5)), first)
    for other in ({"within": 31}, {} if times else {"within": 0.1}):
        assert not may_have_led_to(session.command("hotels", do, {**data, **other}), first)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_accepted_is_recognised_when_it_comes_again(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    execute, unknown = Rehearsal.execute, []

    def twice(session: Rehearsal, command: Command) -> tuple[Event, ...]:
        events = execute(session, command)
        try:
            assert execute(session, command) == events
        except Conflict:
            unknown.append((command.data, events[0].data))
        return events

    monkeypatch.setattr(Rehearsal, "execute", twice)
    play = Play(seed)
    for _ in range(130):
        play.step()
    assert unknown == []
