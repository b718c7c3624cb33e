"""Which build is at work, for those who watch the process.

Handlers are an application's code, which can end its process or block it. All workers of a process share a loop, so
afterwards nobody could tell whose handler it was. Therefore each step of a worker, from one await to the next, is
announced before it begins, and its end when it has ended.
"""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

NOBODY = 0
"""Announced between two steps. Builds are numbered from 1."""
Announce = Callable[[int], None]
"""Called with the id of the build that is at work from now on. Must not raise."""


class Announced(Awaitable[T]):
    """The work of one build, to be awaited once."""

    def __init__(self, work: Coroutine[Any, Any, T], build: int, announce: Announce) -> None:
        self._work = work
        self._build = build
        self._announce = announce

    def __await__(self) -> Generator[Any, Any, T]:
        work, build, announce = self._work, self._build, self._announce
        go_on: Callable[[], Any] = partial(work.send, None)
        while True:
            announce(build)
            try:
                awaited = go_on()
            except StopIteration as ended:
                returned: T = ended.value
                return returned
            finally:
                announce(NOBODY)
            try:
                go_on = partial(work.send, (yield awaited))
            except GeneratorExit:
                work.close()
                raise
            except BaseException as thrown:
                go_on = partial(work.throw, thrown)
