"""What a gateway exports to Prometheus: collected on request, from what the logs and connections count anyway.

Tenants are added up: nothing here names one, a session or a participant. docs/reference/metrics.md says what each is.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ..log.log import Log
from ..log.stats import Histogram
from .tenants import Tenant, Tenants
from .transport.sse_server import SseServer
from .transport.websocket_server import WebSocketServer


class Metrics(Collector):
    """The metrics of one gateway."""

    def __init__(self, tenants: Tenants, websocket_server: WebSocketServer, sse_server: SseServer) -> None:
        self._tenants = tenants
        self._websocket_server = websocket_server
        self._sse_server = sse_server
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
        yield from _of_commits(logs)
        yield from _of_logs(logs)
        yield from self._of_followers(tenants)

    def _of_followers(self, tenants: tuple[Tenant, ...]) -> Iterator[Metric]:
        connections = GaugeMetricFamily("stenogram_connections", "Open connections", labels=["kind"])
        connections.add_metric(["websocket"], len(self._websocket_server))
        connections.add_metric(["stream"], len(self._sse_server))
        yield connections
        subscriptions = sum(tenant.feed.subscriptions for tenant in tenants)
        yield _gauge("stenogram_subscriptions", "Sessions and logs that are followed", subscriptions)
        stopped = sum(len(tenant.views.stopped) for tenant in tenants)
        yield _gauge("stenogram_views_stopped", "Views that wait for an operator", stopped)
        slow = self._websocket_server.slow_consumers.closed + self._sse_server.slow_consumers.closed
        yield _counter("stenogram_slow_consumers", "Connections ended because they did not take what came", slow)


def _of_commits(logs: list[Log]) -> Iterator[Metric]:
    tallies = [log.stats for log in logs]
    sizes, seconds = [each.sizes for each in tallies], [each.seconds for each in tallies]
    appended = sum(each.sum for each in sizes)
    yield _counter("stenogram_events_appended", "Events that this gateway wrote", appended)
    yield _histogram("stenogram_batch_events", "Events of one commit", sizes)
    yield _histogram("stenogram_commit_seconds", "How long a commit took", seconds)
    overtaken = sum(each.overtaken for each in tallies)
    yield _counter("stenogram_conflicts", "Batches decided again because another gateway came first", overtaken)
    yield _counter(
        "stenogram_commit_failures", "Batches that could not be written", sum(each.failed for each in tallies)
    )


def _of_logs(logs: list[Log]) -> Iterator[Metric]:
    rings = [log.hub.ring for log in logs]
    yield _gauge("stenogram_logs", "Open logs, one for each tenant in use", len(logs))
    yield _gauge("stenogram_log_position", "Last position of the main log that is readable here", logs[0].position)
    yield _gauge(
        "stenogram_tail_lag_seconds", "Since nothing of other gateways was missing", max(log.lag for log in logs)
    )
    yield _gauge("stenogram_requests_waiting", "Commands that are not answered yet", sum(log.waiting for log in logs))
    yield _gauge("stenogram_ring_events", "Events in the rings of the hubs", sum(records for records, _ in rings))
    yield _gauge("stenogram_ring_bytes", "Bytes of these events", sum(size for _, size in rings))


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help, value=value)


def _counter(name: str, help: str, value: float) -> Metric:
    return CounterMetricFamily(name, help, value=value)


def _histogram(name: str, help: str, spreads: list[Histogram]) -> Metric:
    counts = [sum(each) for each in zip(*[spread.counts for spread in spreads], strict=True)]
    bounds = [*[str(float(bound)) for bound in spreads[0].bounds], "+Inf"]
    buckets = [(bound, float(sum(counts[: number + 1]))) for number, bound in enumerate(bounds)]
    return HistogramMetricFamily(name, help, buckets=buckets, sum_value=sum(spread.sum for spread in spreads))
