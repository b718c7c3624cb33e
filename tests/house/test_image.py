"""The steps of the Dockerfile lead to what it says: a gateway that runs as a user who owns nothing but /data."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.image import Image

import stenogram

pytestmark = [pytest.mark.thorough, pytest.mark.slow, pytest.mark.timeout(1_200)]
UID = 10001


@pytest.fixture(scope="module")
def image(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Built, as far as it can be without Docker."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a process another root")
    allowed = subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True, text=True, check=False)
    if allowed.returncode and not os.environ.get("CI"):
        pytest.skip(f"root may not make namespaces here: {allowed.stderr}")
    folder = tmp_path_factory.mktemp("image")
    for each in (folder, *folder.parents):
        if each.is_relative_to("/tmp") and each != Path("/tmp"):
            each.chmod(each.stat().st_mode | 0o711)  # its user must come to what is in it
    return Image(root, folder)


@pytest.fixture
def running(image: Image) -> Iterator[subprocess.Popen[str]]:
    """The image's command, as its user and with its environment, and a secret as every deployment gives it."""
    env = {**image.environment, "STENOGRAM_JWT_SECRET": "s" * 32}
    process = subprocess.Popen(image.argv(*image.command, net=True), env=env, stdout=subprocess.PIPE, text=True)
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_it_says_its_version(image: Image) -> None:
    said = subprocess.run(
        image.argv("stenogram", "--version"), env=image.environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.split()[-1] == stenogram.__version__


def test_it_has_what_is_locked_and_no_tools(image: Image, root: Path) -> None:
    program = "import importlib.metadata as m; print(*[f'{d.name}=={d.version}' for d in m.distributions()], sep='\\n')"
    said = subprocess.run(
        image.argv("python", "-c", program), env=image.environment, capture_output=True, text=True, check=True
    )
    locked = [line.split()[0] for line in (root / "requirements/image.txt").read_text().splitlines() if "==" in line]
    names = {each.lower().replace("_", "-") for each in said.stdout.split()}
    assert names - {f"stenogram=={stenogram.__version__}"} <= {each.split("[")[0] for each in locked}
    assert not [each for each in names if each.startswith(("pip==", "setuptools==", "hatchling=="))]


def test_it_serves_as_its_user_is_healthy_and_ends(image: Image, running: subprocess.Popen[str]) -> None:
    def check() -> int:
        return subprocess.run(
            image.beside(running.pid, *image.health), env=image.environment, capture_output=True, check=False
        ).returncode

    deadline = time.monotonic() + 60
    while check() != 0:
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)
    status = Path(f"/proc/{running.pid}/status").read_text()
    assert f"Uid:\t{UID}\t{UID}\t{UID}\t{UID}" in status
    assert (image.root / "data/stenogram.db").stat().st_uid == UID
    running.terminate()
    assert running.wait(30) == 0


def test_without_keys_it_says_what_to_set(image: Image) -> None:
    ran = subprocess.run(
        image.argv(*image.command, net=True), env=image.environment, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "Set STENOGRAM_JWT_SECRET" in ran.stderr


def test_its_user_can_write_nothing_but_data(image: Image) -> None:
    for place in ("/opt/stenogram/bin/x", "/etc/x", "/root/x", "/x"):
        written = subprocess.run(image.argv("sh", "-c", f": >{place}"), env=image.environment, check=False)
        assert written.returncode != 0, place
    assert subprocess.run(image.argv("sh", "-c", ": >/data/x"), env=image.environment, check=False).returncode == 0
