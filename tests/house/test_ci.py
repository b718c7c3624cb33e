"""The rule of tests/conftest.py: what must run in CI is not skipped there."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SKIPS = """
import pytest

pytestmark = pytest.mark.{mark}

def test_that_needs_something():
    pytest.skip("nothing here to run it")
"""

SKIPPED_MODULE = """
import pytest

pytest.skip("no module here", allow_module_level=True)
"""


@pytest.fixture
def inner(pytester: pytest.Pytester, root: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A pytest of its own that obeys our conftest, without plugins, so that it starts quickly."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest((root / "tests" / "conftest.py").read_text())
    pytester.makeini("[pytest]\nmarkers =\n  postgres:\n  fetched:\n  faketime:\n  deploy:\n  slow:\n")
    return pytester


@pytest.mark.parametrize("mark", ["postgres", "fetched", "faketime", "deploy"])
def test_a_skip_fails_in_ci(inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, mark: str) -> None:
    monkeypatch.setenv("CI", "true")
    inner.makepyfile(SKIPS.format(mark=mark))
    result = inner.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*marked {mark} was skipped in CI: *nothing here to run it*"])


def test_other_skips_stay_skips_in_ci(inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    inner.makepyfile(SKIPS.format(mark="slow"))
    inner.runpytest_subprocess().assert_outcomes(skipped=1)


def test_a_skipped_module_fails_in_ci(inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    inner.makepyfile(SKIPPED_MODULE)
    inner.runpytest_subprocess().assert_outcomes(errors=1)


def test_a_skip_is_a_skip_elsewhere(inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    inner.makepyfile(SKIPS.format(mark="postgres"))
    inner.runpytest_subprocess().assert_outcomes(skipped=1)
