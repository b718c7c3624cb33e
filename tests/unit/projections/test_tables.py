"""Table projections: what comes of rows, and which models and changes are refused."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Literal

import pytest
from hypothesis import given as randomly
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from stenogram.domain.catalogue import register
from stenogram.domain.concepts.messages import MessagePosted, MessageStarted
from stenogram.domain.model import EventData
from stenogram.domain.parts import TextPart
from stenogram.projections import Meta, Rows, TableProjection
from stenogram.testing import event, given


class Colour(Enum):
    RED = "red"


class Kept(BaseModel):
    """A field of every kind that a column can hold."""

    session: str
    number: int
    text: str = "plain"
    size: float | None = None
    done: bool = False
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    tags: set[str] = set()
    colour: Colour = Colour.RED
    status: Literal["open", "closed"] = "open"
    count: int = 0


class Step(BaseModel):
    do: Literal["upsert", "update", "add", "delete"]
    number: int
    value: int


@register
class Steps(EventData):
    type = "x.table.steps"
    steps: list[Step]


def table() -> TableProjection[Kept]:
    kept = TableProjection("kept", Kept, key_columns=("session", "number"), indexes=[("status", "at")])

    @kept.on
    def _(rows: Rows[Kept], event: Steps, meta: Meta) -> None:
        for step in event.steps:
            if step.do == "upsert":
                rows.upsert(Kept(session=meta.session, number=step.number, count=step.value, tags={str(step.value)}))
            elif step.do == "update":
                rows.update(meta.session, step.number, text=f"changed {step.value}", size=step.value / 4)
            elif step.do == "add":
                rows.add(meta.session, step.number, count=step.value, size=0.5)
            else:
                rows.delete(meta.session, step.number)

    return kept


def posted() -> MessagePosted:
    return MessagePosted(message="m1", parts=(TextPart(text="Three hotels have rooms."),))


def does(*steps: tuple[str, int, int]) -> Steps:
    return Steps(steps=[Step.model_validate({"do": do, "number": n, "value": value}) for do, n, value in steps])


def test_rows_are_put_changed_added_to_and_deleted() -> None:
    given(table(), does(("upsert", 1, 5))).then(Kept(session="s-1", number=1, count=5, tags={"5"}))
    given(table(), does(("upsert", 1, 5)), does(("add", 1, 2))).then_at(
        ("s-1", 1), Kept(session="s-1", number=1, count=7, size=0.5, tags={"5"})
    )
    given(table(), does(("add", 1, 2))).then(Kept(session="s-1", number=1, count=2, size=0.5))
    given(table(), does(("update", 1, 2))).then()
    given(table(), does(("add", 1, 2), ("update", 1, 8))).then(
        Kept(session="s-1", number=1, count=2, size=2.0, text="changed 8")
    )
    given(table(), does(("upsert", 1, 5), ("upsert", 2, 6), ("delete", 1, 0))).then_at(("s-1", 1), None)


STEP = st.tuples(st.sampled_from(["upsert", "update", "add", "delete"]), st.integers(1, 3), st.integers(-9, 9))


@randomly(st.lists(st.lists(STEP, max_size=4), max_size=12))
def test_it_does_not_matter_how_changes_arrive(batches: list[list[tuple[str, int, int]]]) -> None:
    events = [event(does(*steps), version=n, session=f"s-{n % 2}") for n, steps in enumerate(batches, 1)]
    given(table(), *events).redelivered(2).in_batches(1, 3, 100).then_same().rebuild_equals_live()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda rows: rows.upsert("text"), "is no row of wrong"),
        (lambda rows: rows.delete("s-1"), "a place of wrong is"),
        (lambda rows: rows.delete("s-1", "one"), "a place of wrong is"),
        (lambda rows: rows.delete("s-\0", 1), "a place of wrong is"),
        (lambda rows: rows.update("s-1", 1, colours=1), "no field 'colours'"),
        (lambda rows: rows.update("s-1", 1, number=2), "no field 'number'"),
        (lambda rows: rows.add("s-1", 1, text=1), "cannot be added"),
        (lambda rows: rows.add("s-1", 1, count="1"), "cannot be added"),
        (lambda rows: [rows.add("s-1", 1, count=1), rows.update("s-1", 1, count="many")][:0] or None, "valid integer"),
        (lambda rows: "done", "a handler returned 'done'"),
    ],
)
def test_changes_that_do_not_fit_the_row_fail(wrong: Callable[[Rows[Kept]], Any], why: str) -> None:
    projection = TableProjection("wrong", Kept, key_columns=("session", "number"))

    @projection.on
    def _(rows: Rows[Kept], event: MessagePosted) -> Any:
        return wrong(rows)

    assert why in given(projection, posted()).then_fails().detail


@pytest.mark.parametrize("value", ["a\0b", 2**63, float("nan")])
def test_values_that_no_column_keeps_fail_where_they_are_stored(value: Any) -> None:
    field = {str: "text", int: "count", float: "size"}[type(value)]
    projection = TableProjection("extreme", Kept, key_columns=("session", "number"))

    @projection.on
    def _(rows: Rows[Kept], event: MessagePosted, meta: Meta) -> None:
        rows.upsert(Kept(session=meta.session, number=1, **{field: value}))

    with pytest.raises(ValueError, match=r"cannot be stored|does not fit"):
        given(projection, posted()).then_same()


def test_models_whose_rows_cannot_be_kept_are_refused() -> None:
    class Aliased(BaseModel):
        name: str = Field(alias="called")

    class Named(BaseModel):
        Name: str

    class Loose(BaseModel):
        name: str | None

    for model, key, indexes, why in (
        (Kept, (), (), "need key columns"),
        (Kept, ("nothing",), (), "has no field nothing"),
        (Kept, ("size",), (), "cannot be a key column"),
        (Kept, ("colour",), (), "cannot be a key column"),
        (Kept, ("number",), [("tags",)], "cannot be indexed"),
        (Kept, ("number",), [("tag",)], "has no field tag"),
        (Aliased, ("name",), (), "has an alias"),
        (Named, ("Name",), (), "cannot be a column"),
        (Loose, ("name",), (), "cannot be a key column"),
    ):
        with pytest.raises(TypeError, match=why):
            TableProjection("bad", model, key_columns=key, indexes=indexes)


def test_handlers_of_rows_take_rows() -> None:
    projection: Any = table()

    def documents(doc: Kept, event: MessageStarted) -> None: ...

    with pytest.raises(TypeError, match="is given a Rows"):
        projection.on(documents)


def test_what_is_added_to_a_row_in_turns_with_other_changes_is_added_in_its_turn() -> None:
    counts = TableProjection("counts", Counted, key_columns=("name",))

    @counts.on
    def _(rows: Rows[Counted], event: MessagePosted) -> None:
        rows.add("a", count=1)
        rows.add("a", count=2)
        rows.update("a", share=0.5)
        rows.add("a", count=3)
        rows.add("a", share=0.1)
        rows.add("a", share=0.2)
        rows.delete("b")
        rows.add("b", count=5)

    twice = [posted(), posted()]
    given(counts, *twice).then(Counted(name="a", count=12, share=0.5 + 0.1 + 0.2), Counted(name="b", count=5))
    given(counts, *twice).redelivered(2).in_batches(1, 2).then_same()


def test_a_row_that_a_handler_has_put_in_its_place_is_not_changed_under_it() -> None:
    counts = TableProjection("counts", Counted, key_columns=("name",))
    first = Counted(name="a")

    @counts.on
    def _(rows: Rows[Counted], event: MessagePosted) -> None:
        rows.upsert(first)
        rows.add("a", count=1)
        rows.add("a", count=1)
        rows.update("a", share=0.5)

    given(counts, posted(), posted()).then(Counted(name="a", count=2, share=0.5))
    assert first == Counted(name="a")


class Counted(BaseModel):
    name: str
    count: int = 0
    share: float = 0.0
