"""What in a session is hidden from whom, by what it is about: for conditions that would tell of it otherwise."""

from collections.abc import Iterable

from ...domain.audience import including, sees
from ...domain.concepts.document import WHOLE
from ...domain.model import Actor
from ...domain.state import State

_OPEN = frozenset({"", "session", "floor", "presence", "approvals"})
"""What subjects begin with that everyone in a session sees."""
_OF_THINGS = frozenset({"message", "tool", "task", "fence", "signal", "approval", "state", "stream"})
"""What those begin with that are seen as a whole, or not at all."""


def is_hidden(state: State, subject: str, actor: Actor) -> bool:
    """Whether everything about a subject is hidden from an actor: to them it is as if there were nothing."""
    kind, _, id = subject.partition(":")
    if kind == "stream":
        return state.streams.last is not None and not sees(actor, state.streams.last.audience)
    if kind == "state":
        return not sees(actor, state.document.audiences.get(id))
    known = {
        "message": state.messages.known,
        "tool": state.tools.known,
        "task": state.tasks.known,
        "fence": state.tasks.known,
        "signal": state.signals.known,
        "approval": state.approvals.known,
    }.get(kind)
    found = None if known is None else known.get(id)
    if found is None:
        return False
    author = getattr(found, "author", None) or getattr(found, "caller", None)
    audience = getattr(found, "audience", None)
    return not sees(actor, including(audience, author) if author else audience)


def may_hide(state: State, subject: str, actor: Actor) -> bool:
    """Whether some of what is about a subject may be hidden from an actor, who must not be told where it stands. What
    is about nothing that is known here may be for others."""
    kind = subject.partition(":")[0]
    if subject == WHOLE:
        return _hides_any(actor, state.document.audiences.values())
    if kind == "custom":
        return _hides_any(actor, state.custom)  # the state does not know what these are about
    return kind not in _OPEN and kind not in _OF_THINGS


def _hides_any(actor: Actor, audiences: Iterable[tuple[str, ...] | None]) -> bool:
    return not all(sees(actor, audience) for audience in audiences)
