"""What a gateway counts and logs of its clients: connections, refusals, how long commands took to be delivered.

One line for each connection when it has ended, and one for each refusal: who, what, code. What is logged can be limited
and counts cannot: each refusal counts.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ...domain.errors import StenogramError, Unauthenticated
from ...domain.model import Command
from ...log.records import Appended
from ...log.stats import LogStats
from ..access.principal import Principal
from .line_limiter import LineLimiter
from .tracing import Tracing

_connections = logging.getLogger("stenogram.connections")
_refusals = logging.getLogger("stenogram.refusals")


class Telemetry:
    """Of one gateway. `tracing` is None where spans are not wanted."""

    def __init__(self, tracing: Tracing | None = None) -> None:
        self.tracing = tracing
        self.refusals: Counter[str] = Counter()
        """How often something was refused, by code."""
        self.ended: Counter[tuple[str, str]] = Counter()
        """How often connections ended, by kind and code."""
        self._connections = LineLimiter(_connections)
        self._refusals = LineLimiter(_refusals)

    @property
    def authentication_failures(self) -> int:
        """How often nobody knew who was asking."""
        return self.refusals[Unauthenticated.code]

    def refused(self, error: StenogramError, principal: Principal | None, **what: Any) -> None:
        """Something was refused, or failed; `what` says what was asked for."""
        self.refusals[error.code] += 1
        if self._refusals.wants():
            # `detail` is for operators too: what clients are not told of it is at its end.
            asked = {name: value for name, value in what.items() if value is not None}
            self._refusals.write("refused", {"code": error.code, **_who(principal), **asked, "detail": error.detail})

    def connection_ended(self, kind: str, code: str, principal: Principal, **about: Any) -> None:
        """A WebSocket or a stream has ended; `code` says why."""
        self.ended[kind, code] += 1
        if self._connections.wants():
            given = {name: value for name, value in about.items() if value is not None}
            self._connections.write("connection ended", {"kind": kind, "code": code, **_who(principal), **given})

    @contextmanager
    def spanning(
        self, command: Command, tenant: str, headers: Mapping[str, str], stats: LogStats
    ) -> Iterator[Callable[[Appended], None]]:
        """A span for the block in which a command is carried out; what is given is to be called with its result.
        Without tracing nothing is done."""
        if self.tracing is None:
            yield lambda _: None
            return
        tracing, span, results = self.tracing, self.tracing.begin(command, tenant, headers), list[Appended]()
        try:
            yield results.append
        except BaseException as error:
            tracing.end(span, error, stats)
            raise
        tracing.end(span, results[0], stats)


def _who(principal: Principal | None) -> dict[str, Any]:
    if principal is None:
        return {}
    who = {"participant": principal.participant, "participant_kind": principal.kind}
    return {**who, "tenant": principal.tenant} if principal.tenant else who
