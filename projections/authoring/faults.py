"""What an author's code fails with, whatever it is.

Handlers, key functions and models are called from tasks that serve many views. What is no `Exception` (`SystemExit`,
`KeyboardInterrupt`, `asyncio.CancelledError`) would end those tasks, or pass for their being cancelled. So it leaves an
author's code as an `Escaped`. That code is never awaited: a cancellation of the task itself cannot arise in it.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Escaped(Exception):
    """An author's code raised what is no `Exception`; that is the cause."""


def contained(function: Callable[P, T]) -> Callable[P, T]:
    """The function, raising Escaped in place of what is no `Exception`."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except Exception:
            raise
        except BaseException as fault:
            raise Escaped(described(fault)) from fault

    return call


def described(fault: BaseException) -> str:
    """What a fault is called and says, for operators. Never raises, whatever its `str` does."""
    if isinstance(fault, Escaped):
        return str(fault)
    try:
        return f"{type(fault).__name__}: {fault}"
    except BaseException:
        return type(fault).__name__
