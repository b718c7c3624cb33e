"""Commands are read on a path of their own, and mean there what the frame's model says."""

import sys
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stenogram.api.protocol.client_frames import CommandFrame, parse_command_frame
from stenogram.domain.commands import parse_command
from stenogram.domain.errors import Invalid, StenogramError, UnknownCommand

names = st.sampled_from(["a", "trip-7", "a" * 128, "a" * 129, "", "-a", "a\n", "a b", "é", "A.b_c:d@e+f"])
odd = st.none() | st.booleans() | st.integers() | st.floats() | names | st.lists(names, max_size=2)
deltas = st.fixed_dictionaries(
    {"message": names, "index": st.integers(-1, 3) | st.sampled_from([1.0, 1.5, True, 2**53, 2**53 + 1, "1"])},
    optional={"text": st.sampled_from(["one", "", 1]), "part": st.sampled_from(["text", "data", None]), "first": odd},
)
members = st.fixed_dictionaries(
    {
        "frame": st.just("command"),
        "id": names | odd,
        "session": names | odd,
        "do": st.sampled_from(["message.delta", "session.open", "message.fly"]) | odd,
        "data": deltas | st.just({}) | odd,
    },
    optional={
        "expect": st.just({"": 1}) | odd,
        "producer": st.just({"id": "p", "epoch": 1, "seq": 0}) | odd,
        "more": odd,
    },
)


def outcome(read: Any) -> Any:
    try:
        return read()
    except StenogramError as error:
        return type(error)


def by_the_model(frame: dict[str, Any]) -> Any:
    try:
        read = CommandFrame.model_validate(frame)
    except ValueError:
        return Invalid
    return read.id, read.session, outcome(lambda: parse_command(read.do, read.data))


@given(members)
@settings(max_examples=400)
def test_a_command_is_accepted_or_refused_as_the_model_does(frame: dict[str, Any]) -> None:
    expected = by_the_model(frame)
    found = outcome(lambda: parse_command_frame(frame)[1:])
    if isinstance(expected, tuple) and expected[2] in (Invalid, UnknownCommand):
        expected = expected[2]
    assert found == expected


def test_no_name_is_kept_for_being_too_long() -> None:
    name = "a" * 100_000
    frame = {"frame": "command", "id": "a", "session": name, "do": "session.open", "data": {}}
    before = sys.getrefcount(name)
    assert outcome(lambda: parse_command_frame(frame)) is Invalid
    assert sys.getrefcount(name) == before
