"""What is refused is said in words of our own, never in those of the library that noticed it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from stenogram.api.http.view_queries import DifferenceQuery, RowsQuery
from stenogram.api.protocol.client_frames import CommandFrame, Hello, Subscribe, Unsubscribe, parse_control, parse_hello
from stenogram.api.protocol.json_input import read_json
from stenogram.api.protocol.queries import EventsQuery, SessionsQuery, validated
from stenogram.domain.catalogue import BUILT_IN
from stenogram.domain.commands import COMMANDS, parse_command
from stenogram.domain.errors import Invalid
from stenogram.domain.json.checks import refuse_unwritable
from stenogram.domain.wording.patterns import pattern, words_of
from stenogram.domain.wording.wrong_input import explain

_LIBRARIES = re.compile(
    r"Input|Field required|[Ee]xtra|permitted|[Vv]alid |[Dd]ictionary|[Tt]uple|instance of|Value error|discriminator|"
    r"pydantic|orjson|serializable|unexpected|document|surrogates not"
)
_WRONG: tuple[Any, ...] = (
    None,
    [],
    {"nonsense": 1},
    {name: [] for name in ("title", "text", "task", "attempt", "message", "index", "kind", "to", "patch", "status")},
    {"audience": [], "labels": 1, "metadata": [], "parts": [{"kind": "no"}, {}, 1], "needs": "t", "priority": "high"},
    {"message": " ", "task": "t" * 200, "attempt": 0, "index": -1, "stall_after": float("inf"), "target": "moon"},
    {"patch": [{"op": "no", "path": "a"}, {"path": 1}], "path": "a", "by": "one", "answer_schema": {"type": 1}},
)
_MODELS: tuple[type[BaseModel], ...] = (
    *COMMANDS.values(),
    *BUILT_IN.values(),
    *(CommandFrame, Hello, Subscribe, Unsubscribe, EventsQuery, SessionsQuery, RowsQuery, DifferenceQuery),
)


@pytest.mark.parametrize("do", COMMANDS)
@pytest.mark.parametrize("data", _WRONG, ids=range(len(_WRONG)))
def test_no_refusal_of_a_command_speaks_as_a_library(do: str, data: Any) -> None:
    with pytest.raises(Invalid) as refused:
        parse_command(do, data)
    assert not _LIBRARIES.search(refused.value.detail), refused.value.detail


@pytest.mark.parametrize("frame", ["subscribe", "unsubscribe", "heartbeat", "no", 1, None])
def test_no_refusal_of_a_frame_speaks_as_a_library(frame: object) -> None:
    for members in ({}, {"sub": 1, "after": [], "views": [], "x": 1}, {"sub": "s", "session": "a b", "types": ["?"]}):
        with pytest.raises(Invalid) as refused:
            parse_control(members | {"frame": frame, "y": 1})
        with pytest.raises(Invalid) as hello:
            parse_hello(members | {"frame": frame})
        assert not _LIBRARIES.search(refused.value.detail + hello.value.detail), refused.value.detail


def test_a_slip_in_the_name_of_a_parameter_is_answered_with_those_there_are() -> None:
    with pytest.raises(Invalid, match=r"tyeps: is not known here; known are after, before, .*types, reading, wait\.$"):
        validated(EventsQuery, {"tyeps": "message.*"})


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"limit": "many"}, "limit: should be a whole number"),
        ({"limit": "0"}, "limit: should be 1 or more"),
        ({"limit": "1001"}, "limit: should be 1000 or less"),
        ({"wait": "inf"}, "wait: should be a finite number"),
        ({"wait": "31"}, "wait: should be 30 or less"),
        ({"reading": "both"}, "reading: should be 'raw' or 'folded'"),
        ({"types": ("Message",)}, "types.0: should be a type of events, or how types begin and *, such as message.*"),
    ],
)
def test_what_should_be_there_is_said(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid) as refused:
        validated(EventsQuery, parameters)
    assert refused.value.detail == f"The query cannot be read: {said}."


def _patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from _patterns(each)


def test_every_pattern_has_words() -> None:
    found = {each for model in _MODELS for each in _patterns(model.model_json_schema())}
    assert len(found) > 8
    assert [each for each in found if each in words_of(each)] == []


def test_a_pattern_of_somebody_elses_is_said_as_it_is() -> None:
    assert words_of("^a+$") == "text that matches ^a+$"
    assert words_of(pattern("^b+$", "many b")) == "many b"


class _Everything(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    a: dict[str, JsonValue] = {}
    b: bool = True
    c: list[int] = Field([], max_length=1)
    d: float = Field(1, gt=0, lt=2)
    e: str = Field("ab", min_length=2, max_length=3)


@pytest.mark.parametrize(
    "members",
    [{name: value} for name in "abcdef" for value in (object(), b"\xff", 1.5, -1, 9, "x", "xxxx", [[], {}], {1: {2}})],
)
def test_whatever_is_wrong_is_said_without_saying_it_again(members: Any) -> None:
    try:
        _Everything.model_validate(members)
    except ValidationError as error:
        said = explain(error, _Everything)
        assert re.match(r"[a-f][a-z0-9.\[\]]*: (should|is not)", said), said
        assert not _LIBRARIES.search(said), said
        assert "xxxx" not in said


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "there is nothing"),
        (b'{"a":\n tru}', "look at line 2, column 2"),
        (b'"\xff"', "it is not UTF-8"),
        (b"[1,]", "look at line 1, column "),
    ],
)
def test_where_json_is_broken_is_said(raw: bytes, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_json(raw, 10)
    assert refused.value.detail.startswith(f"This is not JSON: {said}")
    assert not _LIBRARIES.search(refused.value.detail)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({1: 2}, "a key of an object is a text"),
        ({"a": {1}}, "JSON has nothing for a value of the type set"),
        (2**64, "an integer has at most 64 bits"),
        ("\ud800", "half of a surrogate pair is no text"),
    ],
)
def test_what_cannot_be_written_as_json_is_said(value: Any, said: str) -> None:
    with pytest.raises(TypeError):
        orjson.dumps(value)
    with pytest.raises(Invalid, match=re.escape(said)):
        refuse_unwritable(value)
