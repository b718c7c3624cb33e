"""Our errors as the library's."""

from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager

from eventsourcing.persistence import (
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    PersistenceError,
)

from ...domain.errors import Busy, Conflict, Invalid, LogError, LogReadOnly, StenogramError

CLOSED = "The log is closed; construct the application again."

_ERRORS: tuple[tuple[type[StenogramError], type[PersistenceError]], ...] = (
    (Conflict, IntegrityError),
    (Invalid, DataError),
    (Busy, OperationalError),
    (LogReadOnly, NotSupportedError),
    (LogError, OperationalError),
    (StenogramError, InternalError),
)


@contextmanager
def translated() -> Iterator[None]:
    """Raise what is raised inside as the library's error, with the same words."""
    try:
        yield
    except StenogramError as error:
        theirs = next(theirs for ours, theirs in _ERRORS if isinstance(error, ours))
        raise theirs(str(error)) from error
    except CancelledError:
        raise InterfaceError(CLOSED) from None
