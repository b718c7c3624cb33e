"""What waits for the committer: a line for each sender, in the order of submission, bounded by number and bytes.

Senders take turns, a request each, so that one with thousands of requests keeps nobody waiting behind all of them. A
request whose session must be read first is parked beside the lines, and later requests of that session behind it. A
request counts against the bounds until it is answered or withdrawn, wherever it is by then.
"""

from collections import OrderedDict, deque
from collections.abc import Container, Hashable, Sequence

from ...domain.errors import Busy, StenogramError
from ...domain.ids import SessionId
from .requests import Request

_NOBODY = object()


class RequestQueue:
    """The lines, and those parked beside them. Requests that were withdrawn are passed over."""

    def __init__(self, max_waiting: int, max_bytes: int) -> None:
        self._max_waiting = max_waiting
        self._max_bytes = max_bytes
        self._lines: OrderedDict[Hashable, deque[Request]] = OrderedDict()  # none empty; whose turn it is comes first
        self._in_lines = 0
        self._parked: dict[SessionId, list[Request]] = {}
        self._unanswered: dict[Request, None] = {}
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._lines or self._parked)

    @property
    def waiting(self) -> int:
        """Requests that are not answered yet, also those under way."""
        return len(self._unanswered)

    @property
    def parked(self) -> bool:
        """Whether requests wait for a session to be read."""
        return bool(self._parked)

    def put(self, request: Request) -> None:
        """Take a place at the end of its sender's line. Raises Busy when there is none."""
        unanswered, size = self._unanswered, self._bytes + request.size
        if len(unanswered) >= self._max_waiting or size > self._max_bytes:
            raise Busy("Too much waits to be written; try again shortly.", retry_after=0.1)
        if self._in_lines >= self._max_waiting:
            # Withdrawn requests stay in their line until they are popped; where nothing pops they would pile up.
            self._drop_withdrawn()
        unanswered[request] = None
        self._bytes = size
        request.on_done = self._forget
        self._in_lines += 1
        line = self._lines.get(request.sender)
        if line is None:
            self._lines[request.sender] = deque((request,))
        else:
            line.append(request)

    def put_back(self, requests: Sequence[Request]) -> None:
        """Put requests that were popped before all that wait, in their order, also before those that are parked. It is
        the first one's turn again: what must wait before others may go on is met again at once."""
        lines = self._lines
        for request in reversed(requests):  # each goes before the one that was put last
            parked = self._parked_with(request)
            if parked is None:
                self._in_lines += 1
                lines.setdefault(request.sender, deque()).appendleft(request)
                lines.move_to_end(request.sender, last=False)
            else:
                parked.insert(0, request)

    def pop(self, passed_over: Container[Hashable] = ()) -> Request | None:
        """The next request that may go on, of the sender whose turn it is, in that one's order. One that writes to
        several sessions waits for none of them. Senders that are passed over keep their turn."""
        lines = self._lines
        while lines:
            sender = next(iter(lines))
            if sender in passed_over:
                sender = next((each for each in lines if each not in passed_over), _NOBODY)
                if sender is _NOBODY:
                    break
            line = lines[sender]
            request = line.popleft()
            self._in_lines -= 1
            if not line:
                del lines[sender]
            elif len(lines) > 1:
                lines.move_to_end(sender)
            if request.done:
                continue
            parked = self._parked_with(request) if self._parked else None
            if parked is None:
                return request
            self._set_aside(parked, request)
        return None

    def park(self, session: SessionId, request: Request) -> None:
        """Set a request aside, and from now on those behind it in its session."""
        self._parked[session] = [request]

    def unpark(self, session: SessionId) -> list[Request]:
        """What was set aside; the caller refuses it or puts it back."""
        return self._parked.pop(session)

    def refuse_all(self, error: StenogramError) -> None:
        """Refuse everything that is not answered, wherever it is."""
        for request in tuple(self._unanswered):  # a copy: answering takes it out of there
            request.answer(error)
        self._lines.clear()
        self._in_lines = 0
        self._parked.clear()

    def _drop_withdrawn(self) -> None:
        kept = {sender: deque([each for each in line if not each.done]) for sender, line in self._lines.items()}
        self._lines = OrderedDict((sender, line) for sender, line in kept.items() if line)
        self._in_lines = sum(map(len, self._lines.values()))

    def _parked_with(self, request: Request) -> list[Request] | None:
        if not self._parked:
            return None
        sessions = request.sessions
        return self._parked.get(sessions[0]) if len(sessions) == 1 else None

    def _set_aside(self, parked: list[Request], request: Request) -> None:
        if len(parked) >= self._max_waiting:
            parked[:] = [each for each in parked if not each.done]
        parked.append(request)

    def _forget(self, request: Request) -> None:
        del self._unanswered[request]
        self._bytes -= request.size
