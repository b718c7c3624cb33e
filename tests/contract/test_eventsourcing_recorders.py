"""The recorders pass the eventsourcing library's own test-cases, over every engine."""

import tempfile
from collections.abc import Callable
from typing import Any
from unittest import TestCase
from uuid import UUID, uuid4

import pytest
from eventsourcing.tests import persistence as theirs
from eventsourcing.utils import Environment

from stenogram.log.eventsourcing import (
    LogAggregateRecorder,
    LogApplicationRecorder,
    LogFactory,
    LogProcessRecorder,
    LogTrackingRecorder,
)


class OverMemory(TestCase):
    """Each test has a log in memory."""

    where = "memory:"
    ids = "uuid"

    def setUp(self) -> None:
        super().setUp()
        self.factory = LogFactory(Environment(env={"STENOGRAM_LOG": self.where, "ORIGINATOR_ID_TYPE": self.ids}))
        self.addCleanup(self.factory.close)


class OverSqlite(OverMemory):
    """Each test has a log in a file."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.where = f"{directory.name}/stenogram.db"
        super().setUp()


@pytest.mark.postgres
class OverPostgres(OverMemory):
    """Each test has a log in a database."""

    @pytest.fixture(autouse=True)
    def _address(self, fresh_log: Callable[[], str]) -> None:
        self.where = fresh_log()


class TextIds(theirs.RecorderTestCase):
    """Aggregates whose ids are text."""

    ids = "text"

    def new_originator_id(self) -> UUID | str:
        return f"order-{uuid4()}"


class AggregateCases(theirs.AggregateRecorderTestCase):
    factory: LogFactory

    def create_recorder(self) -> LogAggregateRecorder:
        return self.factory.aggregate_recorder()


class ApplicationCases(theirs.ApplicationRecorderTestCase[LogApplicationRecorder]):
    factory: LogFactory
    EXPECT_CONTIGUOUS_NOTIFICATION_IDS = True

    def create_recorder(self) -> LogApplicationRecorder:
        return self.factory.application_recorder()

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TrackingCases(theirs.TrackingRecorderTestCase):
    factory: LogFactory

    def create_recorder(self) -> LogTrackingRecorder:
        return self.factory.tracking_recorder()


class ProcessCases(theirs.ProcessRecorderTestCase):
    factory: LogFactory

    def create_recorder(self) -> LogProcessRecorder:
        return self.factory.process_recorder()


class NonInterleavingCases(theirs.NonInterleavingNotificationIDsBaseCase):
    factory: LogFactory

    def create_recorder(self) -> LogApplicationRecorder:
        return self.factory.application_recorder()


class TestAggregatesOverMemory(OverMemory, AggregateCases):
    pass


class TestAggregatesOverSqlite(OverSqlite, AggregateCases):
    pass


class TestAggregatesOverPostgres(OverPostgres, AggregateCases):
    pass


class TestSnapshotsOverSqlite(OverSqlite, AggregateCases):
    def create_recorder(self) -> LogAggregateRecorder:
        return self.factory.aggregate_recorder(purpose="snapshots")


class TestApplicationsOverMemory(OverMemory, ApplicationCases):
    pass


class TestApplicationsOverSqlite(OverSqlite, ApplicationCases):
    pass


class TestApplicationsOverPostgres(OverPostgres, ApplicationCases):
    pass


class TestApplicationsWithTextIds(TextIds, OverMemory, ApplicationCases):
    pass


class TestTrackingsOverMemory(OverMemory, TrackingCases):
    pass


class TestTrackingsOverSqlite(OverSqlite, TrackingCases):
    pass


class TestTrackingsOverPostgres(OverPostgres, TrackingCases):
    pass


class TestProcessesOverMemory(OverMemory, ProcessCases):
    pass


class TestProcessesOverSqlite(OverSqlite, ProcessCases):
    pass


class TestProcessesOverPostgres(OverPostgres, ProcessCases):
    pass


class TestProcessesAreApplications(OverSqlite, ApplicationCases):
    def create_recorder(self) -> Any:
        return self.factory.process_recorder()


class TestNonInterleavingOverMemory(OverMemory, NonInterleavingCases):
    pass


class TestNonInterleavingOverSqlite(OverSqlite, NonInterleavingCases):
    pass


class TestNonInterleavingOverPostgres(OverPostgres, NonInterleavingCases):
    pass


# What is imported or only shared here is no test of its own.
del AggregateCases, ApplicationCases, TrackingCases, ProcessCases, NonInterleavingCases, TextIds
del OverMemory, OverSqlite, OverPostgres
