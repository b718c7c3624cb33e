"""Maya, who wants something, changes her mind, and has two devices. You may be her, too: at the console."""

import asyncio
from contextlib import suppress
from typing import Any

from ...client.client import Client
from ...client.errors import NotDone
from ...client.session import Session
from ...domain.concepts.messages import MessagePosted
from ...domain.errors import SessionClosed
from ...domain.parts import text_of
from . import script
from .turns import Turns

MAYA = "maya"
DEVICES = 2
"""Connections of the script's Maya: what there is more of her is somebody at the console."""
ABANDONED_S = 60.0
HONOURED_S = 5.0


async def laptop(url: str, id: str, turns: Turns) -> None:
    """Says what she wants; wants it elsewhere while they work; changes the hotel by hand. It ends when she has what
    she wants, or when it cannot be had any more."""
    async with (
        Client(url, participant=MAYA, kind="user") as client,
        client.session(id, open=False, name="Maya") as session,
    ):
        wishing = asyncio.create_task(_wish(session, turns))
        ends = [asyncio.create_task(each) for each in (_stopped(session), turns.abandoned(ABANDONED_S))]
        try:
            await asyncio.wait([wishing, *ends], return_when=asyncio.FIRST_COMPLETED)
            if wishing.done():
                with suppress(NotDone, SessionClosed):
                    wishing.result()
                    return
            await _cut_short(session, turns)
        finally:
            for each in (wishing, *ends):
                each.cancel()


async def phone(url: str, id: str, turns: Turns) -> None:
    """The same person on another device: a question shows there, too, and is answered there."""
    async with (
        Client(url, participant=MAYA, kind="user") as client,
        client.session(id, open=False, join=False) as session,
    ):
        while True:
            question = await session.approvals.next()
            if not await turns.taken(_answered(session, question.id), 1.6, script.CUE_ANSWER):
                await session.approvals.answer(question.id, "book", comment="From the bus.")
            await _answered(session, question.id)


async def said_by_maya(session: Session, word: str) -> None:
    """Wait until Maya has said something with a word in it, in capitals or not."""
    async with session.events(types=["message.posted"]) as events:
        async for event in events:
            if event.actor == MAYA and isinstance(event.data, MessagePosted) and has_word(event.data, word):
                return


def has_word(message: MessagePosted, word: str) -> bool:
    """Whether a message has this word in it, in capitals or not."""
    return word.lower() in text_of(message.parts).lower()


async def _wish(session: Session, turns: Turns) -> None:
    await session.post(script.WISH)
    await session.status("idle", "reads along")
    await _have_begun(session, {"flights", "hotels"})
    if not await turns.taken(said_by_maya(session, script.CITY), 2.4, script.CUE_ELSEWHERE):
        await session.post(script.ELSEWHERE)
    await session.state.wait(lambda state: "hotel" in state)
    if not await turns.taken(session.state.wait(_has_another_hotel), 2.0, script.CUE_HOTEL):
        await session.status("working", "looks at hotels herself")
        await turns.pace.sleep(1.0)
        await session.state.patch([{"op": "replace", "path": "/hotel", "value": script.GRACA}])
        await session.post(script.CHANGE_OF_MIND)
        await session.status("idle", "reads along")
    await session.tasks.result("plan")
    await turns.pace.sleep(1.2)
    await session.post(script.THANKS)
    await turns.pace.sleep(0.8)


def _has_another_hotel(state: dict[str, Any]) -> bool:
    return state.get("hotel") != script.LIS


async def _stopped(session: Session) -> None:
    """Wait until Maya has stopped the team, or a part of it, or has closed the session."""

    def stopped() -> bool:
        state = session.live.state
        by_her = [each for each in state.signals.known.values() if (each.raiser, each.kind) == (MAYA, "cancel")]
        return state.session.status == "closed" or any(not each.target.startswith("message:") for each in by_her)

    await session.live.until(stopped)


async def _cut_short(session: Session, turns: Turns) -> None:
    """What she wanted is not to be had any more: say so, when those who were stopped have stopped."""
    with suppress(TimeoutError):
        await asyncio.wait_for(session.live.until(lambda: not session.live.state.signals.open), HONOURED_S)
    with suppress(SessionClosed):
        await turns.say(script.CUT_SHORT)
        await turns.pace.sleep(1.0)


async def _answered(session: Session, approval: str) -> None:
    await session.live.until(lambda: approval not in session.live.state.approvals.open)


async def _have_begun(session: Session, tasks: set[str]) -> None:
    """Wait until somebody speaks under each of the tasks."""
    async with session.events(types=["message.started"]) as events:
        async for event in events:
            tasks = tasks - {event.task or ""}
            if not tasks:
                return
