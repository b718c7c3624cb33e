"""What a call names its caller by.

`trip-7/hotels/9f3c21aa` is a run of `hotels` in the session `trip-7`; `trip-7/hotels/9f3c21aa/t-3/2` is that run under
the second attempt at the task `t-3`. Names have no slash, so a handle can be read only one way. It is no secret: the
token says who may use it.
"""

import re
import secrets
from typing import NamedTuple, Self

from ...domain.errors import Invalid
from ...domain.ids import NAME_PATTERN

_is_name = re.compile(NAME_PATTERN.rstrip("$") + r"\Z").match
MAX_NAME_CHARS = 128


class Handle(NamedTuple):
    """A run of a participant in a session; with `task` and `attempt`, what it does under a claim."""

    session: str
    participant: str
    run: str
    task: str | None = None
    attempt: int | None = None

    @classmethod
    def mint(cls, session: str, participant: str) -> Self:
        """One of a new run."""
        return cls(session, participant, secrets.token_hex(4))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one. Raises Invalid."""
        parts = text.strip().split("/")
        named = all(_is_name(part) and len(part) <= MAX_NAME_CHARS for part in parts[:4])
        if named and len(parts) == 3:
            session, participant, run = parts
            return cls(session, participant, run)
        if named and len(parts) == 5 and re.fullmatch(r"[1-9][0-9]{0,14}", parts[4]):
            session, participant, run, task, attempt = parts
            return cls(session, participant, run, task, int(attempt))
        raise Invalid(f"{text!r} is no handle. Call `join` to get one, and copy it as it is.")

    def under(self, task: str, attempt: int) -> Self:
        """The handle of a claim."""
        return self._replace(task=task, attempt=attempt)

    @property
    def claim(self) -> dict[str, object] | None:
        """The claim, as commands name it."""
        return None if self.task is None else {"task": self.task, "attempt": self.attempt}

    def __str__(self) -> str:
        claim = () if self.task is None else (self.task, str(self.attempt))
        return "/".join((self.session, self.participant, self.run, *claim))
