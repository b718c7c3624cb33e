"""Rows of the views in words: how a call, a question, a task and a participant are shown."""

from ...domain.concepts.presence import PresenceLost
from ...domain.parts import Part, ReasoningPart
from ...projections.views.agents import AgentRow
from ...projections.views.transcript import TranscriptRow
from .short_forms import answer_to, compact, joined, last_line

TASK_MARKS = {
    "open": ("○", "dim"),
    "claimed": ("●", "yellow"),
    "completed": ("✓", "green"),
    "failed": ("✕", "red"),
    "cancelled": ("✕", "dim"),
}
"""How a task's status is drawn, and in which style."""


def arguments(call: TranscriptRow) -> str:
    """What a tool was called with."""
    return "" if call.arguments is None else compact(call.arguments)


def outcome(call: TranscriptRow) -> str:
    """How a tool call ended; … while it has not."""
    output = last_line(call.output) if call.output else None
    if call.status == "open":
        return f"… {output}" if output else "…"
    failed = None if call.status == "returned" else f"✕ {call.error or call.status}"
    result = None if call.result is None else f"→ {compact(call.result)}"
    return joined(failed, result or output) or "→ null"


def _how(question: TranscriptRow) -> str:
    """How a question can be answered."""
    if question.questions:
        return " / ".join(each.name for each in question.questions)
    ways = [*question.options, *(["in words"] if question.own_words else [])]
    return " / ".join(ways) or "a value"


def answered(question: TranscriptRow) -> str:
    """What became of a question."""
    if question.status == "open":
        return f"? {_how(question)}"
    value = None if question.value is None else compact(question.value)
    several = [answer_to(*each) for each in question.answers.items()]
    said = joined(question.answer, question.words, value, *several)
    return f"→ {said or 'no answer'} · {question.answered_by or question.status}"


def presence_of(agent: AgentRow) -> str:
    """What a participant does, or that it is gone: left, or lost."""
    if agent.present:
        return agent.status
    return "lost" if agent.evidence.type == PresenceLost.type else "left"


def reasoning_of(parts: tuple[Part, ...]) -> str:
    """What was thought on the way, joined."""
    return "".join(part.text for part in parts if isinstance(part, ReasoningPart))
