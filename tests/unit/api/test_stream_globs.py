"""Patterns of streams' paths."""

import pytest

from stenogram.api.durable_streams.subscriptions.glob import matches, prefix_of


@pytest.mark.parametrize(
    ("pattern", "session"),
    [
        ("events/*", "events:a"),
        ("events/a-*", "events:a-1"),
        ("*", "a"),
        ("**", "a"),
        ("**", "a:b:c"),
        ("a/**", "a"),
        ("a/**", "a:b:c"),
        ("**/c", "a:b:c"),
        ("**/c", "c"),
        ("a/**/c", "a:c"),
        ("a/**/c", "a:b:b:c"),
        ("a/*/**", "a:b"),
        ("**/*/**", "a"),
    ],
)
def test_what_they_match(pattern: str, session: str) -> None:
    assert matches(pattern, session)
    assert session.startswith(prefix_of(pattern))


@pytest.mark.parametrize(
    ("pattern", "session"),
    [
        ("events/*", "events"),
        ("events/*", "events:a:b"),
        ("events/*", "other:a"),
        ("*", "a:b"),
        ("a/**/c", "a:b"),
        ("a/*/**", "a"),
        ("**/c", "a:cc"),
        ("A", "a"),
    ],
)
def test_what_they_do_not(pattern: str, session: str) -> None:
    assert not matches(pattern, session)


def test_what_matching_sessions_begin_with() -> None:
    patterns = {"events/*": "events:", "a/b-*/c": "a:b-", "a/**": "a", "**": "", "a/b": "a:b"}
    assert {pattern: prefix_of(pattern) for pattern in patterns} == patterns


def test_no_pattern_takes_long() -> None:
    assert not matches("/".join(["**", "a"] * 26), ":".join(["a"] * 60) + ":b")
    assert not matches("*a" * 60 + "b", "a" * 128)
