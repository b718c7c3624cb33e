"""What goes wrong at the client: the gateway's refusals as the domain's errors, and a few errors of the client's own.

    StenogramError
    ├── (everything in `stenogram.domain.errors`, as the gateway named it by `code`)
    └── ClientError
        ├── ClientClosed     the client was closed while this was waiting
        ├── Unreachable      no gateway answered in time
        ├── HistoryGone      events that were asked for are gone
        ├── NotDone          a task that was waited for failed, or was cancelled
        └── Unanswered       a question was answered by nobody

A code that this version does not know becomes a plain StenogramError that carries it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from ..domain.errors import Forbidden, Invalid, Refused, StenogramError, TooLarge, Unauthenticated

STANDARD_MEMBERS = frozenset({"type", "title", "status", "code", "detail"})
MAX_REASON_CHARS = 500


class ClientError(StenogramError):
    """Something went wrong on this side of the connection."""

    code = "client_error"
    title = "The client could not do it"


class ClientClosed(ClientError):
    """The client was closed. A command that had been sent may have been done; repeat it with the same id to know."""

    code = "client_closed"
    title = "The client is closed"


class Unreachable(ClientError):
    """No gateway answered in time; nothing is known to have been done."""

    code = "unreachable"
    title = "The gateway cannot be reached"
    status = 503


class HistoryGone(ClientError):
    """Events `first` to `last`, both included, that were asked for are gone: versions of a session, or positions of the
    log. A log keeps every event, so no gateway of this version says so.

    The stream that raises it stays usable: iterate on to get what is left.
    """

    code = "history_gone"
    title = "Some of that history has been removed"
    status = 410

    def __init__(self, first: int, last: int) -> None:
        super().__init__(
            f"Events {first} to {last} have been removed; iterate on for the rest.", first=first, last=last
        )
        self.first = first
        self.last = last


class NotDone(ClientError):
    """A task that was waited for will not be completed; `status_now` in `extra` says whether it failed, was cancelled,
    or is blocked by what it needs."""

    code = "not_done"
    title = "The task was not completed"


class Unanswered(ClientError):
    """Nobody answered the question in time, and it had no default; or it was taken back."""

    code = "unanswered"
    title = "Nobody has answered"


def _tree(root: type[StenogramError]) -> dict[str, type[StenogramError]]:
    found = {root.code: root}
    for child in root.__subclasses__():
        if not issubclass(child, ClientError):
            found = {**_tree(child), **found}  # one without a code of its own is not what its parent's code says
    return found


_BY_CODE: dict[str, type[StenogramError]] = _tree(StenogramError)
_BY_CLOSE_CODE: dict[int, type[StenogramError]] = {
    1009: TooLarge,
    4500: Invalid,
    4501: Unauthenticated,
    4503: Forbidden,
}


class _Unknown(StenogramError):
    """Of a code that this version does not know; `code`, `title` and `status` are the gateway's."""

    def __init__(self, detail: str, problem: Mapping[str, Any], extra: Mapping[str, Any]) -> None:
        super().__init__(detail, **extra)
        vars(self).update({name: problem[name] for name in ("code", "title", "status") if name in problem})


def from_problem(problem: Mapping[str, Any]) -> StenogramError:
    """The error that an RFC 9457 problem object describes."""
    code = problem.get("code")
    kind = _BY_CODE.get(code) if isinstance(code, str) else None
    detail = str(problem.get("detail") or problem.get("title") or "The gateway gave no reason.")
    extra = {name: value for name, value in problem.items() if name not in STANDARD_MEMBERS}
    return _Unknown(detail, problem, extra) if kind is None else kind(detail, **extra)


def retry_after(error: StenogramError) -> float:
    """Seconds after which a refusal asks to be tried again."""
    return float(error.extra.get("retry_after", 1.0))


def is_final(close_code: int | None) -> bool:
    """Whether connecting again would end the same way."""
    return close_code == 1009 or (close_code is not None and 4500 <= close_code <= 4999)


def from_close(close_code: int, reason: str, code: str | None = None) -> StenogramError:
    """The error for a connection that the gateway ended for good; `code` is the one that its `bye` gave."""
    kind: Any = _BY_CODE.get(code or "") or _BY_CLOSE_CODE.get(close_code, Refused)
    error: StenogramError = kind(f"The gateway closed the connection ({close_code}): {reason or 'no reason given'}")
    return error


def reason_of(error: BaseException) -> str:
    """What the session's record says about why a piece of work ended early.

    The text of a foreign exception is left out, since the record is read by others and such texts hold addresses,
    paths and keys: only the name of its class is recorded.
    """
    if isinstance(error, StenogramError):
        return error.detail[:MAX_REASON_CHARS]
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return type(error).__name__
