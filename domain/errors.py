"""Everything that Stenogram refuses or fails at, as one small tree.

    StenogramError
    ├── Refused            the request is understood and not done; nothing was written
    │   ├── Invalid        the request itself is malformed
    │   │   ├── UnknownCommand
    │   │   ├── TooLarge
    │   │   ├── TooDeep
    │   │   └── BadCursor
    │   ├── Conflict       the session is not as the request expects
    │   │   ├── NoChange
    │   │   ├── StaleProducer
    │   │   ├── Fenced
    │   │   ├── Paused         try again after `retry_after` seconds, or when it is resumed
    │   │   └── SessionClosed
    │   ├── PatchFailed
    │   ├── NotFound
    │   │   ├── NoDocument
    │   │   └── Gone
    │   ├── Unauthenticated
    │   ├── Forbidden
    │   └── Busy           try again after `retry_after` seconds
    │       └── Overloaded
    ├── LogError           the log itself cannot be used
    │   ├── LogInUse
    │   ├── LogReadOnly
    │   ├── LogReplaced
    │   ├── LogUnreadable
    │   └── LogFailed
    ├── FoldFailed         a projection's handler failed at an event
    ├── ViewsFailed        the storage of the views failed
    ├── NotReady           the gateway cannot serve now
    └── ConfigurationError

Each class carries what every face of the product needs: a stable `code`, the HTTP `status`, and the WebSocket
`close` code for the cases in which the connection itself ends (codes 4000–4499: reconnect; 4500–4999: do not).
`problem()` renders an RFC 9457 problem object, the same over HTTP and inside frames.
"""

from typing import Any, ClassVar


class StenogramError(Exception):
    """Root of the tree. The message tells the reader what happened and what to do next. A `fault`, the text of another
    exception, is for operators: `problem`, which clients get, leaves it out."""

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"
    status: ClassVar[int] = 500
    close: ClassVar[int] = 4000

    def __init__(self, detail: str, *, fault: str = "", **extra: Any) -> None:
        shown = f" ({fault})" if detail.endswith(".") else f": {fault}"
        self.detail = detail + shown if fault else detail
        super().__init__(self.detail)
        self.extra = extra
        self._for_clients = detail

    def problem(self) -> dict[str, Any]:
        """Render as an RFC 9457 problem object; `extra` members stand beside the standard ones."""
        return {
            "type": f"urn:stenogram:error:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self._for_clients,
            **self.extra,
        }


class Refused(StenogramError):
    """The request was understood and not carried out; nothing was written."""

    code = "refused"
    title = "The request was refused"
    status = 422
    close = 4500


class Invalid(Refused):
    """The request is malformed: wrong JSON, wrong types, missing or unknown members."""

    code = "invalid"
    title = "The request is malformed"
    status = 400


class UnknownCommand(Invalid):
    """There is no command of that name."""

    code = "unknown_command"
    title = "There is no such command"


class TooLarge(Invalid):
    """A body, frame, batch or document is over its limit."""

    code = "too_large"
    title = "The request is too large"
    status = 413
    close = 1009


class TooDeep(Invalid):
    """JSON is nested more deeply than the limit."""

    code = "too_deep"
    title = "The JSON is nested too deeply"


class BadCursor(Invalid):
    """A place to read from is malformed, of another log, or in the future. Never answered with a full replay."""

    code = "bad_cursor"
    title = "That place in the log does not exist"
    status = 404


class Conflict(Refused):
    """The session is not as the request expects it; `extra` says how it is."""

    code = "conflict"
    title = "The session is not as expected"
    status = 409


class NoChange(Conflict):
    """The request would change nothing, so nothing was recorded."""

    code = "no_change"
    title = "Nothing would change"


class StaleProducer(Conflict):
    """A newer epoch of this producer has written: this one is fenced."""

    code = "stale_producer"
    title = "A newer producer has taken over"


class Fenced(Conflict):
    """What this would go on with was taken away or stopped: a task that another holds now, a message that was ended,
    an agent that did not honour a cancel. Stop; `extra` says how things stand."""

    code = "fenced"
    title = "This was taken from you, or stopped"


class Paused(Conflict):
    """The task is paused: nothing is written under it until somebody resumes it. `extra` names the `signal`, and has
    `retry_after` (seconds)."""

    code = "paused"
    title = "The task is paused"


class SessionClosed(Conflict):
    """The session is closed; reopen it to write to it."""

    code = "session_closed"
    title = "The session is closed"


class PatchFailed(Refused):
    """A JSON Patch does not apply to the shared state, or leads to what no state can be."""

    code = "patch_failed"
    title = "The patch does not apply"
    status = 409  # RFC 5789 §2.2: it cannot be applied to the state as it is


class NotFound(Refused):
    """The session, message or other thing named does not exist (or may not be seen)."""

    code = "not_found"
    title = "There is no such thing"
    status = 404


class NoDocument(NotFound):
    """The session is there, and the view holds nothing of it (or nothing that you may see)."""

    code = "no_document"
    title = "The view holds nothing of that"


class Gone(NotFound):
    """What is named was there and is gone; what belonged to it may still be kept."""

    code = "gone"
    title = "That is gone"
    status = 410


class Unauthenticated(Refused):
    """The token is missing, malformed, expired or not signed by a known key."""

    code = "unauthenticated"
    title = "Who are you?"
    status = 401
    close = 4501


class Forbidden(Refused):
    """The token is good and does not allow this."""

    code = "forbidden"
    title = "That is not allowed"
    status = 403
    close = 4503


class Busy(Refused):
    """A queue or a rate limit is full; `retry_after` (seconds) stands in `extra`."""

    code = "busy"
    title = "Too much at once"
    status = 429
    close = 4029


class Overloaded(Busy):
    """The process has too much of this kind to do for everyone; nobody's own limit. `retry_after` (seconds) stands in
    `extra`."""

    code = "overloaded"
    title = "There is too much to do"
    status = 503


class LogError(StenogramError):
    """The log cannot be used."""

    code = "log_error"
    title = "The log cannot be used"
    status = 503


class LogInUse(LogError):
    """Another process writes this log; an embedded log has one writer."""

    code = "log_in_use"
    title = "Another process writes this log"


class LogReadOnly(LogError):
    """The log was opened for reading."""

    code = "log_read_only"
    title = "The log was opened for reading"


class LogReplaced(LogError):
    """The log is not the one that was opened: it has lost events that were known, was restored to an earlier state, or
    recreated. A process that finds this ends; started again, it serves the log as it is. A file that is an older copy
    of the log that was there is not opened before it is given a new epoch."""

    code = "log_replaced"
    title = "The log was replaced"


class LogUnreadable(LogError):
    """The file or database is not a log of ours, or of a schema that this version cannot read."""

    code = "log_unreadable"
    title = "That is not a log this version can read"


class LogFailed(LogError):
    """The storage failed (disk full, connection lost). What waited for it was not acknowledged."""

    code = "log_failed"
    title = "The log's storage failed"


class FoldFailed(StenogramError):
    """A projection's handler failed at an event; what is wrong is in the handler, or in what it expects of events."""

    code = "fold_failed"
    title = "A projection failed at an event"


class ViewsFailed(StenogramError):
    """The storage of the views failed (disk full, connection lost). They can be rebuilt from the log."""

    code = "views_failed"
    title = "The storage of the views failed"
    status = 503


class NotReady(StenogramError):
    """The gateway lives and cannot serve now."""

    code = "not_ready"
    title = "Not ready"
    status = 503


class ConfigurationError(StenogramError):
    """The settings contradict each other or would be unsafe; nothing was started."""

    code = "configuration"
    title = "The settings cannot be used"
