"""One event of a session, as chunks of a run's stream. Pure: the same for every viewer who sees it."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from ....domain.ids import MessageId, ParticipantId, TaskId
from ....domain.model import Kind
from ..envelopes import Members, envelope, role_of
from ..speech_fold import EventFact
from ..turn import is_run
from .chunks import (
    Chunk,
    agent_answer,
    agent_message,
    agent_question,
    agent_tool,
    agent_tool_ended,
    ended_agent_message,
    other_parts,
    part_delta,
    part_done,
    part_ended,
    part_started,
    tool_called,
    tool_ended,
    transient,
    user_message,
    whole_message,
)


class StreamedRun(NamedTuple):
    """The run that a stream shows: its task, and the version that created that. Without a task, whatever happens behind
    that version."""

    task: TaskId | None
    since: int = 0

    def speaks(self, members: Members) -> bool:
        """Whether it is said, or done, by the assistant."""
        return self.task is not None and members.get("task") == self.task

    def shows(self, run: TaskId | None) -> bool:
        """Whether what is of this run is shown: its own, and what is of none."""
        return run is None or self.task is None or run == self.task


class Known(Protocol):
    """What is known of a session's events."""

    def kind(self, participant: str) -> Kind | None:
        """What a participant is."""

    def run_of(self, task: TaskId | None) -> TaskId | None:
        """The run that a task is a part of."""

    def author(self, message: MessageId) -> ParticipantId | None:
        """Whose a message is: somebody else may end it."""

    def since(self, subject: str) -> int:
        """The version with which a message, a call or an approval began, by its subject."""


SoFar = Callable[[MessageId], Iterable[Members] | None]
"""What is said so far in an open message; None if it is over, since then all of it follows."""


def chunks_of(members: Members, fact: EventFact, run: StreamedRun, known: Known, so_far: SoFar) -> list[Chunk]:
    """What an event is in the stream of a run."""
    concept, _, step = members["type"].partition(".")
    if members["version"] <= run.since:
        return []
    if concept == "message":
        return _message(members, step, fact, run, known, so_far)
    if concept == "tool" and step != "output":
        return _tool(members, step, fact, run, known)
    if concept == "approval" and step != "configured":
        asks, since = step == "requested", known.since(f"approval:{members['data']['approval']}")
        shown = since > run.since and run.shows(known.run_of(members.get("task")))
        return [agent_question(members) if asks else agent_answer(members)] if shown else []
    if concept == "state":
        patch = members["data"]["patch"] if step == "patched" else [*fact.patch]
        return [transient("state-patch", patch)]
    if concept == "presence":
        return [transient("agent-status", {"step": step, **members["data"]}, members["data"]["participant"])]
    if concept == "task" and not is_run(members["data"].get("task")) and "task" in members["data"]:
        about = {"step": step, "by": members["actor"], **members["data"]}
        return [transient("agent-task", about, members["data"]["task"])]
    return [transient("event", {"type": members["type"], **envelope(members), "data": members["data"]})]


def _message(
    members: Members, step: str, fact: EventFact, run: StreamedRun, known: Known, so_far: SoFar
) -> list[Chunk]:
    data = members["data"]
    members = {**members, "actor": known.author(data["message"]) or members["actor"]}
    if run.speaks(members):
        return _of_assistant(members, step, fact)
    since = known.since(f"message:{data['message']}")
    if step == "started" or since <= run.since:
        return []
    if step == "posted" and role_of(members["actor"], True, known.kind) == "user":
        return [user_message(members)]
    if not run.shows(known.run_of(members.get("task"))):
        return []
    if step != "delta":
        return [ended_agent_message(members)]
    said = so_far(data["message"]) if fact.due else None
    return [] if said is None else [agent_message({**members, "version": since}, said, "streaming")]


def _of_assistant(members: Members, step: str, fact: EventFact) -> list[Chunk]:
    data = members["data"]
    if step == "started":
        return []
    if step == "posted":
        return [*whole_message(members)]
    made = [part_ended(members, streamed) for streamed in fact.closes]
    made += [part_started(members, streamed) for streamed in fact.opens]
    if step == "delta":
        return [*made, part_delta(members, data.get("part") or "text", data["text"])]
    made += [part_delta(members, streamed, text) for streamed, text in fact.rest]
    made += [part_done(members, streamed) for streamed in fact.ends]
    return [*made, *other_parts(members)]


def _tool(members: Members, step: str, fact: EventFact, run: StreamedRun, known: Known) -> list[Chunk]:
    if run.speaks(members):
        if step != "called":
            return [tool_ended(members)]
        begun = {**members, "data": {"message": members["data"].get("message")}}
        return [*(part_started(begun, streamed) for streamed in fact.opens), tool_called(members)]
    since = known.since(f"tool:{members['data']['call']}")
    if since <= run.since or not run.shows(known.run_of(members.get("task"))):
        return []
    return [agent_tool(members) if step == "called" else agent_tool_ended(members)]
