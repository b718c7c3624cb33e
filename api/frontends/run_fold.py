"""How the runs of a session go, event by event: each begins, asks, goes on and ends. Pure.

A run is a task, and what is asked under its parts is asked by it. Front-ends that follow a session over several runs
are told of these steps. Like the other facts they are true wherever one looks from: who sees which step, the reader of
the fact decides.
"""

from typing import Any, Literal, NamedTuple

import orjson

from ...domain.audience import Viewer, visible
from ...domain.ids import ApprovalId, MessageId, ParticipantId, TaskId
from ...domain.state import State
from ...log.records import Record
from .turn import is_run

Step = Literal["began", "asks", "goes_on", "completed", "failed", "cancelled", "said", "part_began", "part_ended"]
_ENDS: dict[str, Step] = {"completed": "completed", "failed": "failed", "cancelled": "cancelled"}
_LEAVES = (*_ENDS, "released")
MOST_AUDIENCES = 64
"""Those for whom runs began, or asked, last: a message that is over is measured by these."""


class Asked(NamedTuple):
    """Of a question of a run, or of the run: who may see it, and who may answer."""

    audience: tuple[str, ...] | None
    of: tuple[str, ...] | None

    def for_viewer(self, viewer: Viewer) -> bool:
        """Whether a viewer sees it, and may answer."""
        return visible(self.audience, viewer) and visible(self.of, viewer)


class RunStep(NamedTuple):
    """What has become of a run, which is for an `audience`; `asked` are its open questions then. With `said`, a message
    is over that may have been said in part when a run began, asked or ended: of those which `asked` lists. With
    `part_…`, an `agent` has taken a task that is no run, or holds it no longer."""

    step: Step
    run: TaskId = ""
    audience: tuple[str, ...] | None = None
    asked: tuple[Asked, ...] = ()
    error: str | None = None
    agent: ParticipantId | None = None

    def shows(self, viewer: Viewer) -> bool:
        """Whether a viewer is shown what has become of the run, and how the thread is then."""
        concerned = any(each.for_viewer(viewer) for each in self.asked)
        if self.step == "said":
            return concerned
        if not visible(self.audience, viewer) or self.agent is not None:
            return False
        return concerned if self.step == "asks" else not concerned if self.step in ("began", "goes_on") else True


class RunFold:
    """Folds the events of one session, in order, from a state on."""

    def __init__(self, state: State) -> None:
        known, asked = state.tasks.known, state.approvals.known
        self._tasks = known
        self._parents: dict[TaskId, TaskId | None] = {}
        """Of the tasks that were created since."""
        self._runs = {id: each.audience for id, each in known.items() if is_run(id) and each.unfinished}
        self._questions = {id: (asked[id].task, Asked(asked[id].audience, asked[id].of)) for id in state.approvals.open}
        self._owners = {each.id: each.owner for each in state.tasks.being_done() if not is_run(each.id)}
        messages = [state.messages.known[id] for id in state.messages.open.of(None)]
        self._open: dict[MessageId, tuple[int, TaskId | None]] = {each.id: (each.since, each.task) for each in messages}
        self._began: dict[Asked, int] = {}
        """The version with which the newest run began that is for these."""
        self._asked: dict[Asked, int] = {}
        """And with which runs asked last."""
        for began in sorted((each for id, each in known.items() if is_run(id)), key=lambda each: each.since):
            _note(self._began, Asked(began.audience, None), began.since)
        runs = (each for each in asked.values() if self.run_of(each.task))
        for each in sorted(runs, key=lambda each: each.since):
            _note(self._asked, Asked(each.audience, each.of), each.since)

    def latest(self, viewer: Viewer) -> int:
        """The version with which the newest run began that a viewer sees; 0 before the first."""
        return max([version for each, version in self._began.items() if each.for_viewer(viewer)], default=0)

    def run_of(self, task: TaskId | None) -> TaskId | None:
        """The run that a task is a part of."""
        while task is not None and not is_run(task):
            known = self._tasks.get(task)
            task = self._parents.get(task, None if known is None else known.parent)
        return task

    def add(self, record: Record) -> RunStep | None:
        """The next event."""
        concept, _, step = record.type.partition(".")
        if concept == "message":
            return self._of_message(record, step)
        if concept == "task" and step in ("created", "claimed", *_LEAVES):
            return self._of_task(record, step, orjson.loads(record.data))
        if concept == "approval" and step != "configured":
            return self._of_approval(record, step, orjson.loads(record.data))
        return None

    def _of_message(self, record: Record, step: str) -> RunStep | None:
        id = record.subject.removeprefix("message:")
        if step == "started":
            self._open[id] = (record.version, orjson.loads(record.data).get("task"))
        elif step in ("completed", "aborted"):
            since, task = self._open.pop(id, (record.version, None))
            # True of what came before, wherever the fold began: the same event comes to the same whenever it is read.
            over = self.run_of(task) not in self._runs
            about = [each for each, version in self._began.items() if over or since < version]
            about += [each for each, version in self._asked.items() if since < version]
            return RunStep("said", asked=tuple(about)) if about else None
        return None

    def _of_task(self, record: Record, step: str, members: dict[str, Any]) -> RunStep | None:
        id = members["data"]["task"]
        if step == "created":
            self._parents[id] = members["data"].get("parent")
            if not is_run(id):
                return None
            self._runs[id] = _audience(members)
            _note(self._began, Asked(self._runs[id], None), record.version)
            return self._step("began", id)
        if not is_run(id):
            return self._of_part(id, step, members)
        if id not in self._runs or step not in _ENDS or (step == "failed" and members["data"].get("retryable")):
            return None
        made = self._step(_ENDS[step], id)._replace(error=members["data"].get("error"))
        del self._runs[id]
        return made

    def _of_part(self, id: TaskId, step: str, members: dict[str, Any]) -> RunStep | None:
        if step == "claimed":
            self._owners[id] = members["actor"]
            return RunStep("part_began", id, agent=members["actor"])
        owner = self._owners.pop(id, None)
        return None if owner is None else RunStep("part_ended", id, error=members["data"].get("error"), agent=owner)

    def _of_approval(self, record: Record, step: str, members: dict[str, Any]) -> RunStep | None:
        id: ApprovalId = members["data"]["approval"]
        if step == "requested":
            of = members["data"].get("of")
            asked = Asked(_audience(members), None if of is None else tuple(of))
            self._questions[id] = (members.get("task"), asked)
            run = self.run_of(members.get("task"))
            if run:
                _note(self._asked, asked, record.version)
        else:
            run = self.run_of(self._questions.pop(id, (None, None))[0])
        if run is None or run not in self._runs:
            return None
        return self._step("asks" if step == "requested" else "goes_on", run)

    def _step(self, step: Step, run: TaskId) -> RunStep:
        asked = tuple(each for task, each in self._questions.values() if self.run_of(task) == run)
        return RunStep(step, run, self._runs[run], asked)


def _note(latest: dict[Asked, int], whose: Asked, version: int) -> None:
    """In the order of the versions; of very many audiences the oldest are forgotten."""
    latest.pop(whose, None)
    latest[whose] = version
    if len(latest) > MOST_AUDIENCES:
        del latest[next(iter(latest))]


def _audience(members: dict[str, Any]) -> tuple[str, ...] | None:
    audience = members.get("audience")
    return None if audience is None else tuple(audience)
