"""The speed of a replay and its pauses."""

from __future__ import annotations

from collections.abc import Callable

import click
import pytest

from stenogram.cli.replay.pacing import Pacing, Pause
from stenogram.cli.replay.speed import SPEED
from stenogram.domain.envelope import parse
from stenogram.domain.model import Event

Jsonl = Callable[[str], bytes]


@pytest.fixture
def events(jsonl: Jsonl) -> list[Event]:
    return [parse(line) for line in jsonl("trip-7").splitlines()]


@pytest.mark.parametrize(("said", "factor"), [("2x", 2.0), ("0.5x", 0.5), ("3", 3.0), ("max", 0.0)])
def test_a_speed_is_a_factor(said: str, factor: float) -> None:
    assert SPEED.convert(said, None, None) == factor


@pytest.mark.parametrize("said", ["", "x", "fast", "0x", "-1", "nan", "inf", "1e9"])
def test_what_is_no_speed_is_refused(said: str) -> None:
    with pytest.raises(click.UsageError):
        SPEED.convert(said, None, None)


def test_time_passes_as_it_did(events: list[Event]) -> None:
    pacing = Pacing(2.0, 5.0)
    assert [pacing.before(event) for event in events[:3]] == [Pause(0.0), Pause(0.075), Pause(0.075)]


def test_a_long_pause_is_shortened_and_says_so(events: list[Event]) -> None:
    pacing = Pacing(1.0, 2.0)
    pacing.before(events[0])
    later = events[1]._replace(time=events[0].time.replace(minute=45))
    assert pacing.before(later) == Pause(2.0, 900.0)


def test_time_that_went_backwards_is_no_pause(events: list[Event]) -> None:
    pacing = Pacing(1.0, 2.0)
    pacing.before(events[5])
    assert pacing.before(events[2]) == Pause(0.0)


def test_at_full_speed_nothing_waits(events: list[Event]) -> None:
    pacing = Pacing(0.0, 2.0, 1.0)
    assert {pacing.before(event) for event in events} == {Pause(0.0)}


def test_a_message_that_was_not_streamed_takes_its_time(events: list[Event]) -> None:
    pacing = Pacing(1.0, 5.0, 1.5)
    assert [pacing.before(event).seconds for event in events[:4]][3] == 1.5
