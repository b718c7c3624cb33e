"""What waits for the committer: requests in the order of submission, bounded by number and bytes.

A request whose session must be read first is parked beside the line, and later requests of that session behind it. A
request counts against the bounds until it is answered or withdrawn, wherever it is by then.
"""

from collections import deque
from collections.abc import Sequence

from ...domain.errors import Busy, StenogramError
from ...domain.ids import SessionId
from .requests import Request


class RequestQueue:
    """The line, and those parked beside it. Requests that were withdrawn are passed over."""

    def __init__(self, max_waiting: int, max_bytes: int) -> None:
        self._max_waiting = max_waiting
        self._max_bytes = max_bytes
        self._line: deque[Request] = deque()
        self._parked: dict[SessionId, list[Request]] = {}
        self._unanswered: dict[Request, None] = {}
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._line or self._parked)

    @property
    def waiting(self) -> int:
        """Requests that are not answered yet, also those under way."""
        return len(self._unanswered)

    @property
    def parked(self) -> bool:
        """Whether requests wait for a session to be read."""
        return bool(self._parked)

    def put(self, request: Request) -> None:
        """Take a place at the end. Raises Busy when there is none."""
        unanswered, size = self._unanswered, self._bytes + request.size
        if len(unanswered) >= self._max_waiting or size > self._max_bytes:
            raise Busy("Too much waits to be written; try again shortly.", retry_after=0.1)
        if len(self._line) >= self._max_waiting:
            # Withdrawn requests stay in the line until they are popped; where nothing pops they would pile up.
            self._line = deque([each for each in self._line if not each.done])
        unanswered[request] = None
        self._bytes = size
        request.on_done = self._forget
        self._line.append(request)

    def put_back(self, requests: Sequence[Request]) -> None:
        """Put requests that were popped before all that wait, in their order, also before those that are parked."""
        for request in reversed(requests):  # each goes before the one that was put last
            parked = self._parked_with(request)
            if parked is None:
                self._line.appendleft(request)
            else:
                parked.insert(0, request)

    def pop(self) -> Request | None:
        """The next request that may go on, in order. One that writes to several sessions waits for none of them."""
        while self._line:
            request = self._line.popleft()
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
        self._line.clear()
        self._parked.clear()

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
