"""Ids of messages, calls and questions that a session knows already when a run begins them.

Frameworks make ids that are unique for them, and tell a thing again: a run that was interrupted in a tool tells the
call again when it goes on, and one that waits for an answer asks again. What is done instead follows from the commands
and their refusals alone, so that the same run again does nothing again.
"""

from ..errors import Conflict, NoChange, Refused, TooLarge
from .ag_ui_members import as_name
from .ag_ui_writer import Step


class TakenIds:
    """What is called otherwise in a session than in the run."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._told_again: dict[str, Step] = {}

    def name(self, message: str) -> str:
        """What a message is called here."""
        return self._names.get(message, message)

    def renamed(self, step: Step) -> Step:
        """The step, about the message as it is called here."""
        message = step.data.get("message")
        if message not in self._names:
            return step
        return step._replace(data={**step.data, "message": self._names[message]})

    def instead(self, step: Step, refusal: Refused) -> list[Step]:
        """What to do instead of a step that was refused: nothing where it changes nothing, or may be left out. Raises
        the refusal when that was not for an id.

        A call that is told again is the same one while it is open. Whether it is shows when it returns, not before: a
        run that is repeated has returned it itself. One that had ended is another then.
        """
        if isinstance(refusal, NoChange) or (isinstance(refusal, TooLarge) and step.spare):
            return []
        if isinstance(refusal, TooLarge):
            raise refusal
        known = isinstance(refusal, Conflict) and "exists" in refusal.extra
        if known and step.do == "approval.request":
            return []
        if known and step.do == "tool.call":
            self._told_again[step.data["call"]] = step
            return []
        if known and step.do == "message.start":
            self._names[step.data["message"]] = name = as_name(f"{step.id}.message")
            return [_about(step, message=name)]
        call = self._told_again.pop(step.data["call"], None) if step.do == "tool.return" else None
        if call is None:
            raise refusal
        name = as_name(f"{step.id}.call")
        return [_about(call, call=name), _about(step, call=name)]


def _about(step: Step, **member: str) -> Step:
    return Step(as_name(f"{step.id}.again"), step.do, {**step.data, **member})
