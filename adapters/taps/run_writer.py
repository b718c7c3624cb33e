"""Writes a run into its session, step by step, in the tap's loop.

Steps are carried out one after the other, each committed before the next, so that the session has them in the order in
which the program made them, whichever agents they are of. Only pieces of text are not waited for.
"""

import asyncio
import contextlib
import logging
from functools import partial
from typing import Any

from ...client.arguments import drop_none
from ...client.errors import ClientClosed
from ...client.session import Session
from ...client.task_context import TaskContext, task_context
from ...domain.errors import Fenced, Forbidden, Refused, StenogramError, TooLarge
from ...domain.ids import ParticipantId, SessionId
from ..background import in_loop
from .run_record import RunRecord
from .speakers import Joined, Speakers
from .speech import Audiences, Speech
from .steps import Called, Ended, Finished, Pieces, Read, Returned, Speaker, Started, Step, chars_of

WINDOW_S = 0.1
"""Tokens that come within this time are sent together; the first goes at once."""
logger = logging.getLogger("stenogram.adapters.taps")


class RunWriter:
    """Writes one run. `framework` is what that is called in the session."""

    def __init__(
        self, run: RunRecord, session: SessionId, framework: str, speakers: Speakers, audiences: Audiences
    ) -> None:
        self._run = run
        self._session = session
        self._framework = framework
        self._speakers = speakers
        self._audiences = audiences
        self._holder = speakers.name_of(run.holder)
        self._joined: dict[ParticipantId, Joined] = {}
        self._speech = Speech(run, audiences, self._session_of)
        self._context: TaskContext | None = None
        self._wakened = asyncio.Event()

    async def write(self) -> None:
        """Write it to its end. Raises nothing but CancelledError: what prevents it is logged."""
        self._run.backlog.wake = partial(in_loop, asyncio.get_running_loop(), self._wakened.set)
        try:
            await self._begin()
            while not await self._carry_out_all():
                pass
        except (Fenced, ClientClosed) as end:
            logger.warning("Nothing more of run %s is recorded: %s", self._run.id, end)
        except StenogramError as error:
            logger.error("Run %s is not recorded: %s", self._run.id, error)
        except Exception:
            logger.exception("Run %s is not recorded any more", self._run.id)
        finally:
            self._run.backlog.discard()
            await self._leave()

    async def _begin(self) -> None:
        """Join, and hold the task that the run is."""
        run, holder = self._run, await self._join(self._holder, Speaker(self._run.holder))
        session = holder.session
        # Assigned, or another agent of the session might claim it; and one attempt, since nobody can go on with it.
        await session.tasks.create(
            run.title,
            {"kind": self._framework, "input": run.input.loaded()},
            to=self._audiences.agents,
            task=run.task,
            assignee=holder.interruptions.me,
            max_attempts=1,
        )
        ack = await session.do("task.claim", {"task": run.task})
        await session.live.reached(ack.versions[0])
        cause = session.live.began(f"task:{run.task}")
        self._context = TaskContext(session.commands, session.id, run.task, 1, _go_on, cause)
        holder.interruptions.attach(run)

    async def _carry_out_all(self) -> bool:
        """Do what there is, or wait for it; whether the run is over."""
        self._wakened.clear()  # before the look: what comes after it wakes again
        steps = self._run.backlog.take()
        if not steps:
            await self._wakened.wait()
            return False
        assert self._context is not None
        with task_context(self._context):
            for step in steps:
                try:
                    await self._carry_out(step)
                except Refused as refusal:
                    self._on_refusal(step, refusal)
                finally:
                    self._run.backlog.give_back(chars_of(step))
        if isinstance(steps[-1], Finished):
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WINDOW_S):  # tokens gather meanwhile; anything else is done at once
                await self._wakened.wait()
        return False

    async def _carry_out(self, step: Step) -> None:
        match step:
            case Started(message):
                await self._speech.start(message)
            case Pieces(message, part, gathered):
                text = self._run.backlog.take_pieces(gathered)
                try:
                    await self._speech.write(message, text, part)
                finally:
                    self._run.backlog.give_back(len(text))
            case Ended():
                await self._speech.end(step)
            case Called():
                await self._speech.call(step)
            case Returned():
                await self._speech.give_back(step)
            case Read(signal):
                for joined in self._joined.values():
                    joined.interruptions.read(signal)
            case Finished():
                await self._finish(step)

    def _on_refusal(self, step: Step, refusal: Refused) -> None:
        """One step was not taken: go on with the next, unless the run is not ours to record any more."""
        session = self._joined[self._holder].session
        task = session.live.state.tasks.known.get(self._run.task)
        if task is None or task.status != "claimed":
            raise refusal
        logger.warning("Something of run %s was not recorded (%s): %s", self._run.id, type(step).__name__, refusal)

    async def _finish(self, end: Finished) -> None:
        """Say how the run ended."""
        session, left_out = self._joined[self._holder].session, self._run.left_out
        reports: dict[str, Any] = {"metadata": {"dropped": left_out}} if left_out else {}
        data = {"task": self._run.task, "attempt": 1, **reports}
        if end.cancelled or self._run.stopping:
            await session.do("task.cancel", {"task": self._run.task, "reason": end.error or "The run was cancelled."})
        elif end.error is not None:
            await session.do("task.fail", {**data, "error": end.error})
        else:
            output = None if end.output is None else end.output.loaded()
            try:
                await session.do("task.complete", drop_none(**data, output=output))
            except TooLarge:
                await session.do("task.complete", data)

    async def _session_of(self, speaker: Speaker) -> Session:
        """The session as that agent writes to it, who joins it if need be."""
        name = self._speakers.name_of(speaker.name, self._holder)
        joined = self._joined.get(name)
        if joined is None:
            try:
                joined = await self._join(name, speaker)
            except Forbidden as refusal:
                logger.warning("%s takes no part, and speaks as %s: %s", name, self._holder, refusal)
                joined = self._joined[name] = self._joined[self._holder]
            joined.interruptions.attach(self._run)
        return joined.session

    async def _join(self, name: ParticipantId, speaker: Speaker) -> Joined:
        about = {"framework": self._framework, **({"agent_of": self._run.holder} if speaker.is_sub else {})}
        joined = self._joined[name] = await self._speakers.join(name, self._session, speaker.name, about)
        return joined

    async def _leave(self) -> None:
        """Leave, as each who has joined."""
        self._speech.let_go()
        joined, self._joined = self._joined, {}
        for name, each in joined.items():
            each.interruptions.detach(self._run)
            if name == self._holder or each is not joined[self._holder]:  # others who speak as the holder have no seat
                await self._speakers.leave(name, self._session)


async def _go_on() -> None:
    """A run that is only recorded is not held."""
