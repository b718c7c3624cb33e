"""Rows in memory: what is summed up, set without validation or stored by a short cut comes to the same as without."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, JsonValue, field_serializer, field_validator

from stenogram.domain.concepts.messages import MessagePosted
from stenogram.domain.parts import DataPart, Part, TextPart
from stenogram.projections import TableProjection
from stenogram.projections.authoring.handlers import Handler
from stenogram.projections.authoring.plain_fields import PlainFields, shallow_copy
from stenogram.projections.authoring.projection import Item
from stenogram.projections.authoring.table_folder import Table


class Score(BaseModel):
    session: str
    name: str
    points: int = 0
    share: float = 0.0
    bounded: Annotated[int, Field(ge=0)] = 0
    note: str | None = None


scores = TableProjection("scores", Score, key_columns=("session", "name"))
Change = tuple[str, str, Any]
names = st.sampled_from(["a", "b"])
changes = st.one_of(
    st.tuples(st.just("add"), names, st.fixed_dictionaries({"points": st.integers(0, 5)})),
    st.tuples(st.just("add"), names, st.fixed_dictionaries({"points": st.just(1), "share": st.just(2)})),
    st.tuples(st.just("add"), names, st.fixed_dictionaries({"share": st.sampled_from([1, 0.5])})),
    st.tuples(st.just("add"), names, st.fixed_dictionaries({"bounded": st.just(1)})),
    st.tuples(st.just("update"), names, st.fixed_dictionaries({"points": st.integers(0, 5)})),
    st.tuples(st.just("upsert"), names, st.integers(0, 5)),
    st.tuples(st.just("delete"), names, st.none()),
)


def work(table: Table[Score], changes: list[Change]) -> None:
    """Have a handler say this of rows."""

    def handler(rows: Any, _: Any) -> None:
        for do, name, what in changes:
            if do == "upsert":
                rows.upsert(Score(session="s", name=name, points=what))
            elif do == "delete":
                rows.delete("s", name)
            else:
                getattr(rows, do)("s", name, **what)

    event = MessagePosted(message="m", parts=(TextPart(text="Rooms."),))
    item = Item("s", event, None, (Handler(handler, (MessagePosted,), False),))  # type: ignore[arg-type]
    done = table.prepare([item])
    table.absent(table.missing(done))
    table.fold(done)


@given(st.lists(st.tuples(st.lists(changes, max_size=6), st.booleans()), max_size=8))
def test_rows_come_to_the_same_whoever_looks_when(parts: list[tuple[list[Change], bool]]) -> None:
    one, other = Table(scores), Table(scores)
    for part, looked_at in parts:
        work(one, part)
        if looked_at:
            stored = {place: one.row(place) for place in one.changed if one.values[place] is not None}
            assert all(one.row(place) == row for place, row in stored.items())
        for change in part:
            work(other, [change])
            other.values  # noqa: B018 - what is summed up is added at once
    assert {**one.values} == {**other.values}
    assert one.changed == other.changed


def test_what_a_handler_keeps_of_a_row_is_not_changed() -> None:
    table, row = Table(scores), Score(session="s", name="a", points=1)
    event = MessagePosted(message="m", parts=(TextPart(text="Rooms."),))
    for call in (lambda rows, _: rows.upsert(row), lambda rows, _: rows.add("s", "a", points=5)):
        table.fold(table.prepare([Item("s", event, None, (Handler(call, (), False),))]))  # type: ignore[arg-type]
    assert (row.points, table.values["s", "a"]) == (1, Score(session="s", name="a", points=6))


class Strict(BaseModel):
    session: str
    kind: Literal["a", "b"] = "a"
    number: float = 0.0
    at: datetime | None = None
    bounded: Annotated[int, Field(le=5)] = 0


@pytest.mark.parametrize(
    ("fields", "now"),
    [
        ({"kind": "b"}, {"kind": "b"}),
        ({"number": 1}, {"number": 1.0}),
        ({"number": "1.5"}, {"number": 1.5}),
        ({"at": "2026-01-01T00:00:00Z"}, {"at": datetime(2026, 1, 1, tzinfo=UTC)}),
        ({"at": None, "bounded": 5}, {"at": None, "bounded": 5}),
    ],
)
def test_a_field_is_set_as_its_model_takes_it(fields: dict[str, Any], now: dict[str, Any]) -> None:
    row = Strict(session="s")
    PlainFields(Strict).set(row, fields)
    assert {name: row.__dict__[name] for name in now} == now
    assert list(map(type, [row.__dict__[name] for name in now])) == list(map(type, now.values()))
    assert row.model_fields_set == {"session", *fields}


@pytest.mark.parametrize("fields", [{"kind": "c"}, {"number": "x"}, {"bounded": 6}, {"session": 5}])
def test_a_field_takes_nothing_that_its_model_refuses(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        PlainFields(Strict).set(Strict(session="s"), fields)


def test_a_model_with_validators_is_asked_for_each_value() -> None:
    class Shouting(BaseModel):
        session: str
        said: str = ""

        @field_validator("said")
        @classmethod
        def _loud(cls, said: str) -> str:
            return said.upper()

    row = Shouting(session="s")
    PlainFields(Shouting).set(row, {"said": "rooms"})
    assert row.said == "ROOMS"


def test_a_copy_shares_nothing_that_is_set_in_one() -> None:
    row = Score(session="s", name="a")
    copy = shallow_copy(row)
    assert copy == row
    PlainFields(Score).set(copy, {"points": 5})
    assert (row.points, copy.points, row.model_fields_set) == (0, 5, {"session", "name"})


class Everything(BaseModel):
    session: str
    parts: tuple[Part, ...] = ()
    names: tuple[str, ...] | None = None
    value: JsonValue = None
    about: dict[str, JsonValue] | None = None
    scores: list[Score] = []


VALUES: dict[str, list[Any]] = {
    "parts": [(), (TextPart(text="é\n"), DataPart(data={"a": [1, None, 1.5]}))],
    "names": [None, (), ("ada", "bob")],
    "value": [None, "x", "", 0, False, [], {}, {"a": [1, {"b": None}]}, 1e300],
    "about": [None, {}, {"model": "m"}],
    "scores": [[], [Score(session="s", name="a")]],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in VALUES.items() for value in values])
def test_what_has_no_column_of_its_own_is_stored_as_pydantic_writes_it(name: str, value: Any) -> None:
    projection = TableProjection("everything", Everything, key_columns=("session",))
    table = Table(projection)
    row = table.values["s",] = Everything(session="s", **{name: value})
    stored = dict(zip([column.name for column in projection.shape.columns], table.row(("s",)), strict=True))
    written = row.model_dump(mode="json")[name]
    assert stored[name] == (None if value is None else orjson.dumps(written).decode())
    again = Table(projection)
    assert again.values[again.load(table.row(("s",)))] == row


def test_a_value_of_the_wrong_type_is_not_stored() -> None:
    table = Table(TableProjection("everything", Everything, key_columns=("session",)))
    table.values["s",] = Everything(session="s").model_copy(update={"names": (1, 2)})
    with pytest.raises(ValueError, match="serializer warnings"):
        table.row(("s",))


def test_a_model_that_writes_a_field_its_own_way_is_asked() -> None:
    class Own(BaseModel):
        session: str
        names: tuple[str, ...] | None = None

        @field_serializer("names")
        def _joined(self, names: tuple[str, ...] | None) -> list[str]:
            return [*(names or ()), "all"]

    table = Table(TableProjection("own", Own, key_columns=("session",)))
    table.values["s",] = Own(session="s")
    assert table.row(("s",)) == ("s", '["all"]')


@pytest.mark.parametrize("text", ["a\0", "\ud800", "x" * 3_000])
def test_texts_that_no_database_keeps_are_refused(text: str) -> None:
    table = Table(scores)
    table.values["s", text] = Score(session="s", name=text)
    with pytest.raises(ValueError, match="cannot be"):
        table.row(("s", text))
