"""What was worked out a moment ago, and is most often asked for next."""

from collections import deque
from typing import Any, Generic, TypeVar

T = TypeVar("T")
MOST = 4


class Recent(Generic[T]):
    """The last few results, by the two objects that they were made of: these very ones, not their equals, and neither
    may be changed. A result is given out once. It changes nothing but how long something takes."""

    def __init__(self) -> None:
        self._kept: deque[tuple[Any, Any, T]] = deque(maxlen=MOST)

    def keep(self, one: object, other: object, result: T) -> None:
        """Keep a result until it is taken, or others came."""
        self._kept.append((one, other, result))

    def take(self, one: object, other: object) -> T | None:
        """The result for these two, if it is kept."""
        for kept in tuple(self._kept):
            if kept[0] is one and kept[1] is other:
                self._kept.remove(kept)
                return kept[2]
        return None
