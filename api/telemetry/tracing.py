"""Spans by the OpenTelemetry API: one for each command, with one for its commit inside. Off unless it is configured.

`opentelemetry` is imported here alone, and only when spans are wanted. Where the process has set up a provider of its
own that is used; otherwise spans go to a collector by OTLP over HTTP, as the variables of OpenTelemetry say
(`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_SERVICE_NAME`, …).
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...domain.errors import ConfigurationError
from ...domain.model import Command
from ...log.commit.requests import Execute, Outcome
from ...log.records import Appended
from ...log.stats import LogStats

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

Answered = Callable[[Execute, Outcome], None]


class Tracing:
    """Begins and ends spans. Raises ConfigurationError when what it needs is not installed."""

    def __init__(self) -> None:
        # Imported here: it is an optional dependency, and costs a fifth of a second.
        try:
            from opentelemetry import propagate, trace  # noqa: PLC0415
        except ImportError:
            raise ConfigurationError(
                "STENOGRAM_TRACES needs OpenTelemetry; install it: pip install 'stenogram[traces]'."
            ) from None
        self._trace = trace
        self._extract = propagate.extract
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            trace.set_tracer_provider(_exporting_provider())
        self._tracer = trace.get_tracer("stenogram")

    def begin(self, command: Command, tenant: str, headers: Mapping[str, str] | None = None) -> "Span":
        """The span of a command, under the one that the headers of its request name (W3C Trace Context)."""
        about = {
            "stenogram.session": command.session,
            "stenogram.command": command.data.do,
            "stenogram.command_id": command.id,
            "stenogram.participant": command.actor.id,
            **({"stenogram.tenant": tenant} if tenant else {}),
        }
        above: Context | None = None if headers is None else self._extract(headers)
        kind = self._trace.SpanKind.SERVER
        return self._tracer.start_span(command.data.do, context=above, kind=kind, attributes=about)

    def end(self, span: "Span", outcome: "Outcome | BaseException", stats: LogStats) -> None:
        """The command was answered; its commit is the one that `stats` counted last."""
        if isinstance(outcome, Appended):
            span.set_attribute("stenogram.versions", list(outcome.versions))
            span.set_attribute("stenogram.repeated", bool(outcome.repeated))
            if stats.commit is not None and not outcome.repeated:
                self._add_commit(span, *stats.commit)
        else:
            code = getattr(outcome, "code", type(outcome).__name__)
            span.set_attribute("stenogram.code", code)
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, code))
        span.end()

    def traced(self, command: Command, tenant: str, stats: LogStats, answered: Answered) -> Answered:
        """`answered`, after the span of the command has ended."""
        span = self.begin(command, tenant)

        def end(request: Execute, outcome: Outcome) -> None:
            self.end(span, outcome, stats)
            answered(request, outcome)

        return end

    def _add_commit(self, span: "Span", events: int, began: float, seconds: float) -> None:
        since = time.time() - time.monotonic()  # the commit was timed on a clock that is never set
        inside = self._trace.set_span_in_context(span)
        about = {"stenogram.events": events}
        commit = self._tracer.start_span(
            "commit", context=inside, start_time=int((since + began) * 1e9), attributes=about
        )
        commit.end(end_time=int((since + began + seconds) * 1e9))


def _exporting_provider() -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(
            "STENOGRAM_TRACES needs OpenTelemetry's SDK and an exporter; install them: pip install 'stenogram[traces]'."
        ) from None
    provider = TracerProvider(
        resource=Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "stenogram")})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
