"""Rows of the views in words: how a call, a question, a task and a participant are shown."""

from ...domain.concepts.presence import PresenceLost
from ...domain.parts import Part, ReasoningPart
from ...projections.views.agents import AgentRow
from ...projections.views.transcript import TranscriptRow
from .short_forms import compact, joined

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
    if call.status == "open":
        return "…"
    return f"→ {compact(call.result)}" if call.status == "returned" else f"✕ {call.error or call.status}"


def answered(question: TranscriptRow) -> str:
    """What became of a question."""
    if question.status == "open":
        return f"? {' / '.join(question.options) or 'a value'}"
    value = None if question.value is None else compact(question.value)
    return f"→ {joined(question.answer, value) or 'no answer'} · {question.answered_by or question.status}"


def presence_of(agent: AgentRow) -> str:
    """What a participant does, or that it is gone: left, or lost."""
    if agent.present:
        return agent.status
    return "lost" if agent.evidence.type == PresenceLost.type else "left"


def reasoning_of(parts: tuple[Part, ...]) -> str:
    """What was thought on the way, joined."""
    return "".join(part.text for part in parts if isinstance(part, ReasoningPart))
