"""What a worker knows of tasks in sessions that it has not joined: a hint, which events keep current."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from pydantic import JsonValue

from stenogram.client.worker.open_tasks import OpenTasks
from stenogram.domain.concepts.lifecycle import SessionReopened
from stenogram.domain.concepts.tasks import (
    Task,
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskCreated,
    TaskFailed,
    TaskReady,
    TaskReleased,
)
from stenogram.domain.ids import Position, Version
from stenogram.domain.model import Event, EventData

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOTEL: JsonValue = {"kind": "hotel"}
FLIGHT: JsonValue = {"kind": "flight"}


@pytest.fixture
def tasks() -> OpenTasks:
    """Of the agent `hotels`, who wants hotels, in trips."""
    return OpenTasks("hotels", lambda session: session.startswith("trip-"), lambda input: input == HOTEL)


def happens(tasks: OpenTasks, *data: EventData, session: str = "trip-1", after: int = 0) -> None:
    """These events happen."""
    for version, each in zip(count(after + 1), data, strict=False):
        tasks.on_event(Event(Position(version), session, Version(version), f"e{version}", each.type, NOW, "ann", each))


def created(input: Any = HOTEL, task: str = "t1", **more: Any) -> TaskCreated:
    """A task is created."""
    return TaskCreated(task=task, title="T", input=input, **more)


def board(**statuses: Any) -> dict[str, Task]:
    """Tasks as a session knows them."""
    known = {}
    for id, status in statuses.items():
        known[id] = Task(id, "T", HOTEL, None, (), None, "ann", 60.0, Version(1), NOW, status=status)
    return known


@pytest.mark.parametrize(
    ("then", "open"),
    [
        ([], True),
        ([TaskClaimed(task="t1", attempt=1)], False),
        ([TaskClaimed(task="t1", attempt=1), TaskReleased(task="t1", attempt=1, why="lost")], True),
        ([TaskClaimed(task="t1", attempt=1), TaskFailed(task="t1", attempt=1, error="x", retryable=True)], True),
        ([TaskFailed(task="t1", error="x")], False),
        ([TaskClaimed(task="t1", attempt=1), TaskCompleted(task="t1", attempt=1)], False),
        ([TaskCancelled(task="t1")], False),
        ([TaskReleased(task="t1", why="rerouted", assignee="ann")], False),
    ],
)
def test_events_say_whether_a_task_may_be_claimed(tasks: OpenTasks, then: list[EventData], open: bool) -> None:
    happens(tasks, created(), *then)
    assert tasks.sessions() == (["trip-1"] if open else [])


def test_only_what_is_wanted_counts(tasks: OpenTasks) -> None:
    happens(tasks, created(FLIGHT))
    happens(tasks, created(), session="tour-1")
    happens(tasks, created(assignee="ann"), session="trip-2")
    assert tasks.sessions() == []
    happens(tasks, TaskReleased(task="t1", why="assignee-timeout"), session="trip-2", after=1)
    happens(tasks, TaskReleased(task="t1", why="rerouted", input=HOTEL), after=1)
    assert tasks.sessions() == ["trip-2", "trip-1"]


def test_a_list_adds_what_is_unknown_and_changes_nothing_else(tasks: OpenTasks) -> None:
    happens(tasks, created(), TaskClaimed(task="t1", attempt=1))
    rows = [
        {"session": session, "task": task, "status": status, "input": input}
        for session, task, status, input in (
            ("trip-1", "t1", "open", HOTEL),
            ("trip-2", "t2", "open", FLIGHT),
            ("tour-1", "t3", "open", HOTEL),
            ("trip-4", "t4", "claimed", HOTEL),
        )
    ]
    tasks.listed(rows)
    assert tasks.sessions() == []
    tasks.listed([{"session": "trip-5", "task": "t5", "status": "open", "input": HOTEL}])
    happens(tasks, TaskReleased(task="t4", attempt=1, why="lost"), session="trip-4")
    assert tasks.sessions() == ["trip-4", "trip-5"]


def test_a_session_that_was_left_waits_for_an_event(tasks: OpenTasks) -> None:
    happens(tasks, created())
    tasks.left("trip-1", 1, board(t1="open"), [])
    assert tasks.sessions() == []
    happens(tasks, TaskReady(task="t1"), after=1)
    assert tasks.sessions() == ["trip-1"]


def test_events_that_a_session_had_not_heard_of_when_it_was_left_count(tasks: OpenTasks) -> None:
    happens(tasks, created(), created(task="t2"))
    tasks.left("trip-1", 1, board(t1="completed"), [])
    assert tasks.sessions() == ["trip-1"]


def test_a_session_that_was_left_goes_to_the_end(tasks: OpenTasks) -> None:
    happens(tasks, created())
    happens(tasks, created(), session="trip-2")
    tasks.left("trip-1", 1, board(t1="open"), ["t1"])
    assert tasks.sessions() == ["trip-2", "trip-1"]


def test_a_session_that_cannot_be_joined_is_passed_over_until_something_happens(tasks: OpenTasks) -> None:
    happens(tasks, created())
    tasks.refused("trip-1")
    tasks.listed([{"session": "trip-1", "task": "t1", "status": "open", "input": HOTEL}])
    assert tasks.sessions() == []
    happens(tasks, SessionReopened(), after=1)
    assert tasks.sessions() == ["trip-1"]


def test_what_has_ended_is_forgotten(tasks: OpenTasks) -> None:
    for number in range(100):
        happens(tasks, created(), TaskCancelled(task="t1"), session=f"trip-{number}")
        happens(tasks, created(), session=f"trip-b{number}")
        tasks.left(f"trip-b{number}", 1, board(t1="completed"), [])
    assert (tasks._sessions, tasks._versions) == ({}, {})
