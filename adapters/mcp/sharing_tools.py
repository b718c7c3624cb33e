"""The tools of what is shared and decided together: state, signals, questions. Their docstrings are what a model reads
of them."""

import asyncio
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context
from pydantic import Field, JsonValue

from ...client.arguments import drop_none
from ...domain.errors import Conflict, Invalid, NoChange
from ...domain.ids import new_id
from ...domain.json.pointer import resolve
from .answers import Result, add_news, with_news
from .arguments import Answering, Audience, ReasonText, SeatHandle, Wait
from .seat import Seat, Seats

ENDINGS = ("approval.answered", "approval.expired", "approval.withdrawn")
_ABSENT = object()


class SharingTools:
    """What is done about state, signals and questions."""

    def __init__(self, seats: Seats) -> None:
        self._seats = seats

    async def state(
        self,
        ctx: Context[Any, Any],
        handle: SeatHandle,
        path: Annotated[str, Field(description="A JSON Pointer, such as `/plan/api`; empty: all of it.")] = "",
    ) -> Result:
        """Read the shared state: one JSON document that all in the session read and change. Remember `version`: with
        it `patch_state` notices what others change meanwhile."""
        seat = self._seats.find(ctx.request_context.request, handle)
        session, lost = await seat.attend()
        value = resolve(session["state"], path, _ABSENT)
        found = {"exists": False} if value is _ABSENT else {"value": value}
        shown = {"path": path, **found, "version": session["state_version"]}
        return await add_news(seat, session, shown, lost=lost)

    async def patch_state(
        self,
        ctx: Context[Any, Any],
        handle: SeatHandle,
        merge: Annotated[
            dict[str, JsonValue] | None, Field(description="A merge patch (RFC 7386): members to set, null removes.")
        ] = None,
        patch: Annotated[
            list[dict[str, JsonValue]] | None, Field(description="Or a JSON Patch (RFC 6902), for lists and tests.")
        ] = None,
        if_unchanged: Annotated[
            dict[str, int] | None,
            Field(description='Refuse if these places changed after that version: {"/plan": 12}. Use it always.'),
        ] = None,
        to: Audience = None,
    ) -> Result:
        """Change the shared state. Name the places that your change rests on in `if_unchanged`, with the `version` at
        which you read them: if somebody changed them since, it is refused with `conflict` and the value as it is now,
        and nothing is lost."""
        seat = self._seats.find(ctx.request_context.request, handle)
        if (merge is None) == (patch is None):
            raise Invalid("Give either `merge` or `patch`.")
        do, change = ("state.merge", merge) if patch is None else ("state.patch", patch)
        data = drop_none(patch=change, if_unchanged=if_unchanged, audience=to)
        try:
            versions = (await seat.do(do, data, under=True)).versions
        except NoChange:
            versions = ()
        return await with_news(seat, {"changed": bool(versions), **({"version": versions[-1]} if versions else {})})

    async def ask(
        self,
        ctx: Context[Any, Any],
        handle: SeatHandle,
        question: Annotated[str, Field(description="What you want to know or be allowed.")],
        options: Annotated[list[str] | None, Field(description="What can be answered. Absent: yes, no.")] = None,
        own_words: Annotated[bool, Field(description="Whether it can be answered in other words, too.")] = False,
        of: Annotated[list[str] | None, Field(description="Who is asked: names, `agents`. Absent: `users`.")] = None,
        wait: Wait = 50,
    ) -> Result:
        """Ask people something that you must not decide yourself, and wait for the answer. If nobody has answered in
        time, `status` is `open`: call `answered` with the `approval` to wait on, and do not go on without an answer."""
        seat = self._seats.find(ctx.request_context.request, handle)
        approval = new_id()
        asked = drop_none(question=question, options=options, own_words=own_words or None, of=of)
        await seat.do("approval.request", {"approval": approval, **asked}, under=True)
        await seat.report("waiting-for-human", question)
        return await _answered(seat, approval, wait)

    async def answered(self, ctx: Context[Any, Any], handle: SeatHandle, approval: str, wait: Wait = 50) -> Result:
        """Wait for the answer to a question that you have asked with `ask`."""
        return await _answered(self._seats.find(ctx.request_context.request, handle), approval, wait)

    async def answer(
        self,
        ctx: Context[Any, Any],
        handle: SeatHandle,
        approval: Annotated[str, Field(description="Which question.")],
        option: Annotated[str | None, Field(description="One of its options.")] = None,
        words: Annotated[str | None, Field(description="Words of your own, where those are asked for.")] = None,
        comment: ReasonText = None,
    ) -> Result:
        """Answer a question that you were asked: see `questions` in any answer. The first answer holds for all."""
        seat = self._seats.find(ctx.request_context.request, handle)
        said = drop_none(option=option, words=words, comment=comment)
        await seat.do("approval.answer", {"approval": approval, **said})
        return await _answered(seat, approval, 0, status=False)

    async def raise_signal(
        self,
        ctx: Context[Any, Any],
        handle: SeatHandle,
        kind: Literal["cancel", "pause", "resume", "steer", "reroute"],
        target: Annotated[str, Field(description="`session`, `agent:NAME` or `task:ID`.")],
        body: Annotated[JsonValue, Field(description="Of `steer`: the new instruction.")] = None,
        to: Annotated[str | None, Field(description="Of `reroute`: who gets the work.")] = None,
    ) -> Result:
        """Interrupt others: stop a task or an agent (`cancel`), hold it (`pause`, `resume`), tell it something new
        (`steer`), or give its work to another (`reroute`). They see it with their next call."""
        seat = self._seats.find(ctx.request_context.request, handle)
        signal = new_id()
        try:
            await seat.do("signal.raise", drop_none(signal=signal, kind=kind, target=target, body=body, to=to))
        except NoChange as known:
            signal = str(known.extra.get("signal", signal))
        return await with_news(seat, {"signal": signal})

    async def answer_signal(
        self,
        ctx: Context[Any, Any],
        handle: SeatHandle,
        signal: Annotated[str, Field(description="Which one: see `signals` in any answer.")],
        answer: Answering = "honour",
        reason: ReasonText = None,
    ) -> Result:
        """Say that you do what a signal wants (after a cancel: that you have stopped), or that you will not and why.
        Until a cancel is honoured you can write nothing more under what it stops."""
        seat = self._seats.find(ctx.request_context.request, handle)
        await seat.do(f"signal.{answer}", drop_none(signal=signal, reason=reason))
        return await with_news(seat, {"signal": signal, "answered": answer})


async def _answered(seat: Seat, approval: str, wait: float, *, status: bool = True) -> Result:
    """How a question is: its answer, once there is one, or as soon as there is one."""
    loop = asyncio.get_running_loop()
    until = loop.time() + wait
    session, lost = await seat.attend()
    while _is_open(session, approval) and (left := until - loop.time()) > 0:
        await seat.wait_for_events(session["version"], ENDINGS, left)
        session, lost = await seat.attend()
    if _is_open(session, approval):
        return await add_news(seat, session, {"approval": approval, "status": "open"}, lost=lost)
    if status:
        await seat.report("working" if seat.handle.task else "idle")
    return await add_news(seat, session, {"approval": approval, **await _ending(seat, approval)}, lost=lost)


def _is_open(session: Result, approval: str) -> bool:
    return any(each["approval"] == approval for each in session["open_approvals"])


async def _ending(seat: Seat, approval: str) -> Result:
    """How a question ended, from its event. Raises Conflict."""
    before = "end"
    while True:
        page = await seat.page(before=before, types=ENDINGS, limit=1_000)
        for event in reversed(page.events):
            data = event.data.model_dump(mode="json", exclude_none=True)
            if data["approval"] == approval:
                ended: Result = {name: data[name] for name in ("option", "value", "words", "comment") if name in data}
                return {"status": event.type.partition(".")[2], "by": event.actor, **ended}
        if page.before is None:
            raise Conflict(f"There is no question {approval!r} here.")
        before = str(page.before)
