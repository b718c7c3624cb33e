"""An answer may have a value that matches a schema, and no schema and no value can keep the gateway busy."""

import contextlib
import time
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from stenogram.domain.errors import Invalid
from stenogram.domain.json.answer_schema import MAX_PATTERNS, MAX_SUBSCHEMAS, AnswerSchema, refuse_mismatch
from stenogram.domain.model import Actor
from stenogram.testing.rehearsal import Rehearsal

ADA, BEN = Actor("ada", "user"), Actor("ben", "user")
CHANGES = {
    "type": "object",
    "properties": {"hotel": {"type": "string"}, "nights": {"type": "integer", "minimum": 1}},
    "additionalProperties": False,
}
check = TypeAdapter(AnswerSchema).validate_python


def ask(session: Rehearsal, **more: Any) -> Any:
    """Hotels asks."""
    (event,) = session.do("hotels", "approval.request", {"approval": "a1", "question": "Book it?", **more})
    return event.data


def answer(session: Rehearsal, **more: Any) -> Any:
    """Ada answers."""
    (event,) = session.do(ADA, "approval.answer", {"approval": "a1", **more})
    return event.data


def test_to_approve_with_changes_is_one_answer(session: Rehearsal) -> None:
    ask(session, options=["approve", "reject"], answer_schema=CHANGES)
    answered = answer(session, option="approve", value={"hotel": "Ritz", "nights": 2}, comment="Nearer.")
    assert (answered.option, answered.value) == ("approve", {"hotel": "Ritz", "nights": 2})
    known = session.state.approvals.known["a1"]
    assert (known.status, known.option, known.value) == ("answered", "approve", {"hotel": "Ritz", "nights": 2})
    again = session.do(BEN, "approval.answer", approval="a1", option="reject")
    assert again[0].data == answered


def test_with_options_a_value_may_be_left_out(session: Rehearsal) -> None:
    ask(session, options=["approve", "reject"], answer_schema=CHANGES)
    assert answer(session, option="approve").value is None


def test_an_answer_may_be_a_free_text(session: Rehearsal) -> None:
    asked = ask(session, answer_schema={"type": "string", "minLength": 1})
    assert asked.options == ()
    assert session.refusal(ADA, "approval.answer", approval="a1").code == "invalid"
    assert session.refusal(ADA, "approval.answer", approval="a1", value="").code == "invalid"
    assert session.refusal(ADA, "approval.answer", approval="a1", option="yes", value="x").code == "not_found"
    assert answer(session, value="Somewhere quiet.").value == "Somewhere quiet."


def test_a_value_that_does_not_match_is_refused_with_the_place(session: Rehearsal) -> None:
    ask(session, options=["approve"], answer_schema=CHANGES)
    refusal = session.refusal(ADA, "approval.answer", approval="a1", option="approve", value={"nights": 0})
    assert (refusal.code, refusal.extra) == ("invalid", {"at": "/nights"})
    assert "the value is less than the minimum of 1" in refusal.detail
    assert session.state.approvals.known["a1"].status == "open"


def test_an_answer_needs_one_of_the_options_where_there_are_any(session: Rehearsal) -> None:
    ask(session, options=["approve", "reject"], answer_schema=CHANGES)
    assert session.refusal(ADA, "approval.answer", approval="a1", value={}).code == "not_found"
    session.do("hotels", "approval.request", approval="a2", question="?")
    assert session.refusal(ADA, "approval.answer", approval="a2", option="yes", value=1).code == "invalid"
    assert session.refusal(ADA, "approval.answer", approval="a2").code == "not_found"


def test_a_default_is_an_option(session: Rehearsal) -> None:
    data = {"approval": "a1", "question": "?", "answer_schema": {"type": "string"}, "within": 60, "default": "yes"}
    assert session.refusal("hotels", "approval.request", data).code == "not_found"


def test_a_value_is_not_too_large(session: Rehearsal) -> None:
    ask(session, answer_schema={"type": "string"})
    assert session.refusal(ADA, "approval.answer", approval="a1", value="x" * 70_000).code == "too_large"


class Room(BaseModel):
    """What pydantic makes of nested models is a schema that is taken."""

    beds: int


class Stay(BaseModel):
    """Likewise."""

    hotel: str
    rooms: list[Room]
    note: str | None = None


def test_the_schema_of_a_pydantic_model_is_taken() -> None:
    schema = check(Stay.model_json_schema())
    refuse_mismatch(schema, {"hotel": "Ritz", "rooms": [{"beds": 2}]})
    with pytest.raises(Invalid, match="/rooms/0/beds"):
        refuse_mismatch(schema, {"hotel": "Ritz", "rooms": [{"beds": "two"}]})


def doubled(levels: int) -> dict[str, Any]:
    """A small schema that is exponentially large with its references written out."""
    defs = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**defs, f"d{levels}": {"type": "string"}}}


def nested(levels: int) -> dict[str, Any]:
    """A schema of lists of lists."""
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "text"}, "no JSON Schema at /type"),
        ({"minimum": "1"}, "no JSON Schema at /minimum"),
        ({"propertys": {}}, "keyword 'propertys' is not known"),
        ({"properties": {"a": {"unevaluatedProperties": False}}}, "not known"),
        ({"$ref": "https://example.com/schema"}, r"a \$ref leads to a definition"),
        ({"$ref": "file:///etc/passwd"}, r"a \$ref leads to a definition"),
        ({"$ref": "#"}, r"a \$ref leads to a definition"),
        ({"$id": "https://example.com/x"}, "not known"),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, "is of https"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}, "refers to itself"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}}, "refers to itself"),
        (doubled(12), "more than"),
        (nested(17), "nested more than 16 deep"),
        ({"anyOf": [{}] * MAX_SUBSCHEMAS}, f"more than {MAX_SUBSCHEMAS} subschemas"),
        ({"anyOf": [{"pattern": "a"}] * (MAX_PATTERNS + 1)}, f"more than {MAX_PATTERNS} patterns"),
        ({"enum": ["x" * 20_000]}, "at most 16384 bytes"),
        ({"pattern": r"(?=a)"}, "no JSON Schema at /pattern"),
        ({"pattern": r"(a)\1"}, "no JSON Schema at /pattern"),
        ({"pattern": "((a{100}){100}){100}"}, "no JSON Schema at /pattern"),
    ],
)
def test_what_is_no_schema_or_could_take_long_is_refused(schema: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        check(schema)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"allOf": [{"pattern": f"^(a+)+{n}$"} for n in range(MAX_PATTERNS)]}, "a" * 60_000 + "!"),
        ({"anyOf": [{"pattern": f"(x+x+)+y{n}"} for n in range(MAX_PATTERNS)]}, "x" * 60_000),
        ({"not": {"pattern": "(.*a){12}b"}}, "a" * 60_000),
        ({"items": {"allOf": [{"minimum": n} for n in range(MAX_SUBSCHEMAS - 2)]}}, [1_000] * 12_000),
        ({"uniqueItems": True}, [[n] for n in range(8_000)]),
    ],
)
def test_no_value_takes_long(schema: dict[str, Any], value: Any) -> None:
    schema = check(schema)
    begin = time.thread_time()
    with contextlib.suppress(Invalid):
        refuse_mismatch(schema, value)
    assert time.thread_time() - begin < 1


def test_a_refusal_does_not_echo_the_value() -> None:
    with pytest.raises(Invalid) as refused:
        refuse_mismatch({"type": "integer"}, "x" * 10_000)
    assert len(refused.value.detail) < 200
