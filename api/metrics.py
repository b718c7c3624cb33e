"""What a gateway exports to Prometheus: collected on request, from what the logs and connections count anyway.

Tenants are added up: nothing here names one, a session or a participant. docs/reference/metrics.md says what each is.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ..log.log import Log
from ..log.stats import Histogram, LogStats
from ..log.turns import Turns
from .durable_streams.subscriptions.service import Subscriptions
from .telemetry.telemetry import Telemetry
from .tenants.tenant import Tenant
from .tenants.tenants import Tenants
from .transport.answer_budget import AnswerBudget
from .transport.sse_server import SseServer
from .transport.tcp_connections import TcpConnections
from .transport.websocket_server import WebSocketServer
from .views.service import ViewService


class Metrics(Collector):
    """The metrics of one gateway."""

    def __init__(
        self,
        tenants: Tenants,
        websocket_server: WebSocketServer,
        sse_server: SseServer,
        tcp: TcpConnections,
        telemetry: Telemetry,
        long_reads: Turns,
        answers: AnswerBudget,
        subscriptions: Subscriptions,
    ) -> None:
        self._subscriptions = subscriptions
        self._telemetry = telemetry
        self._long_reads = long_reads
        self._answers = answers
        self._tenants = tenants
        self._websocket_server = websocket_server
        self._sse_server = sse_server
        self._tcp = tcp
        self._registry = CollectorRegistry()
        self._registry.register(self)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    def page(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing is known before it is collected."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The numbers as they are now."""
        tenants = tuple(self._tenants.open.values())
        logs = [tenant.log for tenant in tenants]
        yield from _of_commits([self._tenants.past, *[log.stats for log in logs]])
        yield from _of_logs(logs)
        yield _gauge("stenogram_log_position", "Last position of the main log that is readable here", logs[0].position)
        yield _counter(
            "stenogram_tenant_faults", "Times that a tenant's log could not be opened, or failed", self._tenants.faults
        )
        yield from _of_views([tenant.views for tenant in tenants])
        yield from self._of_followers(tenants)
        yield from self._of_clients()
        yield from _of_subscriptions(self._subscriptions)
        yield _gauge("stenogram_long_reads_waiting", "Long reads that wait for their turn", self._long_reads.waiting)
        overloaded = self._long_reads.refused + self._answers.refused
        yield _counter("stenogram_overloaded", "Requests refused because there was too much to do", overloaded)

    def _of_followers(self, tenants: tuple[Tenant, ...]) -> Iterator[Metric]:
        connections = GaugeMetricFamily("stenogram_connections", "Open connections", labels=["kind"])
        connections.add_metric(["websocket"], len(self._websocket_server))
        for kind, number in sorted(self._sse_server.by_kind().items()):
            connections.add_metric([kind], number)
        connections.add_metric(["tcp"], len(self._tcp))
        yield connections
        subscriptions = sum(tenant.feed.subscriptions for tenant in tenants)
        yield _gauge("stenogram_subscriptions", "Sessions and logs that are followed", subscriptions)
        stopped = sum(len(tenant.views.stopped) for tenant in tenants)
        yield _gauge("stenogram_views_stopped", "Views that wait for an operator", stopped)
        slow = self._websocket_server.slow_consumers.closed + self._sse_server.slow_consumers.closed
        yield _counter("stenogram_connections_refused", "TCP connections beyond the limits", self._tcp.refused)
        yield _counter("stenogram_slow_consumers", "Connections ended because they did not take what came", slow)
        deliveries = [self._tenants.past_deliveries, *[tenant.feed.seconds for tenant in tenants]]
        yield _histogram(
            "stenogram_delivery_seconds", "From a commit until all live subscribers had been written to", deliveries
        )

    def _of_clients(self) -> Iterator[Metric]:
        refusals = CounterMetricFamily("stenogram_refusals", "What was refused, or failed", labels=["code"])
        for code, times in sorted(self._telemetry.refusals.items()):
            refusals.add_metric([code], times)
        yield refusals
        failures = self._telemetry.authentication_failures
        yield _counter("stenogram_authentication_failures", "Times that nobody knew who was asking", failures)
        ended = CounterMetricFamily(
            "stenogram_connections_ended", "Connections that have ended", labels=["kind", "code"]
        )
        for (kind, code), times in sorted(self._telemetry.ended.items()):
            ended.add_metric([kind, code], times)
        yield ended


def _of_subscriptions(subscriptions: Subscriptions) -> Iterator[Metric]:
    yield _gauge("stenogram_stream_subscriptions", "Subscriptions of streams that wake workers", subscriptions.count)
    wakes = CounterMetricFamily("stenogram_stream_wakes", "Wakes that workers were told of, or not", labels=["outcome"])
    for outcome, times in sorted(subscriptions.deliveries.items()):
        wakes.add_metric([outcome], times)
    yield wakes


def _of_commits(tallies: list[LogStats]) -> Iterator[Metric]:
    sizes, seconds = [each.sizes for each in tallies], [each.seconds for each in tallies]
    appended = sum(each.sum for each in sizes)
    yield _counter("stenogram_events_appended", "Events that this gateway wrote", appended)
    yield _histogram("stenogram_batch_events", "Events of one commit", sizes)
    yield _histogram("stenogram_commit_seconds", "How long a commit took", seconds)
    answers = [each.answers for each in tallies]
    yield _histogram("stenogram_command_seconds", "From when a command was queued until it was acknowledged", answers)
    overtaken = sum(each.overtaken for each in tallies)
    yield _counter("stenogram_conflicts", "Batches decided again because another gateway came first", overtaken)
    yield _counter(
        "stenogram_commit_failures", "Batches that could not be written", sum(each.failed for each in tallies)
    )


def _of_logs(logs: list[Log]) -> Iterator[Metric]:
    rings = [log.hub.ring for log in logs]
    yield _gauge("stenogram_logs", "Open logs, one for each tenant in use", len(logs))
    yield _gauge(
        "stenogram_tail_lag_seconds", "Since nothing of other gateways was missing", max(log.lag for log in logs)
    )
    offset = max([log.clock.offset for log in logs], key=abs)
    yield _gauge("stenogram_clock_offset_seconds", "This machine's clock, ahead of the log's time", offset)
    yield _gauge("stenogram_requests_waiting", "Commands that are not answered yet", sum(log.waiting for log in logs))
    at_hand = sum(log.sessions_at_hand for log in logs)
    yield _gauge("stenogram_sessions_at_hand", "Sessions that are kept folded in memory", at_hand)
    yield _gauge("stenogram_ring_events", "Events in the rings of the hubs", sum(records for records, _ in rings))
    yield _gauge("stenogram_ring_bytes", "Bytes of these events", sum(size for _, size in rings))


def _of_views(services: list[ViewService]) -> Iterator[Metric]:
    """As they were when they were last looked at, a few seconds ago. Of several tenants the worst counts."""
    events = GaugeMetricFamily("stenogram_view_lag_events", "Events that are not folded yet", labels=["view"])
    seconds = GaugeMetricFamily("stenogram_view_lag_seconds", "Since the view had all events", labels=["view"])
    parked = GaugeMetricFamily("stenogram_parked_keys", "Keys that wait for a mended handler", labels=["view"])
    for view in sorted({view for service in services for view in service.lags}):
        lags = [service.lags[view] for service in services if view in service.lags]
        events.add_metric([view], max(lag.events for lag in lags))
        seconds.add_metric([view], max(lag.seconds for lag in lags))
        parked.add_metric([view], sum(lag.parked for lag in lags))
    yield from (events, seconds, parked)


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help, value=value)


def _counter(name: str, help: str, value: float) -> Metric:
    return CounterMetricFamily(name, help, value=value)


def _histogram(name: str, help: str, spreads: list[Histogram]) -> Metric:
    counts = [sum(each) for each in zip(*[spread.counts for spread in spreads], strict=True)]
    bounds = [*[str(float(bound)) for bound in spreads[0].bounds], "+Inf"]
    buckets = [(bound, float(sum(counts[: number + 1]))) for number, bound in enumerate(bounds)]
    return HistogramMetricFamily(name, help, buckets=buckets, sum_value=sum(spread.sum for spread in spreads))
