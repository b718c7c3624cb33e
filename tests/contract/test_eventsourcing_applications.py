"""Applications and projections of the eventsourcing library, by its own test-cases, over every engine."""

import os
import tempfile
from collections.abc import Callable
from threading import Lock
from typing import Any
from unittest import TestCase, mock

import pytest
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate
from eventsourcing.persistence import Tracking
from eventsourcing.projection import ProjectionRunner
from eventsourcing.tests import application as their_applications
from eventsourcing.tests import persistence as theirs
from eventsourcing.tests import projection as their_projections
from eventsourcing.utils import Environment

from stenogram.log.eventsourcing import (
    LogAggregateRecorder,
    LogApplicationRecorder,
    LogFactory,
    LogProcessRecorder,
    LogTrackingRecorder,
)

pytestmark = pytest.mark.thorough

MODULE = {"PERSISTENCE_MODULE": "stenogram.log.eventsourcing"}


class OverMemory(TestCase):
    """The environment names a log in memory."""

    settings: dict[str, str] = {"STENOGRAM_LOG": "memory:"}

    def setUp(self) -> None:
        patch = mock.patch.dict(os.environ, MODULE | self.settings)
        patch.start()
        self.addCleanup(patch.stop)
        super().setUp()


class OverSqlite(OverMemory):
    """The environment names a log in a file, and another one for the projection that writes events of its own."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.settings = {
            "STENOGRAM_LOG": f"{directory.name}/stenogram.db",
            "COUNTERS_STENOGRAM_LOG": f"{directory.name}/counters.db",
        }
        super().setUp()


@pytest.mark.postgres
class OverPostgres(OverMemory):
    """The environment names a log in a database, and another one for the projection that writes events of its own."""

    @pytest.fixture(autouse=True)
    def _addresses(self, fresh_log: Callable[[], str]) -> None:
        self.settings = {"STENOGRAM_LOG": fresh_log(), "COUNTERS_STENOGRAM_LOG": fresh_log()}


class Counts(LogTrackingRecorder, their_projections.EventCountersView):
    """How many events there were, in memory; counted once each, because their trackings are recorded once."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._created = self._subsequent = 0
        self._lock = Lock()

    def get_created_event_counter(self) -> int:
        with self._lock:  # who waits for the tracking may come before it is counted
            return self._created

    def get_subsequent_event_counter(self) -> int:
        with self._lock:  # who waits for the tracking may come before it is counted
            return self._subsequent

    def incr_created_event_counter(self, tracking: Tracking) -> None:
        with self._lock:
            self._insert((), tracking)
            self._created += 1
        self.log.trackings.notify()

    def incr_subsequent_event_counter(self, tracking: Tracking) -> None:
        with self._lock:
            self._insert((), tracking)
            self._subsequent += 1
        self.log.trackings.notify()


class ExampleCases(their_applications.ExampleApplicationTestCase):
    expected_factory_topic = "stenogram.log.eventsourcing.factory:LogFactory"


class ViewCases(their_projections.EventCountersViewTestCase):
    def construct_event_counters_view(self) -> Counts:
        self.factory = LogFactory(Environment("view", dict(os.environ)))
        self.addCleanup(self.factory.close)
        view = self.factory.tracking_recorder(Counts)
        assert isinstance(view, Counts)
        return view


class CountersCases(their_projections.AggregateEventCountersProjectionTestCase):
    view_class = Counts


class TestExampleOverMemory(OverMemory, ExampleCases):
    pass


class TestExampleOverSqlite(OverSqlite, ExampleCases):
    pass


class TestExampleOverPostgres(OverPostgres, ExampleCases):
    pass


@pytest.mark.filterwarnings("always::DeprecationWarning")  # one of them looks for a warning
class TestApplicationOverMemory(OverMemory, their_applications.ApplicationTestCase):
    pass


class OneLogForAll(their_applications.ApplicationTestCase):
    def test_save_returns_recording_event(self) -> None:
        """All their applications share one log here, so positions begin where the first one ended."""
        with Application[Any]() as application:
            recordings = application.save(Aggregate(), Aggregate())
            assert [recording.notification.id for recording in recordings] == [1, 2]


@pytest.mark.filterwarnings("always::DeprecationWarning")
class TestApplicationOverSqlite(OverSqlite, OneLogForAll):
    pass


@pytest.mark.filterwarnings("always::DeprecationWarning")
class TestApplicationOverPostgres(OverPostgres, OneLogForAll):
    pass


class TestViewOverMemory(OverMemory, ViewCases):
    pass


class TestViewOverSqlite(OverSqlite, ViewCases):
    pass


class TestViewOverPostgres(OverPostgres, ViewCases):
    pass


class TestCountersOverMemory(OverMemory, CountersCases):
    pass


class TestCountersOverSqlite(OverSqlite, CountersCases):
    pass


class TestCountersOverPostgres(OverPostgres, CountersCases):
    pass


class TestEventSourcedProjectionOverMemory(OverMemory, their_projections.EventSourcedProjectionTestCase):
    pass


class TestEventSourcedProjectionOverSqlite(OverSqlite, their_projections.EventSourcedProjectionTestCase):
    pass


class TestEventSourcedProjectionOverPostgres(OverPostgres, their_projections.EventSourcedProjectionTestCase):
    pass


class FactoryCases(theirs.InfrastructureFactoryTestCase[LogFactory]):
    def setUp(self) -> None:
        self.env = Environment("TestCase", dict(os.environ) | MODULE | {"STENOGRAM_LOG": "memory:"})
        super().setUp()

    def expected_factory_class(self) -> type[LogFactory]:
        return LogFactory

    def expected_aggregate_recorder_class(self) -> type[LogAggregateRecorder]:
        return LogAggregateRecorder

    def expected_application_recorder_class(self) -> type[LogApplicationRecorder]:
        return LogApplicationRecorder

    def expected_tracking_recorder_class(self) -> type[LogTrackingRecorder]:
        return LogTrackingRecorder

    def tracking_recorder_subclass(self) -> type[LogTrackingRecorder]:
        return Counted

    def expected_process_recorder_class(self) -> type[LogProcessRecorder]:
        return LogProcessRecorder


class Counted(LogTrackingRecorder):
    """A recorder of an application's own, found by its topic."""


class TestFactory(FactoryCases):
    pass


def test_a_projection_is_told_at_once_that_it_may_stop_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own recorders look again after 100 ms; ours are woken."""
    for name, value in (MODULE | {"STENOGRAM_LOG": "memory:wait"}).items():
        monkeypatch.setenv(name, value)
    with ProjectionRunner(
        application_class=Application[Any],
        projection_class=their_projections.AggregateEventCountersProjection,
        view_class=Counts,
    ) as runner:
        for _ in range(20):
            recordings = runner.app.save(Aggregate())
            runner.projection.view.wait("Application", recordings[-1].notification.id, timeout=30)
        assert runner.projection.view.get_created_event_counter() == 20


# What is only shared here is no test of its own.
del ExampleCases, ViewCases, CountersCases, FactoryCases, OneLogForAll, OverMemory, OverSqlite, OverPostgres
