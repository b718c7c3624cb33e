"""The tools of the board. Their docstrings are what a model reads of them."""

import asyncio
import secrets
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from pydantic import Field, JsonValue

from ...client.arguments import drop_none
from ...domain.concepts.tasks import TaskClaimed, TaskCompleted
from ...domain.errors import Conflict, Forbidden, NotFound
from .answers import Result, add_news, with_news
from .arguments import STALL_S, NewTask, ReasonText, SeatHandle, TaskHandle, Wait
from .seat import Seat, Seats, Session

BOARD_EVENTS = ("task.*", "session.*", "signal.*")
"""After which there may be something to claim, or to know."""


class TaskTools:
    """What is done about tasks."""

    def __init__(self, seats: Seats) -> None:
        self._seats = seats

    async def create_tasks(self, ctx: Context[Any, Any], handle: SeatHandle, tasks: list[NewTask]) -> Result:
        """Put tasks on the board, for any participant to claim. Order them so that a task comes after those it needs.
        Nobody has to be told: others see them with `look` and `claim`."""
        seat = self._seats.find(ctx.request_context.request, handle)
        created = [await _create(seat, each) for each in tasks]
        return await with_news(seat, {"tasks": created})

    async def claim(
        self,
        ctx: Context[Any, Any],
        handle: SeatHandle,
        task: Annotated[str | None, Field(description="Which one. Absent: the most urgent that you may have.")] = None,
        wait: Wait = 0,
    ) -> Result:
        """Take a task, before you work on it: what is not claimed by you may be somebody else's. Returns `claimed` with
        its input and a handle of its own, which `progress`, `complete`, `fail` and `release` take; or null when there
        is nothing to do. Call `progress` from time to time: silence for longer than your lease gives the task away."""
        seat = self._seats.find(ctx.request_context.request, handle)
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        while True:
            session, lost = await seat.attend()
            claimed = await _claim(seat, session, task)
            left = until - loop.time()
            if claimed is not None or left <= 0 or session["status"] != "open":
                break
            await seat.wait_for_events(session["version"], BOARD_EVENTS, min(left, 5.0))  # a backoff ends by itself
        result = {"claimed": claimed} if claimed is not None else {"claimed": None, "board": _counts(session)}
        return await add_news(seat, session, result, lost=lost)

    async def progress(
        self,
        ctx: Context[Any, Any],
        handle: TaskHandle,
        note: Annotated[str, Field(description="What you have done or do now, in one line for people.")],
        share: Annotated[float | None, Field(ge=0, le=1, description="How much is done, from 0 to 1.")] = None,
    ) -> Result:
        """Say how far you are with a task that you hold. It keeps the task yours, and brings you what people want: look
        at `signals` in the answer. If the answer is the error `fenced`, stop: the task is not yours any more."""
        seat = self._seats.find(ctx.request_context.request, handle, claim=True)
        await seat.do("task.progress", {**_claim_of(seat), **drop_none(note=note, share=share)})
        await seat.report("working", note)
        return await with_news(seat, {"progressed": seat.handle.task})

    async def complete(
        self,
        ctx: Context[Any, Any],
        handle: TaskHandle,
        output: Annotated[JsonValue, Field(description="What came of it, for those who need it next.")] = None,
    ) -> Result:
        """Say that a task that you hold is done, once it is: with its result. If the answer is the error `fenced`,
        somebody else has the task now, and your result was not taken."""
        return await self._end(ctx, handle, "task.complete", {"output": output}, "completed")

    async def fail(
        self,
        ctx: Context[Any, Any],
        handle: TaskHandle,
        error: Annotated[str, Field(description="What stands in the way, in one sentence.")],
        retryable: Annotated[bool, Field(description="Whether another attempt may succeed.")] = False,
    ) -> Result:
        """Say that a task that you hold cannot be done. To leave it to others, call `release`."""
        return await self._end(ctx, handle, "task.fail", {"error": error, "retryable": retryable}, "failed")

    async def release(self, ctx: Context[Any, Any], handle: TaskHandle, reason: ReasonText = None) -> Result:
        """Give a task that you hold back to the board, for others to do."""
        return await self._end(ctx, handle, "task.release", drop_none(reason=reason), "released")

    async def _end(self, ctx: Context[Any, Any], handle: str, do: str, data: Result, said: str) -> Result:
        seat = self._seats.find(ctx.request_context.request, handle, claim=True)
        await seat.do(do, {**_claim_of(seat), **data})
        await seat.report("idle")
        return await with_news(seat, {said: seat.handle.task, "handle": str(seat.handle._replace(task=None))})


def board(session: Session) -> list[Result]:
    """The unfinished tasks, each in few words."""
    tasks = [each for each in session["tasks"] if each["status"] in ("open", "claimed")]
    done = {each["task"] for each in session["tasks"] if each["status"] == "completed"}
    return [_shown(each, done) for each in tasks]


def _shown(task: Result, done: set[str]) -> Result:
    needs = [need for need in task["needs"] if need not in done]
    wanted = ("task", "title", "status", "owner", "assignee", "blocked_by", "last_error")
    return {**drop_none(**{name: task[name] for name in wanted}), **({"needs": needs} if needs else {})}


async def _create(seat: Seat, new: NewTask) -> str:
    task = new.task or f"t-{secrets.token_hex(4)}"  # short: a model copies it
    more = new.model_dump(exclude_none=True, exclude={"task", "needs"})
    ack = await seat.do("task.create", {"task": task, "needs": new.needs, "stall_after": STALL_S, **more}, under=True)
    if not ack.repeated:
        return task
    (event,) = (await seat.page(after=ack.versions[0] - 1, limit=1)).events
    return str(event.data.model_dump()["task"])


async def _claim(seat: Seat, session: Session, task: str | None) -> Result | None:
    """Claim the task, or of those that can be claimed the first that nobody takes in the meantime."""
    lease = max(seat.lease(session), 1.0)
    if task is not None:
        return await _claimed(seat, session, task, lease)
    for each in _claimable(session, seat.handle.participant):
        try:
            return await _claimed(seat, session, each["task"], lease)
        except (Conflict, Forbidden, NotFound) as refusal:
            if refusal.code not in ("conflict", "forbidden", "not_found"):  # closed, paused, stopped: for all of them
                raise
    return None


def _claimable(session: Session, me: str) -> list[Result]:
    """The tasks on the board that can be claimed now, the most urgent first, and of these the oldest."""
    done = {each["task"] for each in session["tasks"] if each["status"] == "completed"}
    found = [
        each
        for each in session["tasks"]
        if each["status"] == "open"
        and each["assignee"] in (None, me)
        and each["not_before"] is None
        and done.issuperset(each["needs"])
    ]
    return sorted(found, key=lambda each: (-each["priority"], each["since"]))


async def _claimed(seat: Seat, session: Session, task: str, lease: float) -> Result:
    ack = await seat.do("task.claim", {"task": task, "lease": lease})
    (event,) = (await seat.page(after=ack.versions[0] - 1, limit=1)).events
    assert isinstance(event.data, TaskClaimed)
    known: Result = next((each for each in session["tasks"] if each["task"] == task), {})
    await seat.report("working", known.get("title"))
    shown = {name: known[name] for name in ("title", "input", "parent", "last_error") if known.get(name) is not None}
    steers = {"instructions": known["steers"]} if known.get("steers") else {}
    needed = {"results": await _results(seat, known["needs"])} if known.get("needs") else {}
    handle = str(seat.handle.under(task, event.data.attempt))
    return {"task": task, "attempt": event.data.attempt, "handle": handle, "lease": lease, **shown, **steers, **needed}


async def _results(seat: Seat, tasks: list[str]) -> Result:
    """What came of the tasks that this one needs."""
    found: Result = {}
    after = 0
    while True:
        page = await seat.page(after=after, types=["task.completed"], limit=1_000)
        for event in page.events:
            if isinstance(event.data, TaskCompleted) and event.data.task in tasks:
                found[event.data.task] = event.data.output
        if page.caught_up:
            return found
        after = page.to


def _claim_of(seat: Seat) -> dict[str, Any]:
    return {"task": seat.handle.task, "attempt": seat.handle.attempt}


def _counts(session: Session) -> Result:
    """Why there is nothing to claim."""
    statuses = [each["status"] for each in session["tasks"]]
    return {name: statuses.count(name) for name in ("open", "claimed", "completed", "failed", "cancelled")}
