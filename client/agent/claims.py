"""Taking tasks from the board, one after the other, as they come up."""

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, Self

from ...domain.concepts.tasks import Task, Tasks
from ...domain.errors import Busy, Conflict, Fenced, Forbidden, NotFound
from ...domain.ids import TaskId
from ..errors import ClientClosed, retry_after
from ..transport.backoff import Backoff
from ..transport.command_queue import Answer, forgotten
from .claimed_task import ClaimedTask

if TYPE_CHECKING:
    from .agent import Agent

Accepts = Callable[[Task], object] | str | Iterable[str]
"""A predicate, or what stands as `kind` in the input of the tasks wanted."""
Found = Task | Literal["closed", "paused"]
RETRY_AFTER_S = 1.0
RETRY_AFTER_AT_MOST_S = 60.0


class Claims:
    """Iterates over tasks that this agent has just claimed: of the highest priority first, and of these the oldest.
    Each is to be entered, or released.

    - At most `limit` of them are held at a time; the next one is claimed when there is room for it. With one (the
      default) that is when the block of the last one has ended.
    - Of several agents that want the same task one gets it, and the others go on looking.
    - What this agent has given back itself, by an error or on purpose, it leaves to others at first: for a second, and
      then for longer each time, up to a minute.
    - No task is taken while the agent is paused.

    It ends when the session is closed, or the agent leaves it. An exception of `accepts` is raised; it is asked when
    tasks have changed. Cancelling loses nothing: a claim that was on its way is given back.
    """

    def __init__(self, agent: "Agent", accepts: Accepts | None, limit: int, lease: float | None) -> None:
        self._agent = agent
        self._session = agent.session
        self._accepts = _predicate(accepts)
        self._limit = limit
        self._lease = {} if lease is None else {"lease": lease}
        self._held: list[ClaimedTask] = []
        self._freed = asyncio.Event()
        self._passed: dict[TaskId, Task] = {}
        self._resting: set[TaskId] = set()
        self._searched: Tasks | None = None
        """What was looked through in vain."""
        self._patience: dict[TaskId, Backoff] = {}

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ClaimedTask:
        try:
            while (task := await self._take()) is None:
                pass
        except ClientClosed:
            raise StopAsyncIteration from None
        return task

    async def _take(self) -> ClaimedTask | None:
        """Wait for room and for a task, and claim it; None when that came to nothing."""
        while len(self._held) >= self._limit:
            self._freed.clear()
            await self._freed.wait()
        await self._agent.checkpoint()
        self._searched = None
        found = await self._session.live.until(self._next)
        if found == "closed":
            raise StopAsyncIteration
        return await self._claim(found) if isinstance(found, Task) else None

    def freed(self, task: ClaimedTask) -> None:
        """A task is not held any more."""
        if not any(each is task for each in self._held):
            return
        self._held = [each for each in self._held if each is not task]
        self._freed.set()
        if task.outcome is not None and task.outcome.kind in ("released", "failed"):
            self._rest(task.id)

    def _next(self) -> Found | None:
        """Of the tasks that can be claimed and are wanted: the oldest of those with the highest priority."""
        state = self._session.live.state
        if state.session.status == "closed":
            return "closed"
        if self._agent.paused:
            return "paused"
        if state.tasks is self._searched:
            return None
        self._searched, known = state.tasks, state.tasks.known
        for task in sorted((each for each in known.values() if each.status == "open"), key=_claim_order):
            ready = task.not_before is None and all(known[need].status == "completed" for need in task.needs)
            mine = task.assignee in (None, self._agent.id)
            passed = task.id in self._resting or self._passed.get(task.id) is task
            if ready and mine and not passed and self._accepts(task):
                return task
        return None

    async def _claim(self, task: Task) -> ClaimedTask | None:
        """Claim it; None when somebody else was quicker."""
        answer = self._session.commands.submit(self._session.id, "task.claim", {"task": task.id, **self._lease})
        try:
            await asyncio.wait([forgotten(answer)])
            ack = answer.result()
            await self._session.live.reached(ack.versions[0])
        except Busy as busy:
            await asyncio.sleep(retry_after(busy))
            return None
        except Fenced:
            self._rest(task.id)
            return None
        except (Conflict, Forbidden, NotFound):
            known = self._session.live.state.tasks.known
            self._passed = {id: each for id, each in self._passed.items() if known.get(id) is each}
            self._passed[task.id] = task
            return None
        except BaseException:
            answer.add_done_callback(lambda done: self._give_back(task, done))
            raise
        return await self._begin(task)

    async def _begin(self, task: Task) -> ClaimedTask | None:
        """Take a task up that has been claimed; None when there is a wish already that it be ended."""
        now = self._session.live.state.tasks.known[task.id]
        attempt = max(number for number, owner in enumerate(now.owners, 1) if owner == self._agent.id)
        claimed = ClaimedTask(self._agent, now, attempt)
        self._held.append(claimed)
        self._agent.began(claimed)
        if claimed.wanted:
            return claimed
        async with claimed:
            pass
        return None

    def _give_back(self, task: Task, answer: Answer) -> None:
        """A claim was not waited for: if it was successful, undo it."""
        if not answer.cancelled() and answer.exception() is None:
            data = {"task": task.id, "attempt": task.attempt + 1, "reason": "Nobody waited for the claim."}
            forgotten(self._session.commands.submit(self._session.id, "task.release", data))

    def _rest(self, id: TaskId) -> None:
        """Leave a task to others for a while."""
        self._resting.add(id)
        delay = self._patience.setdefault(id, Backoff(RETRY_AFTER_S, RETRY_AFTER_AT_MOST_S)).next(floor=RETRY_AFTER_S)
        asyncio.get_running_loop().call_later(delay, self._rested, id)

    def _rested(self, id: TaskId) -> None:
        self._resting.discard(id)
        self._searched = None
        self._session.live.ask()


def _claim_order(task: Task) -> tuple[int, int]:
    return -task.policy.priority, task.since


def _predicate(accepts: Accepts | None) -> Callable[[Task], object]:
    if accepts is None:
        return lambda task: True
    if callable(accepts):
        return accepts
    kinds = {accepts} if isinstance(accepts, str) else set(accepts)
    return lambda task: isinstance(task.input, dict) and task.input.get("kind") in kinds
