"""What taps keep while nobody writes it: in order, within bounds, whatever the values are."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from stenogram.adapters.taps.backlog import Backlog, Room
from stenogram.adapters.taps.run_record import RunRecord
from stenogram.adapters.taps.steps import (
    STEP_CHARS,
    Called,
    Ended,
    Finished,
    Pieces,
    Read,
    Returned,
    Speaker,
    Started,
    chars_of,
)
from stenogram.adapters.taps.tap import Tap, prompt_of
from stenogram.adapters.taps.values import MAX_VALUE_CHARS, Value, sound

WHO = Speaker("planner")


def _run(chars: int = 100_000) -> RunRecord:
    return RunRecord(Room(chars), "A hotel?", "A hotel?", "planner")


def _kinds(run: RunRecord) -> list[type]:
    return [type(step) for step in run.backlog.take()]


def _taken(run: RunRecord) -> list[tuple[str, str]]:
    return [
        (step.part, run.backlog.take_pieces(step.gathered)) for step in run.backlog.take() if isinstance(step, Pieces)
    ]


def test_steps_come_in_order_and_pieces_gather() -> None:
    run = _run()
    message = run.message(WHO)
    for word in ("a", "b", "c"):
        message.write(word)
    call = run.call(WHO, "find", {"x": 1}, message)
    call.end("found")
    message.end([("text", "abc")])
    run.end("done")
    assert _kinds(run) == [Started, Pieces, Called, Returned, Ended, Finished]


def test_thoughts_and_words_keep_their_order() -> None:
    run = _run()
    message = run.message(WHO)
    for text, part in (("hm ", "reasoning"), ("ok", "reasoning"), ("Yes", "text"), ("?", "reasoning")):
        message.write(text, part)
    assert _taken(run) == [("reasoning", "hm ok"), ("text", "Yes"), ("reasoning", "?")]


def test_a_piece_wakes_only_when_nothing_was_there_and_a_step_always() -> None:
    woken: list[int] = []
    run = _run()
    run.backlog.take()  # nothing: from now on the next piece wakes
    message = run.message(WHO)
    run.backlog.wake = lambda: woken.append(1)
    run.backlog.take()
    message.write("a")
    assert not woken  # it gathers, while what was taken is written
    run.backlog.take()
    run.backlog.take()
    message.write("b")
    assert not woken  # it is in line behind the piece that nobody has fetched
    run.message(WHO)
    assert woken == [1]


def test_a_full_backlog_keeps_beginnings_and_all_ends() -> None:
    run = _run(3 * STEP_CHARS + 40)
    message = run.message(WHO)
    call = run.call(WHO, "find", None, message)
    message.write("x" * 30)
    message.write("y" * 600)  # no room, and nothing after it
    message.write("z")
    late = run.message(WHO)
    late.write("never")
    late.end()
    call.end({"found": "x" * 1_000})
    message.end()
    run.end()
    steps = run.backlog.take()
    assert [type(step) for step in steps] == [Started, Called, Pieces, Returned, Ended, Finished]
    assert run.left_out == 1
    (returned,) = [step for step in steps if isinstance(step, Returned)]
    (ended,) = [step for step in steps if isinstance(step, Ended)]
    assert (returned.result, returned.dropped, ended.dropped) == (None, True, 601)


def test_room_is_given_back_when_steps_are_done() -> None:
    room = Room(10_000)
    run = RunRecord(room, "?", "?", "planner")
    message = run.message(WHO)
    message.write("abc")
    run.call(WHO, "find", {"x": "y"}).end({"z": 1})
    message.end([("text", "abc")])
    run.end({"all": "done"})
    for step in run.backlog.take():
        if isinstance(step, Pieces):
            room.give(len(run.backlog.take_pieces(step.gathered)))
        room.give(chars_of(step))
    assert room.free == 10_000


def test_room_is_given_back_when_a_run_is_not_recorded_any_more() -> None:
    room = Room(10_000)
    run = RunRecord(room, "?", "?", "planner")
    message = run.message(WHO)
    message.write("abc")
    run.backlog.take()  # and none of it is done
    run.call(WHO, "find", {"x": "y"})
    run.backlog.discard()
    message.write("def")
    run.end({"all": "done"})
    assert room.free == 10_000


def test_the_end_of_a_run_ends_what_is_open_once() -> None:
    run = _run()
    message, call = run.message(WHO), run.call(WHO, "find", None)
    run.end(error="ConnectionError")
    run.end("again")
    message.end()
    call.end("late")
    run.message(WHO).write("late")
    steps = run.backlog.take()
    assert [type(step) for step in steps] == [Started, Called, Ended, Returned, Finished]
    assert [step.reason for step in steps if isinstance(step, Ended)] == ["ConnectionError"]


def test_instructions_are_read_once_and_told_as_long_as_they_count() -> None:
    run = _run()
    run.instruct("s-1", "With a view.")
    run.instruct("s-1", "With a view.")
    assert run.unread() == ["s-1"]
    assert run.instructions() == ["With a view."]
    assert run.instructions() == ["With a view."]
    assert run.instructions(all=False) == []
    assert [step.signal for step in run.backlog.take() if isinstance(step, Read)] == ["s-1"]


def test_a_stop_that_raises_is_logged_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    run = _run()

    def stop() -> None:
        raise OSError("no")

    run.stop = stop
    run.request_stop()
    assert run.stopping
    assert "could not be stopped" in caplog.text


def test_what_is_said_of_an_error_can_be_sent_and_breaks_no_program() -> None:
    def fails(error: BaseException) -> str:
        raise OSError("no")

    error = ConnectionError("half \ud800")
    assert Tap("http://127.0.0.1:1").error_text(error) == "ConnectionError"
    assert Tap("http://127.0.0.1:1", error_text=str).error_text(error) == "half \\ud800"
    assert Tap("http://127.0.0.1:1", error_text=fails).error_text(error) == "ConnectionError"


def test_threads_lose_nothing() -> None:
    backlog = Backlog(Room())
    threads = [threading.Thread(target=lambda: [backlog.put(Read(str(n))) for n in range(1_000)]) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(backlog.take()) == 4_000


@dataclass
class _Plain:
    x: Any


class _Model(BaseModel):
    y: int


class _Bad:
    def __str__(self) -> str:
        raise RuntimeError("not even that")


def test_any_value_is_kept_as_json() -> None:
    for value, kept in [
        ({"a": _Plain(1), 2: _Model(y=3)}, {"a": {"x": 1}, "2": {"y": 3}}),
        ({1}, [1]),
        (b"abc", "abc"),
        (float("nan"), None),
        (_Bad(), "(_Bad)"),
        ("\ud800", "?"),
    ]:
        assert Value(value).loaded() == kept
    long = Value("x" * 300_000)
    assert long.truncated
    assert len(long.loaded()) == MAX_VALUE_CHARS
    assert sound("a\udc00b") == "a?b"


def test_a_prompt_is_found_in_what_runs_are_given() -> None:
    for input in (
        "A hotel?",
        {"messages": "A hotel?"},
        {"messages": [("user", "A hotel?")]},
        [{"role": "user", "content": "A hotel?"}],
    ):
        assert prompt_of(input) == "A hotel?"
    assert prompt_of({"steps": []}) == prompt_of(None) == prompt_of([]) == ""
