"""What in a session is hidden from whom, by what it is about: for answers that would tell of it otherwise."""

from ...domain.audience import including, sees
from ...domain.model import Actor
from ...domain.state import State

_OPEN = frozenset({"", "session", "floor", "presence", "custom"})
"""What subjects begin with that everyone in a session sees. Of custom ones the state knows no audience; who writes on
condition of them must learn how they stand."""


def is_hidden(state: State, subject: str, actor: Actor) -> bool:
    """Whether an actor may not see what is about a subject. What is about nothing that is known here is."""
    kind, _, id = subject.partition(":")
    if kind == "state":
        hidden = [name for name, audience in state.document.audiences.items() if not sees(actor, audience)]
        return id in hidden or (id == "" and bool(hidden))
    known = {
        "message": state.messages.known,
        "tool": state.tools.known,
        "task": state.tasks.known,
        "signal": state.signals.known,
        "approval": state.approvals.known,
    }.get(kind)
    if known is None:
        return kind not in _OPEN
    found = known.get(id)
    if found is None:
        return False
    author = getattr(found, "author", None) or getattr(found, "caller", None)
    audience = getattr(found, "audience", None)
    return not sees(actor, including(audience, author) if author else audience)
