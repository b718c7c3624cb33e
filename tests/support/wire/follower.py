"""A follower: what one subscription to one session, or to the log, has delivered so far, checked as it comes."""

from typing import Any

Frame = dict[str, Any]


class Follower:
    """`at` is where to resume. Places are versions, or with `whole` positions.

    With `dense` every place must be delivered (nothing is filtered, hidden or folded); otherwise places must rise and
    stay within `to`.
    """

    def __init__(self, after: int = 0, *, dense: bool = True, whole: bool = False) -> None:
        self.at = after
        self.events: list[Frame] = []
        self.gaps: list[tuple[int, int]] = []
        self.caught_up: Frame | None = None
        self._dense = dense
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
            assert frame[self._place] == self.at, f"caught up at {frame[self._place]}, not {self.at}"
            self.caught_up = frame
        else:
            self.extend(frame["events"], _number(frame["to"]))

    def extend(self, events: list[Frame], to: int) -> None:
        """Check a batch of events and take it over."""
        for event in events:
            place = event[self._place]
            expected = self.at + 1
            assert place == expected if self._dense else place >= expected, f"{place} came after {self.at}"
            self.events.append(event)
            self.at = place
        assert to == self.at if self._dense else to >= self.at, f"`to` is {to} behind {self.at}"
        self.at = to

    def _gap(self, first: int, last: int) -> None:
        assert first == self.at + 1, f"a gap from {first} came after {self.at}"
        assert last >= first, f"a gap from {first} to {last}"
        self.gaps.append((first, last))
        self.at = last


def _number(place: int | str) -> int:
    return place if isinstance(place, int) else int(place.rpartition(".")[2])
