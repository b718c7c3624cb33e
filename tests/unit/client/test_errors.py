"""What the gateway refuses comes back as the domain's error of the same code."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from stenogram.client import ClientError
from stenogram.client.errors import from_problem, reason_of
from stenogram.domain.errors import Conflict, NotFound, StenogramError


def of_the_domain(root: type[StenogramError] = StenogramError) -> Iterator[type[StenogramError]]:
    """Every error of the domain's tree."""
    yield root
    for child in root.__subclasses__():
        if child.__module__ == StenogramError.__module__:
            yield from of_the_domain(child)


@pytest.mark.parametrize("kind", list(of_the_domain()), ids=lambda kind: kind.__name__)
def test_every_error_survives_the_wire(kind: type[StenogramError]) -> None:
    sent = kind("A sentence.", retry_after=1.5)
    received = from_problem(sent.problem())
    assert type(received) is kind
    assert received.problem() == sent.problem()


def test_an_error_of_the_client_is_none_of_the_gateways() -> None:
    assert not isinstance(from_problem({"code": ClientError.code, "detail": "x"}), ClientError)


def test_an_empty_problem_is_an_error_too() -> None:
    assert from_problem({}).detail == "The gateway gave no reason."


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Conflict("It changed."), "It changed."),
        (NotFound("x" * 1_000), "x" * 500),
        (asyncio.CancelledError(), "cancelled"),
        (ConnectionError("https://user:password@host"), "ConnectionError"),
    ],
)
def test_the_record_says_why_without_telling_secrets(error: BaseException, reason: str) -> None:
    assert reason_of(error) == reason
