"""The papers at the root, and the container that runs a gateway."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

import hansard


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "docs/index.md"])
def test_the_paper_is_there(root: Path, name: str) -> None:
    assert (root / name).read_text().strip(), f"{name} is empty."


def test_the_changelog_begins_with_this_version(root: Path) -> None:
    newest = re.search(r"^## (\S+)", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest, "CHANGELOG.md has no entry."
    assert newest[1].strip("[]") == hansard.__version__, "CHANGELOG.md and hansard.__version__ differ."


def test_every_make_target_has_help(root: Path) -> None:
    makefile = (root / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):(.*)$", makefile, re.MULTILINE)
    assert {"demo", "test", "lint", "docs", "bench", "clean", "help"} <= {name for name, _ in targets}
    silent = [name for name, rest in targets if "## " not in rest]
    assert not silent, f"Give these targets in the Makefile a `## …` of one line: {silent}"


def test_compose_and_image_run_the_same_command(root: Path, gateway: dict[str, Any]) -> None:
    dockerfile = (root / "Dockerfile").read_text()
    command = re.search(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE)
    assert command, "The Dockerfile has no CMD of its own line."
    assert yaml.safe_load(command[1]) == shlex.split(gateway["command"])


def test_compose_refuses_to_start_without_a_secret(gateway: dict[str, Any]) -> None:
    assert gateway["environment"]["HANSARD_JWT_SECRET"].startswith("${HANSARD_JWT_SECRET:?")


@pytest.fixture
def gateway(root: Path) -> dict[str, Any]:
    """The gateway's service in docker-compose.yml."""
    service: dict[str, Any] = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]["gateway"]
    return service
