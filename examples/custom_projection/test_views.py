"""What `views.py` promises. Run it with `pytest`, in this folder."""

from views import Booked, Booking, Budget, Cancelled, bookings, budget

from stenogram.domain.concepts.lifecycle import SessionClosed
from stenogram.testing import command, event, given
from stenogram.testing.stage import stage

hotel = Booked(what="Hotel Tivoli", price=300)
train = Booked(what="Train to Sintra", price=12)


def test_a_budget_adds_up() -> None:
    given(budget, hotel, train).then(
        Budget(spent=312, by_agent={"hotels": 312}, prices={"Hotel Tivoli": 300, "Train to Sintra": 12})
    )


def test_what_is_cancelled_costs_nothing() -> None:
    given(budget, hotel, Cancelled(what="Hotel Tivoli")).then(Budget(by_agent={"hotels": 300}))
    given(budget, Cancelled(what="never booked")).then(Budget())


def test_a_closed_session_has_a_final_budget() -> None:
    given(budget, train, SessionClosed()).then_at(
        "s-1", Budget(spent=12, by_agent={"hotels": 12}, prices={"Train to Sintra": 12}, final=True)
    )


def test_bookings_are_rows_of_all_sessions() -> None:
    first = event(hotel, version=1, session="lisbon")
    second = event(train, version=2, session="sintra", actor="trains")
    given(bookings, first, second).then(
        Booking(session="lisbon", what="Hotel Tivoli", agent="hotels", price=300),
        Booking(session="sintra", what="Train to Sintra", agent="trains", price=12),
    )


def test_it_does_not_matter_how_events_arrive() -> None:
    story = [hotel, train, Cancelled(what="Hotel Tivoli"), hotel, SessionClosed()]
    given(budget, *story).redelivered(2).in_batches(1, 2, 100).then_same().rebuild_equals_live()
    given(bookings, *story).redelivered(2).in_batches(1, 2, 100).then_same().rebuild_equals_live()


async def test_a_runner_keeps_them() -> None:
    async with stage() as here, here.running(budget, bookings):
        await here.log.submit(command("session.open", "lisbon"))
        data = {"what": "Hotel Tivoli", "price": 300}
        await here.log.submit(command("custom.record", "lisbon", type="x.trip.booked", data=data))
        await here.caught_up("budget")
        await here.caught_up("bookings")
        assert (await here.view(budget))["lisbon"].spent == 300
        found = await here.store.find("bookings", {"agent": "hotels"}, order="-price")
        assert [row[:2] for row in found.rows] == [("lisbon", "Hotel Tivoli")]
