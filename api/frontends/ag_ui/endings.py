"""How a stream of AG-UI ends: what is open is closed, then the run is over.

A run is finished, was cancelled, has failed, or waits for an answer: then the question is an interrupt, which the next
run resumes.
"""

from collections.abc import Iterator
from typing import Any

from ....domain.audience import Viewer
from ....domain.concepts.approvals import Approval
from ....domain.envelope import timestamp
from ....domain.state import State
from ..placed import Placed
from ..speech_fold import speeches
from ..turn import NO, Ending, Turn, is_run, open_messages
from . import OURS
from .translation import AgUiEvent
from .translation import ended as end_of

REASON = f"{OURS}:approval"


def end_of_stream(
    turn: Turn, state: State, ending: Ending, output: Any, viewer: Viewer, resume: str, *, old: bool
) -> list[Placed]:
    """A stream's last events; `old` clients know no run that was cancelled."""
    closed = [Placed(event) for event in _closed(state, viewer)]
    return [*closed, Placed(_last(turn, state, ending, output, old), resume)]


def _closed(state: State, viewer: Viewer) -> Iterator[AgUiEvent]:
    """The end of everything that the reader has the beginning of."""
    said = dict(speeches(state))
    for message in open_messages(state, viewer):
        speech = said[message.id]
        yield from end_of(message.id, "reasoning") if speech.reasoning else ()
        yield from end_of(message.id, "text") if speech.text else ()


def _last(turn: Turn, state: State, ending: Ending, output: Any, old: bool) -> AgUiEvent:
    if ending.outcome == "failed" and ending.task is not None:
        return {"type": "RUN_ERROR", "message": ending.task.last_error or "The run failed.", "code": "failed"}
    finished: AgUiEvent = {"type": "RUN_FINISHED", "threadId": state.id, "runId": turn.run}
    if output is not None:
        finished["result"] = output
    if ending.outcome == "cancelled":
        return {**finished, **({"metadata": {OURS: {"outcome": "cancelled"}}} if old else {"outcome": _CANCELLED})}
    if ending.outcome == "asks":
        finished["outcome"] = {"type": "interrupt", "interrupts": [interrupt(each) for each in ending.asked]}
    return finished


_CANCELLED = {"type": "cancelled"}


def interrupt(asked: Approval) -> AgUiEvent:
    """A question that waits for the reader's answer."""
    about = {
        "requester": asked.requester,
        "options": asked.options,
        "own_words": asked.own_words,
        "questions": [each.model_dump(mode="json", exclude_none=True) for each in asked.questions],
    }
    made: AgUiEvent = {
        "id": asked.id,
        "reason": REASON,
        "message": asked.question,
        "metadata": {OURS: {name: value for name, value in about.items() if value}},
    }
    schema = response_schema(asked)
    if schema is not None:
        made["responseSchema"] = schema
    if asked.due is not None:
        made["expiresAt"] = timestamp(asked.due)
    return made if is_run(asked.task) else {**made, "subagentRunId": asked.requester}


def response_schema(asked: Approval) -> dict[str, Any] | None:
    """What an answer may be, as JSON Schema; None for several questions, which have their own."""
    if asked.questions:
        return None
    choices: list[dict[str, Any]] = [{"type": "string", "enum": list(asked.options)}] if asked.options else []
    if {"yes", NO} <= {*asked.options}:
        choices.append({"type": "boolean"})
    if asked.own_words:
        choices.append({"type": "string"})
    if asked.answer_schema is not None:
        choices.append(asked.answer_schema)
    return choices[0] if len(choices) == 1 else {"anyOf": choices}
