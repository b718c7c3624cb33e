"""The papers at the root, and the container that runs a gateway."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import stenogram


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "docs/index.md"])
def test_the_paper_is_there(root: Path, name: str) -> None:
    assert (root / name).read_text().strip(), f"{name} is empty."


def test_the_changelog_begins_with_this_version(root: Path) -> None:
    newest = re.search(r"^## (\S+)", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest, "CHANGELOG.md has no entry."
    assert newest[1].strip("[]") == stenogram.__version__, "CHANGELOG.md and stenogram.__version__ differ."


def test_every_make_target_has_help(root: Path) -> None:
    makefile = (root / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):(.*)$", makefile, re.MULTILINE)
    assert {"demo", "test", "lint", "docs", "bench", "clean", "help"} <= {name for name, _ in targets}
    silent = [name for name, rest in targets if "## " not in rest]
    assert not silent, f"Give these targets in the Makefile a `## …` of one line: {silent}"


def test_compose_lets_the_image_say_what_runs(root: Path, gateways: list[dict[str, Any]]) -> None:
    dockerfile = (root / "Dockerfile").read_text()
    assert re.search(r'^CMD \["stenogram", "serve"\]$', dockerfile, re.MULTILINE)
    assert all("command" not in gateway and gateway["build"] == "." for gateway in gateways)


def test_the_image_runs_as_a_user_without_rights(root: Path) -> None:
    lines = (root / "Dockerfile").read_text().splitlines()
    last = [line.partition(" ")[2] for line in lines if line.startswith("USER ")][-1]
    assert last not in ("root", "0")


def test_compose_refuses_to_start_without_a_secret(gateways: list[dict[str, Any]]) -> None:
    assert len(gateways) == 2
    for gateway in gateways:
        assert gateway["environment"]["STENOGRAM_JWT_SECRET"].startswith("${STENOGRAM_JWT_SECRET:?")


def test_compose_migrates_before_gateways_start(root: Path, gateways: list[dict[str, Any]]) -> None:
    services: dict[str, Any] = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]
    assert services["migrate"]["command"] == ["stenogram", "migrate"]
    for gateway in gateways:
        assert gateway["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    # A new database is first set up by a server that listens on a socket only.
    assert "127.0.0.1" in services["postgres"]["healthcheck"]["test"]


def test_the_proxy_looks_up_a_gateway_that_was_made_anew(root: Path) -> None:
    proxy = yaml.safe_load((root / "docker-compose.yml").read_text())["configs"]["proxy"]["content"]
    assert "resolver 127.0.0.11" in proxy
    assert re.findall(r"server (gateway-\d):8600 resolve", proxy) == ["gateway-1", "gateway-2"]


@pytest.fixture
def gateways(root: Path) -> list[dict[str, Any]]:
    """The gateways' services in docker-compose.yml."""
    services: dict[str, Any] = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]
    return [service for name, service in services.items() if name.startswith("gateway")]
