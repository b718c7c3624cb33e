"""A follower: what one subscription to one session, or to the log, has delivered so far, checked as it comes."""

from typing import Any

Frame = dict[str, Any]


class Follower:
    """`at` is the last place that was delivered: a version, or with `whole` a position. `place` is where to resume: a
    version, or with `whole` the cursor that came last, handed back as it is.

    With `dense` every place must be delivered (nothing is filtered, hidden or folded); otherwise places must rise and
    stay within `to`.
    """

    def __init__(self, after: int = 0, *, dense: bool = True, whole: bool = False) -> None:
        self.at = after
        self.place: int | str = after
        self.events: list[Frame] = []
        self.gaps: list[tuple[int, int]] = []
        self.caught_up: Frame | None = None
        self._dense = dense
        self.whole = whole
        self._place = "position" if whole else "version"

    @property
    def places(self) -> list[int]:
        """The places of all delivered events."""
        return [event[self._place] for event in self.events]

    def resume(self) -> None:
        """Forget that history had been delivered: a new subscription goes on from `at`."""
        self.caught_up = None

    def receive(self, frame: Frame) -> None:
        """Check an `events`, `gap` or `caught_up` and take it over."""
        kind = frame["frame"]
        if kind == "gap":
            self._gap(frame["from"], frame["to"])
        elif kind == "caught_up":
            assert self.caught_up is None, f"caught_up came twice: {frame}"
            # Beyond the last `to` where what lies between is hidden from this subscriber, and too little to be told of.
            place = frame[self._place]
            assert place == self.at if self._dense else place >= self.at, f"caught up at {place}, not {self.at}"
            self.at = place
            self.caught_up = frame
            self.place = frame.get("to", self.at)
        else:
            self.extend(frame["events"], frame["to"])

    def extend(self, events: list[Frame], to: int | str) -> None:
        """Check a batch of events and take it over; `to` is a version, or a cursor."""
        for event in events:
            place = event[self._place]
            expected = self.at + 1
            assert place == expected if self._dense else place >= expected, f"{place} came after {self.at}"
            self.events.append(event)
            self.at = place
        if isinstance(to, int):
            assert to == self.at if self._dense else to >= self.at, f"`to` is {to} behind {self.at}"
            self.at = to
        self.place = to

    def _gap(self, first: int, last: int) -> None:
        assert first == self.at + 1, f"a gap from {first} came after {self.at}"
        assert last >= first, f"a gap from {first} to {last}"
        self.gaps.append((first, last))
        self.at = last
        if not self.whole:
            self.place = last
