"""What a type checker says of handlers; `make lint` runs it.

Where it must complain an error is ignored by its name, and an ignored error that is none is an error itself.
"""

from typing import Literal, assert_type

from pydantic import BaseModel

from stenogram.domain.concepts.messages import MessageCompleted, MessagePosted
from stenogram.domain.model import Event, EventData
from stenogram.projections import DELETE, DocProjection, Meta, Rows, TableProjection, fold
from stenogram.projections.authoring.document import Deletion
from stenogram.testing import given


class Board(BaseModel):
    said: int = 0


class Line(BaseModel):
    message: str
    text: str = ""


class Other(BaseModel):
    name: str = ""


board = DocProjection("board", Board)
lines = TableProjection("lines", Line, key_columns=("message",))


@board.on
def right(doc: Board, event: MessagePosted, meta: Meta) -> None:
    doc.said += 1


@board.on
def several(doc: Board, event: MessagePosted | MessageCompleted) -> None:
    doc.said += len(event.parts)


@board.on
def every(doc: Board, event: EventData, meta: Meta) -> Literal[Deletion.DELETE] | None:
    return DELETE if doc.said > 3 else None


@lines.on
def rows(rows: Rows[Line], event: MessagePosted) -> None:
    rows.upsert(Line(message=event.message))


def of_another_document(doc: Other, event: MessagePosted) -> None: ...
def of_no_event(doc: Board, event: int) -> None: ...
def of_too_little(doc: Board) -> None: ...
def that_returns(doc: Board, event: MessagePosted) -> int:
    return 1


def of_a_table(rows: Rows[Line], event: MessagePosted) -> None: ...
def of_a_document(doc: Line, event: MessagePosted) -> None: ...


board.on(of_another_document)  # type: ignore[arg-type]
board.on(of_no_event)  # type: ignore[type-var]
board.on(of_too_little)  # type: ignore[arg-type]
board.on(that_returns)  # type: ignore[arg-type]
board.on(of_a_table)  # type: ignore[arg-type]
lines.on(of_a_document)  # type: ignore[arg-type]
DocProjection("board", int)  # type: ignore[type-var]


def folds(events: list[Event]) -> None:
    assert_type(fold(board, events), dict[str, Board])
    assert_type(fold(lines, events)[("m1",)], Line)
    given(board, *events).then(Board(said=1)).then_at("s-1", None)
    given(board, *events).then(Other())  # type: ignore[arg-type]
    given(lines, *events).then_at("m1", None)  # type: ignore[arg-type]


@lines.on
def wrong_row(rows: Rows[Line], event: MessagePosted) -> None:
    rows.upsert(Board())  # type: ignore[arg-type]
    assert event.nothing  # type: ignore[attr-defined]
