"""What PostgreSQL and its driver say of a connection, without what the driver puts around it."""

import psycopg
import pytest

from stenogram.log.postgres.failures import reason_of

_SERVER = 'connection failed: connection to server at "127.0.0.1", port 5432 failed: '


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (f"{_SERVER}Connection refused\n\tIs the server running on that host?", "Connection refused"),
        (f'{_SERVER}FATAL:  database "x" does not exist', 'database "x" does not exist'),
        ('connection is bad: invalid integer value "a" for "port"', 'invalid integer value "a" for "port"'),
        (
            "failed to resolve host 'a.invalid': [Errno -2] Name or service not known",
            "failed to resolve host 'a.invalid': Name or service not known",
        ),
        (
            "consuming input failed: server closed the connection unexpectedly\n\tThis probably means",
            "server closed the connection unexpectedly",
        ),
        ("the connection is closed", "the connection is closed"),
        ("", "OperationalError"),
    ],
)
def test_the_reason_is_one_line_without_its_frame(said: str, reason: str) -> None:
    assert reason_of(psycopg.OperationalError(said)) == reason
