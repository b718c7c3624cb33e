"""What is served and said where an optional package is not installed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from stenogram.cli import mcp, serve
from stenogram.cli.options import is_installed


def test_a_folder_of_its_name_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nothing_of_ours").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not is_installed("nothing_of_ours")
    assert is_installed("mcp")


def test_without_mcp_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "is_installed", lambda _: False)
    result = CliRunner().invoke(mcp.mcp, ["--as", "claude-1"])
    assert result.exit_code == 1
    assert "pip install 'stenogram[mcp]'" in result.output


def test_without_mcp_nothing_is_mounted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [mount.path for mount in serve._mounts()] == ["/mcp"]
    monkeypatch.setattr(serve, "is_installed", lambda _: False)
    assert serve._mounts() == []


@pytest.mark.parametrize("who", [[], ["--as", "claude-1", "--token", "x"]])
def test_it_must_be_said_who_it_is(who: list[str]) -> None:
    result = CliRunner().invoke(mcp.mcp, who)
    assert result.exit_code == 2
    assert "Say who it is" in result.output
