"""What is to be recorded of a run and was not yet: left by the program's threads, taken by the tap's.

Steps are in order. Pieces of text are no steps of their own: they gather in their message, which waits in line once,
until it is its turn. Nobody is woken for one while the last ones are being written, or for a moment after that. So a
token costs an append to a list.
"""

import threading
from collections import deque
from collections.abc import Callable

from .steps import Pieces, Step, chars_of

MAX_CHARS = 16 * 1024 * 1024
"""Of texts and values that wait, in all runs of a tap."""


class Room:
    """How much more may wait, in all backlogs of a tap."""

    def __init__(self, chars: int = MAX_CHARS) -> None:
        self.lock = threading.Lock()
        self.free = chars
        """To be looked at and changed with the lock held."""

    def take(self, chars: int) -> bool:
        """Take room for so much; false if there is none."""
        with self.lock:
            if chars > self.free:
                return False
            self.free -= chars
            return True

    def give(self, chars: int) -> None:
        """So much waits no longer."""
        with self.lock:
            self.free += chars


class Backlog:
    """The steps of one run. `wake` is called from the program's threads: when a step comes; for pieces only after
    nothing was there to be taken."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.wake: Callable[[], None] = _nobody
        self._steps: deque[Step] = deque()
        self._awake = True
        self._discarded = False
        self._held = 0
        """What it takes of the room."""

    def put(self, step: Step, *, must: bool = False) -> bool:
        """Add a step; false if there is no room. One that `must` be added always is: there are no more of these than
        of the others."""
        chars = chars_of(step)
        with self.room.lock:
            if self._discarded or not (must or chars <= self.room.free):
                return False
            self._hold(chars)
            self._add(step)
        self.wake()  # also one who rests: only pieces have time
        return True

    def put_piece(self, text: str, gathered: list[str], step: Pieces) -> bool:
        """Add a piece to those that gather; false if there is no room. `step` is added with the first."""
        wakes, room = False, self.room
        with room.lock:
            if self._discarded or len(text) > room.free:
                return False
            self._hold(len(text))
            if not gathered:
                wakes = self._add(step)
                self._hold(chars_of(step))
            gathered.append(text)
        if wakes:
            self.wake()
        return True

    def take(self) -> list[Step]:
        """All steps. What they hold is to be given back when they are done: `chars_of` each, and of pieces what was
        taken."""
        with self.room.lock:
            steps = list(self._steps)
            self._steps.clear()
            self._awake = bool(steps)
        return steps

    def take_pieces(self, gathered: list[str]) -> str:
        """What has gathered."""
        with self.room.lock:
            text = "".join(gathered)
            gathered.clear()
        return text

    def give_back(self, chars: int) -> None:
        """So much of what was taken is done."""
        with self.room.lock:
            self._hold(-chars)

    def discard(self) -> None:
        """Keep nothing more, and give back what is not done."""
        with self.room.lock:
            self._discarded = True
            self._steps.clear()
            self._hold(-self._held)

    def _hold(self, chars: int) -> None:
        self.room.free -= chars
        self._held += chars

    def _add(self, step: Step) -> bool:
        self._steps.append(step)
        wakes, self._awake = not self._awake, True
        return wakes


def _nobody() -> None:
    """Nobody is to be woken yet."""
