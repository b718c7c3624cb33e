"""What a page's body asks for: a run, another answer, a word to who is at work, or to go on behind an answer.

A run has the id of the message that it answers, with `+2` and so on behind it where that is to be answered once more.
So the same body again attaches to the same run.
"""

from contextlib import suppress
from hashlib import sha256
from typing import Any, NamedTuple

from ....domain.errors import Invalid, NotFound
from ....projections.runner.time_slices import slices
from ..turn import Turn
from ..turn_requests import Said, TurnDesk, TurnRequest
from .chat_input import ChatInput, UiMessage, calls_in, edited, is_said, replies_in, run_of_message, said_by
from .chunks import ASK
from .replay import Answered

REGENERATES = "regenerates"
"""The member of a task's input with the run whose answer it takes the place of."""


class ChatTurn(NamedTuple):
    """The turn that a page is to follow; where it goes on with a message that the page has, in which, and from which
    place."""

    turn: Turn
    answered: Answered | None = None
    resume: str | None = None


async def begin_chat(desk: TurnDesk, given: ChatInput, agent: str | None) -> ChatTurn:
    """Do what the body asks for. Raises Invalid, and what the commands raise."""
    last = given.said[-1]
    if last.role == "assistant":
        return await _answer(desk, last)
    said = said_by(last) if last.role == "user" else None
    if said is None:
        raise Invalid("The last message says nothing: it is a user's, with a text or a file.")
    for message in given.said[-2:-1]:
        if message.role == "assistant" and replies_in(message):
            with suppress(NotFound):  # what the page has may be older than the session
                await _answer(desk, message)
    known = await desk.posted(said.id)
    if known is not None and given.trigger == "submit-message" and not is_said(said, known):
        said = edited(said)  # or another one, to which somebody else has given the same id
    steered = await desk.steered(said.id) if given.steer and known is not None else None
    if steered is not None:  # asked again; meanwhile they may be done, and others at work
        return ChatTurn(steered)
    at_work = await desk.under_way() if given.steer else None
    if at_work is not None and at_work.task is not None:
        await desk.steer(said, f"task:{at_work.task}")
        return ChatTurn(at_work)
    return ChatTurn(await _run(desk, given, said, agent))


async def _run(desk: TurnDesk, given: ChatInput, said: Said, agent: str | None) -> Turn:
    """Begin the run that answers a message, or find it."""
    run, replaced = run_of_message(said.id), None
    if given.trigger == "regenerate-message":
        run, replaced = await _once_more(desk, run)
    before = list[Said]()
    async for few in slices(given.said[:-1]):
        before += [each for message in few if message.role == "user" and (each := said_by(message)) is not None]
    instructions = [message.text for message in given.said if message.role == "system"]
    more = {
        "messages": [said.id],
        "instructions": instructions,
        "body": given.model_extra,
        REGENERATES: replaced,
    }
    wanted: dict[str, Any] = {name: value for name, value in more.items() if value}
    return await desk.begin(TurnRequest(run, agent, (*before, said), input=wanted))


async def _once_more(desk: TurnDesk, first: str) -> tuple[str, str | None]:
    """The run that answers a message again, and which it takes the place of. One that is under way is that already."""
    run, replaced, number = first, None, 1
    while (task := await desk.task(run)) is not None and not task.unfinished:
        number += 1
        run, replaced = f"{first}+{number}", run
    return run, replaced


def replaced_by(run: str) -> str | None:
    """The run whose answer one takes the place of, by its id; None if it is the first."""
    first, _, number = run.rpartition("+")
    if not (first and number.isdecimal() and int(number) > 1):
        return None
    return first if int(number) == 2 else f"{first}+{int(number) - 1}"


async def _answer(desk: TurnDesk, message: UiMessage) -> ChatTurn:
    """Answer questions."""
    replies = replies_in(message)
    if not replies:
        raise Invalid("Nothing new is said: the last message is the assistant's, and answers no question.")
    asked = tuple(sorted({each.approval for each in replies}))
    # With a slash, no message and no task has this id: nobody can take it, so that the answer would begin nothing.
    run = f"answer/{sha256(' '.join(asked).encode()).hexdigest()}"
    turn = await desk.begin(TurnRequest(run, replies=tuple(replies)))
    return ChatTurn(turn, Answered(message.id, asked, tuple(calls_in(message, ASK))), message.resume)
