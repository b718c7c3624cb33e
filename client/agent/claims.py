"""Claiming tasks from the board, one after the other, as they come up."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, Self

from ...domain.concepts.tasks import Task, Tasks
from ...domain.errors import Busy, Conflict, Fenced, Forbidden, NotFound
from ...domain.ids import TaskId
from ..errors import ClientClosed, retry_after
from ..session_port import SessionPort
from ..transport.backoff import Backoff
from ..transport.command_queue import Answer, unawaited
from .claimed_task import ClaimedTask
from .error_policy import ErrorPolicy
from .signal_dispatcher import SignalDispatcher
from .slots import Slots
from .status_stack import StatusStack

Accepts = Callable[[Task], object] | str | Iterable[str]
"""A predicate, or what is the `kind` in the input of the tasks wanted."""
Found = Task | Literal["closed", "paused"]
RETRY_AFTER_S = 1.0
RETRY_AFTER_AT_MOST_S = 60.0


class Claims:
    """Iterates over tasks that this agent has just claimed: of the highest priority first, and of these the oldest.
    Each is to be entered, or released.

    - At most as many of them are held at a time as there are `slots`; the next one is claimed when there is room for
      it. With one (the default) that is when the block of the last one has ended.
    - Of several agents that want the same task one gets it, and the others go on looking.
    - What this agent has given back itself, by an error or on purpose, it leaves to others at first: for a second, and
      then for longer each time, up to a minute.
    - An exception in the block of a task ends the attempt, and not the iteration (`Agent.tasks`, `on_error`).
    - No task is claimed while the agent is paused.

    It ends when the session is closed, or the agent leaves it. An exception of `accepts` is raised; it is asked when
    tasks have changed. Cancelling loses nothing: a claim that was on its way is given back.
    """

    def __init__(
        self,
        session: SessionPort,
        signals: SignalDispatcher,
        statuses: StatusStack,
        accepts: Accepts | None,
        slots: Slots,
        lease: float | None,
        errors: Callable[[Task], ErrorPolicy],
    ) -> None:
        self._session = session
        self._signals = signals
        self._statuses = statuses
        self._accepts = _predicate(accepts)
        self._slots = slots
        self._errors = errors
        self._lease = {} if lease is None else {"lease": lease}
        self.requesting = False
        """Whether a claim is on its way; cancelled now, the attempt would be wasted."""
        self._held: list[ClaimedTask] = []
        self._passed: dict[TaskId, Task] = {}
        """Tasks that could not be claimed, as they were then."""
        self._backing_off: set[TaskId] = set()
        self._backoffs: dict[TaskId, Backoff] = {}
        self._searched: Tasks | None = None
        """The tasks among which none was found."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ClaimedTask:
        try:
            while (task := await self._try_next()) is None:
                pass
        except ClientClosed:
            raise StopAsyncIteration from None
        return task

    async def _try_next(self) -> ClaimedTask | None:
        """Wait for room and for a task, and claim it; None when that came to nothing."""
        await self._slots.available()
        await self._signals.checkpoint(self._signals.current_targets)
        self._searched = None  # what `accepts` looks at outside the session may have changed since the last call
        found = await self._session.live.until(self._find)
        if found == "closed":
            raise StopAsyncIteration
        return await self._claim(found) if isinstance(found, Task) else None

    def _find(self) -> Found | None:
        """Of the tasks that can be claimed now and are wanted, the oldest of those with the highest priority. Called
        after every event of the session: it looks through the tasks only when they have changed."""
        state = self._session.live.state
        if state.session.status == "closed":
            return "closed"
        if self._signals.paused(self._signals.targets):
            return "paused"
        if state.tasks is self._searched:
            return None
        self._searched = state.tasks
        return next(self.claimable(), None)

    def claimable(self, *, backing_off: bool = False) -> Iterator[Task]:
        """The tasks that can be claimed now and are wanted, in the order in which they are claimed; with `backing_off`
        also those that are left to others for a while."""
        tasks = self._session.live.state.tasks
        for task in sorted(map(tasks.known.__getitem__, tasks.open), key=_claim_order):
            ready = task.not_before is None and all(tasks.known[need].status == "completed" for need in task.needs)
            mine = task.assignee in (None, self._signals.me)
            passed = self._passed.get(task.id) is task or (task.id in self._backing_off and not backing_off)
            if ready and mine and not passed and self._accepts(task):
                yield task

    async def _claim(self, task: Task) -> ClaimedTask | None:
        """Claim it; None when somebody else was quicker, or has taken the room for it."""
        claimed = False
        if self._slots.reserve():
            self.requesting = True
            try:
                claimed = await self._request(task)
            finally:
                self.requesting = False
                if not claimed:
                    self._slots.release()
        return await self._start(task) if claimed else None

    async def _request(self, task: Task) -> bool:
        """Ask the gateway for it; false when it cannot be had now."""
        answer = self._session.commands.submit(self._session.id, "task.claim", {"task": task.id, **self._lease})
        try:
            # Not `await answer`: cancelling the wait would cancel the future, and with it the only way to learn whether
            # the claim succeeded and must be given back.
            await asyncio.wait([unawaited(answer)])
            ack = answer.result()
            # The claim is committed before its event is folded here; until then the attempt's number is unknown.
            await self._session.live.reached(ack.versions[0])
        except Busy as busy:
            await asyncio.sleep(retry_after(busy))
            return False
        except Fenced:
            self._back_off(task.id)
            return False
        except (Conflict, Forbidden, NotFound):
            # Passed over until it changes: what is folded here may still show it as open, and asking again at once
            # would spin until the winner's claim arrives. Tasks that have changed since are forgotten.
            known = self._session.live.state.tasks.known
            self._passed = {id: each for id, each in self._passed.items() if known.get(id) is each}
            self._passed[task.id] = task
            return False
        except BaseException:
            # Cancelled: the claim may be committed all the same, and nobody would work on the task for its whole lease.
            answer.add_done_callback(lambda done: self._give_back(task, done))
            raise
        return True

    async def _start(self, task: Task) -> ClaimedTask | None:
        """Begin with a task that has been claimed; None when a signal wants it ended already."""
        now = self._session.live.state.tasks.known[task.id]
        # Not `now.attempt`: the task may have been taken away meanwhile, and claimed by somebody else, or another run.
        me, mine = self._signals.me, (None, self._session.run)
        holders = enumerate(zip(now.owners, now.runs, strict=True), 1)
        attempt = max(number for number, (owner, run) in holders if owner == me and run in mine)
        claimed = ClaimedTask(
            self._session, self._signals, self._statuses, now, attempt, self._errors(now), self._on_end
        )
        # Held before signals are dispatched to it: one that ends it at once must find it here, or its room stays taken.
        self._held.append(claimed)
        self._signals.attach(claimed)
        if claimed.wanted:
            return claimed
        async with claimed:
            pass
        return None

    def _on_end(self, task: ClaimedTask) -> None:
        """A task is not held any more. Called more than once for a task that was taken away inside its block."""
        if not any(each is task for each in self._held):
            return
        self._held = [each for each in self._held if each is not task]
        self._slots.release()
        if task.outcome.kind in ("released", "failed"):
            self._back_off(task.id)

    def _give_back(self, task: Task, answer: Answer) -> None:
        """A claim was not waited for: if it succeeded, undo it."""
        if not answer.cancelled() and answer.exception() is None:
            data = {"task": task.id, "attempt": task.attempt + 1, "reason": "Nobody waited for the claim."}
            unawaited(self._session.commands.submit(self._session.id, "task.release", data))

    def _back_off(self, id: TaskId) -> None:
        """Leave a task to others for a while."""
        self._backing_off.add(id)
        delay = self._backoffs.setdefault(id, Backoff(RETRY_AFTER_S, RETRY_AFTER_AT_MOST_S)).next(floor=RETRY_AFTER_S)
        asyncio.get_running_loop().call_later(delay, self._retry, id)

    def _retry(self, id: TaskId) -> None:
        self._backing_off.discard(id)
        # No event says that the time is over: without these two lines `_find` would not be asked until one comes, and
        # would then find the tasks unchanged.
        self._searched = None
        self._session.live.recheck()


def _claim_order(task: Task) -> tuple[int, int]:
    return -task.policy.priority, task.since


def _predicate(accepts: Accepts | None) -> Callable[[Task], object]:
    if accepts is None:
        return lambda task: True
    if callable(accepts):
        return accepts
    kinds = {accepts} if isinstance(accepts, str) else set(accepts)
    return lambda task: isinstance(task.input, dict) and task.input.get("kind") in kinds
