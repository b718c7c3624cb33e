"""What something took, and what an application keeps with it: on messages, tool calls and tasks."""

from typing import Any

import pytest

from stenogram.domain.concepts.reports import MAX_REPORT_BYTES
from stenogram.domain.model import Actor
from stenogram.log.commit.repetition import may_have_led_to
from stenogram.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")
USAGE, METADATA = {"output_tokens": 12, "model": "large-1"}, {"request": "r-1", "tags": ["a", None]}
BEGINS: dict[str, dict[str, Any]] = {
    "message.start": {"message": "m9"},
    "tool.call": {"call": "c9", "tool": "search"},
    "task.create": {"task": "k9", "title": "T"},
}
ENDS: dict[str, dict[str, Any]] = {
    "message.post": {"message": "m9", "text": "Three."},
    "message.complete": {"message": "m1"},
    "message.abort": {"message": "m1"},
    "tool.return": {"call": "c1", "error": "No line."},
    "task.complete": {"task": "k1", "attempt": 1},
    "task.fail": {"task": "k1", "attempt": 1, "error": "No line."},
    "task.release": {"task": "k1", "attempt": 1},
}


@pytest.fixture
def work(session: Rehearsal) -> Rehearsal:
    """Hotels has begun one of each."""
    session.do(ADA, "presence.join")
    session.do("hotels", "message.start", message="m1")
    session.do("hotels", "tool.call", call="c1", tool="search")
    session.do("planner", "task.create", task="k1", title="T")
    session.do("hotels", "task.claim", task="k1")
    return session


@pytest.mark.parametrize("do", [*BEGINS, *ENDS])
def test_it_is_kept_as_it_was_said_and_told_from_something_else(work: Rehearsal, do: str) -> None:
    said = {"metadata": METADATA, **({"usage": USAGE} if do in ENDS else {})}
    command = work.command("hotels", do, {**BEGINS, **ENDS}[do] | said)
    (event, *_) = work.execute(command)
    assert event.data.model_dump(include={*said}) == said
    assert may_have_led_to(command, event)
    assert not may_have_led_to(work.command("hotels", do, {**BEGINS, **ENDS}[do]), event)


def test_an_attempt_reports_what_it_took_so_far(work: Rehearsal) -> None:
    (event,) = work.do("hotels", "task.progress", task="k1", attempt=1, usage=USAGE)
    assert event.data.model_dump(include={"usage"}) == {"usage": USAGE}


def test_the_last_attempt_that_is_given_back_reports_as_well(work: Rehearsal) -> None:
    work.do("planner", "task.create", task="k2", title="T", max_attempts=1)
    work.do("hotels", "task.claim", task="k2")
    (failed, *_) = work.do("hotels", "task.release", task="k2", attempt=1, usage=USAGE, metadata=METADATA)
    assert failed.type == "task.failed"
    assert failed.data.model_dump(include={"usage", "metadata"}) == {"usage": USAGE, "metadata": METADATA}


@pytest.mark.parametrize("name", ["usage", "metadata"])
@pytest.mark.parametrize("do", ENDS)
def test_there_is_a_limit(work: Rehearsal, do: str, name: str) -> None:
    fits = {"a": "x" * (MAX_REPORT_BYTES - 8)}
    assert work.refusal("hotels", do, {**ENDS[do], name: {"a": fits["a"] + "x"}}).code == "too_large"
    work.do("hotels", do, {**ENDS[do], name: fits})


@pytest.mark.parametrize("do", [do for do in ENDS if do.startswith("task.")])
def test_people_read_no_more_of_it_than_of_what_an_agent_without_the_floor_says(work: Rehearsal, do: str) -> None:
    work.do(ADA, "floor.move", speakers=["planner"])
    withheld, ended, *_ = work.do("hotels", do, {**ENDS[do], "usage": USAGE, "metadata": METADATA})
    assert (withheld.type, withheld.audience, ended.audience) == ("floor.withheld", ("agents",), None)
    assert withheld.data.model_dump()["said"].items() >= {"usage": USAGE, "metadata": METADATA}.items()
    assert ended.data.model_dump(include={"usage", "metadata"}) == {"usage": None, "metadata": None}
