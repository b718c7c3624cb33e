"""What a team of travel agents has booked: an event type of its own, a document and a table.

stenogram serve --projection views:budget --projection views:bookings
"""

from pydantic import BaseModel

from stenogram.domain.catalogue import register
from stenogram.domain.concepts.lifecycle import SessionClosed
from stenogram.domain.model import EventData
from stenogram.projections import DocProjection, Meta, Rows, TableProjection


@register
class Booked(EventData):
    """Something was booked. Agents record it by the command `custom.record`, with this type and data."""

    type = "x.trip.booked"
    what: str
    price: int


@register
class Cancelled(EventData):
    """A booking was taken back."""

    type = "x.trip.cancelled"
    what: str


class Budget(BaseModel):
    """One document for each session. Every field has a default: a document begins empty."""

    spent: int = 0
    by_agent: dict[str, int] = {}
    prices: dict[str, int] = {}
    final: bool = False


class Booking(BaseModel):
    """One row for each booking, of all sessions."""

    session: str
    what: str
    agent: str
    price: int
    cancelled: bool = False


budget = DocProjection("budget", Budget, indexes=["spent"])
bookings = TableProjection("bookings", Booking, key_columns=["session", "what"], indexes=[["agent"], ["price"]])


@budget.on
def _(doc: Budget, event: Booked, meta: Meta) -> None:
    doc.prices[event.what] = event.price
    doc.spent += event.price
    doc.by_agent[meta.actor] = doc.by_agent.get(meta.actor, 0) + event.price


@budget.on
def _(doc: Budget, event: Cancelled) -> None:
    doc.spent -= doc.prices.pop(event.what, 0)


@budget.on
def _(doc: Budget, event: SessionClosed) -> None:
    doc.final = True


@bookings.on
def _(rows: Rows[Booking], event: Booked, meta: Meta) -> None:
    rows.upsert(Booking(session=meta.session, what=event.what, agent=meta.actor, price=event.price))


@bookings.on
def _(rows: Rows[Booking], event: Cancelled, meta: Meta) -> None:
    rows.update(meta.session, event.what, cancelled=True)
