"""Maya, who wants something, changes her mind, and has two devices."""

from ...client.client import Client
from ...client.session import Session
from . import script
from .pace import Pace

MAYA = "maya"


async def laptop(url: str, id: str, pace: Pace) -> None:
    """Says what she wants; wants it elsewhere while they work; changes the hotel by hand."""
    async with (
        Client(url, participant=MAYA, kind="user") as client,
        client.session(id, open=False, name="Maya") as session,
    ):
        await session.post(script.WISH)
        await session.status("idle", "reads along")
        await _have_begun(session, {"flights", "hotels"})
        await pace.sleep(2.4)
        await session.post(script.ELSEWHERE)
        await session.state.wait(lambda state: "hotel" in state)
        await pace.sleep(2.0)
        await session.status("working", "looks at hotels herself")
        await pace.sleep(1.0)
        await session.state.patch([{"op": "replace", "path": "/hotel", "value": script.GRACA}])
        await session.post(script.CHANGE_OF_MIND)
        await session.status("idle", "reads along")
        await session.tasks.result("plan")
        await pace.sleep(1.2)
        await session.post(script.THANKS)
        await pace.sleep(0.8)


async def phone(url: str, id: str, pace: Pace) -> None:
    """The same person on another device: a question shows there, too, and is answered there."""
    async with (
        Client(url, participant=MAYA, kind="user") as client,
        client.session(id, open=False, join=False) as session,
    ):
        question = await session.approvals.next()
        await pace.sleep(1.6)
        await session.approvals.answer(question.id, "book", comment="From the bus.")


async def _have_begun(session: Session, tasks: set[str]) -> None:
    """Wait until somebody speaks under each of the tasks."""
    async with session.events(types=["message.started"]) as events:
        async for event in events:
            tasks = tasks - {event.task or ""}
            if not tasks:
                return
