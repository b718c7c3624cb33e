"""How long to wait before connecting again: exponential with full jitter, so that a thousand clients that lost the
same gateway do not come back in step."""

import random


class Backoff:
    """Each delay is drawn from 0 to `base` · 2ⁿ seconds, at most `cap`; what the gateway asked for is a floor."""

    def __init__(self, base: float = 0.05, cap: float = 5.0) -> None:
        self._base = base
        self._cap = cap
        self._failures = 0

    def next(self, floor: float | None = None) -> float:
        """Seconds to wait after one more failure."""
        ceiling = min(self._cap, self._base * 2 ** min(self._failures, 32))
        self._failures += 1
        return max(floor or 0.0, random.uniform(0, ceiling))

    def reset(self) -> None:
        """The connection has been of use: begin again."""
        self._failures = 0
