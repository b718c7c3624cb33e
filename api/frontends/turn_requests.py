"""What a person asks of a session by a foreign protocol: to begin a turn, or to stop one.

A turn posts what they say and puts a task on the board, which an agent's loop over tasks serves. All of it has ids made
from the client's, so that asking again does nothing again: a run that is known is attached to. Answers to questions go
on with the run that asked.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from ...domain.audience import Viewer, including, visible
from ...domain.commands import parse_json_command
from ...domain.concepts.approvals import AnswerApproval, Approval
from ...domain.concepts.lifecycle import OpenSession
from ...domain.concepts.messages import PostMessage
from ...domain.concepts.signals import RaiseSignal
from ...domain.concepts.tasks import Task
from ...domain.errors import Conflict, Invalid, NotFound
from ...domain.ids import NAME_PATTERN, SessionId, TaskId
from ...domain.model import Command, CommandData
from ...domain.state import State
from ...projections.runner.time_slices import slices
from ..access.principal import Principal
from ..telemetry.telemetry import Telemetry
from ..tenants.tenant import Tenant
from .envelopes import CLIENT_ID, message_id
from .turn import MAX_RUN_CHARS, NO, RUN, Turn, is_run, root_of, task_of_run, waiting_for

TITLE_CHARS = 120


class Said(NamedTuple):
    """A message of the person: its id, and what `message.post` takes besides."""

    id: str
    data: dict[str, Any]
    text: str = ""


def said_by_page(
    given: str, text: str, attached: Iterable[Any], name: str, metadata: Mapping[str, Any] | None = None
) -> Said | None:
    """A message of a page, under the id that it has there; None where it says nothing. What is attached stays in the
    page's form, in data parts of this name."""
    id = message_id(given)
    parts: list[dict[str, Any]] = [{"kind": "text", "text": text}] if text else []
    parts += [{"kind": "data", "name": name, "data": each} for each in attached]
    about = {**({} if id == given else {CLIENT_ID: given}), **(metadata or {})}
    return Said(id, {"parts": parts, **({"metadata": about} if about else {})}, text) if parts else None


class Reply(NamedTuple):
    """What the person says to a question; with `dismissed` they do not want to answer."""

    approval: str
    value: Any = None
    dismissed: bool = False


class TurnRequest(NamedTuple):
    """A turn of one run. `agent` is who alone is to serve it; `input` is for them. `records` are what `custom.record`
    takes, each with what it is known by. With `instead`, the runs that are under way are stopped."""

    run: str
    agent: str | None = None
    said: tuple[Said, ...] = ()
    replies: tuple[Reply, ...] = ()
    records: tuple[tuple[str, dict[str, Any]], ...] = ()
    input: Mapping[str, Any] = {}  # nobody writes to it
    instead: bool = False


class TurnDesk:
    """Carries out what one participant asks of one session. Raises what the commands raise; all of them are checked
    before the first is carried out."""

    def __init__(
        self, tenant: Tenant, principal: Principal, session: SessionId, telemetry: Telemetry, headers: Mapping[str, str]
    ) -> None:
        self._tenant = tenant
        self._principal = principal
        self._session = session
        self._telemetry = telemetry
        self._headers = headers

    async def require_own(self, said: Iterable[Said]) -> None:
        """Raise Conflict for a message of which somebody else has said something else under its id: it would be lost.
        Who says the same sends what they have read."""
        known, viewer = (await self._state()).messages.known, await self._viewer()
        for each in said:
            there = known.get(each.id)
            if there is None or there.author == self._principal.participant:
                continue
            seen = visible(there.audience, viewer)
            if not seen or await self.posted(each.id) != each.data["parts"]:
                raise Conflict(f"Somebody else has a message {each.id!r}; give it another id.")

    async def begin(self, asked: TurnRequest) -> Turn:
        """Begin the turn, or find the one that has begun."""
        if not 1 <= len(asked.run) <= MAX_RUN_CHARS:
            raise Invalid(f"A run's id has 1 to {MAX_RUN_CHARS} characters.")
        state = await self._state()
        # What was answered is known by its question: a task may be called like the run, and somebody else have it.
        known = None if asked.replies else await self.find(asked.run)
        if known is not None:
            return known
        root, planned = None, list[tuple[str, CommandData]]()
        if state.session.status == "none":
            planned.append((f"{asked.run}.open", self._command("session.open", {})))
        for number, reply in enumerate(asked.replies):
            asks = await self._reply(state, asked.run, number, reply, planned)
            root = root or asks
        async for few in slices([each for each in asked.said if each.id not in state.messages.known]):
            for said in few:
                post = self._command("message.post", {"message": said.id, **said.data})
                planned.append((f"{asked.run}.said.{said.id}", post))
        planned += [(id, self._command("custom.record", data)) for id, data in asked.records]
        if not asked.replies:
            planned.append((f"{asked.run}.task", self._command("task.create", _task(asked))))
        if asked.instead:
            planned += [(f"{task}.stop", self._cancel(task)) for task in await self.runs_under_way(state)]
        for id, data in planned:
            await self._do(id, data)
        if asked.replies:
            return await self._turn_of_reply(asked.run, root)
        begun = await self.find(asked.run)
        if begun is None:
            raise Conflict(f"Another task has the `dedupe_key` {task_of_run(asked.run)!r}; choose another run's id.")
        return begun

    async def find(self, run: str) -> Turn | None:
        """The turn of a run that is known, and that the participant may see: a task of its own, or the one that it
        went on with."""
        state = await self._state()
        task = state.tasks.known.get(task_of_run(run))
        if task is not None:
            if not visible(task.audience, await self._viewer()):
                raise self._no_run(run)
            return Turn(run, task.id)
        key = (self._session, _key(f"{run}.reply.0"))
        first = (await self._tenant.log.engine.read_keys([key])).get(key)
        approval = None if first is None else state.approvals.known.get(first.subject.removeprefix("approval:"))
        if approval is None or not visible(approval.audience, await self._viewer()):
            return None
        return await self._turn_of_reply(run, root_of(state, approval.task))

    async def known(self, run: str) -> Turn:
        """The turn of a run. Raises NotFound, the same for one that is not for the participant."""
        turn = await self.find(run)
        if turn is None:
            raise self._no_run(run)
        return turn

    async def stop(self, run: str | None) -> list[str]:
        """Have a run, or every run under way, cancelled: a signal, which agents honour. The runs that are to stop; one
        that is over is not among them, and one that was asked to before is not asked again. Raises NotFound."""
        found = None if run is None else await self.find(run)
        state = await self._state()
        if run is None:
            tasks = await self.runs_under_way(state)
        elif found is None or found.task is None:
            raise self._no_run(run)
        else:
            tasks = [found.task] if state.tasks.known[found.task].unfinished else []
        viewer = await self._viewer()
        stopped = []
        for task in tasks:
            if visible(state.tasks.known[task].audience, viewer):
                await self._do(f"{task}.stop", self._cancel(task))
                stopped.append(task.removeprefix(RUN))
        return stopped

    async def runs_under_way(self, state: State) -> list[TaskId]:
        """The runs under way that the participant sees, the oldest first."""
        viewer = await self._viewer()
        return [each.id for each in state.tasks.unfinished() if is_run(each.id) and visible(each.audience, viewer)]

    async def steer(self, said: Said, target: str) -> None:
        """Say something to those who are at work: it is posted, and a signal at the target tells them of it."""
        signal = {"signal": _key(f"{said.id}.steer"), "kind": "steer", "target": target, "body": said.text}
        planned = [(f"{said.id}.steer", self._command("signal.raise", signal))]
        if said.id not in (await self._state()).messages.known:
            post = self._command("message.post", {"message": said.id, **said.data})
            planned.insert(0, (f"{target}.said.{said.id}", post))
        for id, data in planned:
            await self._do(id, data)

    async def steered(self, said: str) -> Turn | None:
        """The turn of the run to whom a message was given while they were at work."""
        key = (self._session, _key(f"{said}.steer"))
        raised = (await self._tenant.log.engine.read_keys([key])).get(key)
        if raised is None or raised.type != "signal.raised":
            return None
        target = orjson.loads(raised.data)["data"]["target"]
        return await self.find(target.removeprefix(f"task:{RUN}"))

    async def under_way(self) -> Turn | None:
        """The oldest run that is not over, of those that the participant may see."""
        state = await self._state()
        runs = [state.tasks.known[id] for id in await self.runs_under_way(state)]
        oldest = min(runs, key=lambda each: each.since, default=None)
        return None if oldest is None else Turn(oldest.id.removeprefix(RUN), oldest.id)

    async def task(self, run: str) -> Task | None:
        """The task that is a run, as it is now."""
        return (await self._state()).tasks.known.get(task_of_run(run))

    async def posted(self, message: str) -> list[dict[str, Any]] | None:
        """The parts of a message that was posted whole; none where it was not, or is not for the participant, and None
        where there is no message of that id."""
        log, subject = self._tenant.log, f"message:{message}"
        known = (await self._state()).messages.known.get(message)
        if known is None:
            return None
        if not visible(including(known.audience, known.author), await self._viewer()):
            return []
        heads = await log.engine.read_heads([(self._session, subject)])
        found = await log.read_session(self._session, heads[self._session, subject] - 1, 1) if heads else []
        parts: list[dict[str, Any]] = orjson.loads(found[0].data)["data"].get("parts", []) if found else []
        return parts

    async def _reply(
        self, state: State, run: str, number: int, reply: Reply, planned: list[tuple[str, CommandData]]
    ) -> str | None:
        """Plan what a reply comes to; the run that goes on with it."""
        viewer = await self._viewer()
        approval = state.approvals.known.get(reply.approval)
        if approval is None or not visible(approval.audience, viewer):
            raise NotFound(f"There is no question {reply.approval!r} in session {self._session!r}.")
        root = root_of(state, approval.task)
        if approval in waiting_for(state, viewer):
            if not reply.dismissed or NO in approval.options:
                data = {"approval": approval.id, **_answer(approval, NO if reply.dismissed else reply.value)}
                planned.append((f"{run}.reply.{number}", self._command("approval.answer", data)))
            elif root is not None:
                planned.append((f"{root}.stop", self._cancel(root)))
        return root

    async def _turn_of_reply(self, run: str, root: TaskId | None) -> Turn:
        """The run goes on with this one. A question may be for more readers than the task under which it is asked: who
        does not see that follows what they see."""
        task = None if root is None else (await self._state()).tasks.known.get(root)
        seen = task is not None and visible(task.audience, await self._viewer())
        return Turn(run, root if seen else None, connected=not seen)

    def _no_run(self, run: str | None) -> NotFound:
        return NotFound(f"There is no run {run!r} in session {self._session!r}.")

    async def _viewer(self) -> Viewer:
        return await self._principal.viewer(self._tenant.log, self._session)

    def _cancel(self, task: TaskId) -> CommandData:
        return self._command(
            "signal.raise", {"signal": _key(f"{task}.stop"), "kind": "cancel", "target": f"task:{task}"}
        )

    def _command(self, do: str, data: dict[str, Any]) -> CommandData:
        command = parse_json_command(do, data)
        self._principal.require_command(command, self._session)
        return command

    async def _do(self, id: str, data: CommandData) -> None:
        """Carry out a command, unless what it is for has been done meanwhile."""
        log, principal = self._tenant.log, self._principal
        command = Command(_key(id), self._session, principal.actor, log.clock.now(), data, run=principal.run)
        try:
            with self._telemetry.spanning(command, self._tenant.name, self._headers, log.stats) as end:
                end(await log.submit(command, size=len(data.model_dump_json()), sender=command.actor.id))
        except Conflict:
            if not _is_done(await self._state(), data):
                raise

    async def _state(self) -> State:
        await self._tenant.log.catch_up()  # another gateway may have acknowledged more
        return await self._tenant.log.state(self._session)


def _key(id: str) -> str:
    """An id of a command or signal of ours, made from the client's, whatever is in that."""
    key = f"turn.{id}"
    if len(key) <= 128 and re.fullmatch(NAME_PATTERN, key):
        return key
    return f"turn.{sha256(id.encode()).hexdigest()}"


def _is_done(state: State, data: CommandData) -> bool:
    """Whether it has come to what the command asks for, by somebody else, or in another way."""
    match data:
        case OpenSession():
            return state.session.status == "open"
        case PostMessage():
            return data.message in state.messages.known
        case AnswerApproval():
            return state.approvals.known[data.approval].status != "open"
        case RaiseSignal(kind="cancel"):
            return not state.tasks.known[data.target.removeprefix("task:")].unfinished or bool(
                state.signals.open_at(data.target)
            )
    return False


def _task(asked: TurnRequest) -> dict[str, Any]:
    said = " ".join(asked.said[-1].text.split()) if asked.said else ""
    title = f"{said[: TITLE_CHARS - 1]}…" if len(said) > TITLE_CHARS else said
    task = {
        "task": task_of_run(asked.run),
        "title": title or "Go on",
        "dedupe_key": task_of_run(asked.run),
        "input": {"kind": "run", "run": asked.run, **asked.input},
    }
    return task if asked.agent is None else {**task, "assignee": asked.agent}


def _answer(approval: Approval, value: Any) -> dict[str, Any]:
    """What a reply means for this question: one of its options, words, a value, or an answer as the protocol has it."""
    if isinstance(value, bool) and {"yes", NO} <= {*approval.options}:
        return {"option": "yes" if value else NO}
    if isinstance(value, str) and (value in approval.options or not approval.own_words):
        return {"option": value} if approval.options else {"value": value}
    if isinstance(value, str):
        return {"words": value}
    if isinstance(value, dict):
        if isinstance(value.get("approved"), bool) and (answer := _approved(approval, value)) is not None:
            return answer
        named = {name: value[name] for name in ("option", "value", "words", "answers", "comment") if name in value}
        if named and len(named) == len(value):
            return named
    return {"value": value}


def _approved(approval: Approval, given: dict[str, Any]) -> dict[str, Any] | None:
    """What it means that something is approved, or is not; where that is no answer, the comment may be one."""
    approved, comment = given["approved"], given.get("comment")
    if comment is not None and comment in approval.options:
        return {"option": comment}
    if {"yes", NO} <= {*approval.options}:
        about = {} if comment is None else {"comment": comment}
        return {"option": "yes" if approved else NO, **about}
    return {"words": comment} if approval.own_words and isinstance(comment, str) else None
