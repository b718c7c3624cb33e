"""Every command explains itself, and the pages of the docs say the same of commands and settings."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import stenogram
from stenogram.api.settings import Settings
from stenogram.cli.main import stenogram as commands

Run = Callable[..., Any]
DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", sorted(commands.commands))
def test_a_command_has_help_with_examples(run: Run, name: str) -> None:
    said = run(name, "--help")
    assert said.code == 0
    assert "Examples:" in said.out
    assert f"stenogram {name}" in said.out


@pytest.mark.parametrize("name", sorted(commands.commands))
def test_every_option_is_explained(name: str) -> None:
    import click

    command = commands.commands[name]
    context = click.Context(command, info_name=name)
    silent = [each.name for each in command.get_params(context) if isinstance(each, click.Option) and not each.help]
    assert not silent


def test_every_setting_of_a_gateway_is_an_option_or_secret(run: Run) -> None:
    said = run("serve", "--help").out
    for name in Settings.model_fields:
        assert f"STENOGRAM_{name.upper()}" in said
    assert "--jwt-secret" not in said, "a command line can be read by every user of the machine"


def test_a_setting_that_cannot_be_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = run("serve", "--host", "0.0.0.0", "--port", 0)
    assert refused.code == 1
    assert refused.err.startswith("stenogram: Without keys a gateway listens on loopback only")
    monkeypatch.setenv("STENOGRAM_PORT", "many")
    assert "port" in run("serve").err


def test_the_version_is_told(run: Run) -> None:
    assert run("--version").out == f"stenogram, version {stenogram.__version__}\n"


@pytest.mark.parametrize("name", ["cli", "settings"])
def test_the_page_of_the_docs_is_up_to_date(name: str) -> None:
    # In a process of its own: click keeps a command's help option as it was first asked for.
    generator = str(DOCS / f"generate_{name}.py")
    program = f"import runpy, sys; sys.stdout.write(runpy.run_path({generator!r})['page']())"
    generated = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True).stdout
    assert (DOCS / "reference" / f"{name}.md").read_text() == generated, f"Run: python docs/generate_{name}.py"


def test_every_setting_is_documented() -> None:
    page = (DOCS / "reference" / "settings.md").read_text()
    for name, field in Settings.model_fields.items():
        assert f"\n## {name}\n\n{field.description}.\n" in page
        assert f"`STENOGRAM_{name.upper()}`" in page
