"""What is installed is locked: the files in requirements/ agree with pyproject.toml, with each other and with what uses
them, and a bill of materials can be made of the image."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKED = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?: ; [^\\\n]+)? \\\n(?P<hashes>(?:    --hash=\S+(?: \\)?\n)+)",
    re.MULTILINE,
)
PRIVATE = {"aiohttp": r"from aiohttp\.(?:_|web_protocol)"}
"""Packages of which we use private parts, and where that shows."""


class Lock(NamedTuple):
    """A file of locked requirements: versions and hashes by package."""

    text: str
    versions: dict[str, str]
    hashes: dict[str, list[str]]


def read(path: Path) -> Lock:
    text = path.read_text()
    versions, hashes = dict[str, str](), dict[str, list[str]]()
    for found in LOCKED.finditer(text):
        name = canonicalize_name(found["name"])
        versions[name] = found["version"]
        hashes[name] = re.findall(r"--hash=(\S+)", found["hashes"])
    lines = re.findall(r"^[^\s#].*", text, re.MULTILINE)
    assert len(versions) == len(lines), f"{path.name} has lines that are no locked requirements"
    return Lock(text, versions, hashes)


@pytest.fixture
def locks(root: Path) -> dict[str, Lock]:
    """Those in requirements/, by name."""
    return {path.stem: read(path) for path in (root / "requirements").glob("*.txt")}


def asked(pyproject: dict[str, Any], name: str) -> list[Requirement]:
    """What a lock is made of."""
    project = pyproject["project"]
    extras = {"dev": ["dev"], "deploy": ["deploy"], "image": ["mcp"]}
    if name == "build":
        return [Requirement(each) for each in pyproject["build-system"]["requires"]]
    wanted = list(project["dependencies"])
    for extra in extras[name]:
        wanted += project["optional-dependencies"][extra]
    return [Requirement(each) for each in wanted]


@pytest.mark.parametrize("name", ["build", "deploy", "dev", "image"])
def test_a_lock_has_what_pyproject_asks_for(pyproject: dict[str, Any], locks: dict[str, Lock], name: str) -> None:
    wrong = [
        str(each)
        for each in asked(pyproject, name)
        if not each.specifier.contains(locks[name].versions.get(canonicalize_name(each.name), "0"), prereleases=True)
    ]
    assert not wrong, f"requirements/{name}.txt lacks {wrong}, or has other versions; run: make lock"


def test_locks_name_hashes_and_no_place_to_download_from(locks: dict[str, Lock]) -> None:
    assert set(locks) == {"build", "deploy", "dev", "image"}
    for name, lock in locks.items():
        assert all(each.startswith("sha256:") for hashes in lock.hashes.values() for each in hashes)
        assert not re.search(r"://|^-|@ ", lock.text, re.MULTILINE), f"requirements/{name}.txt says where things are"


def test_the_image_gets_the_versions_that_were_tested(locks: dict[str, Lock]) -> None:
    tested = locks["dev"].versions
    for name in ("image", "build", "deploy"):
        versions = locks[name].versions
        others = {each: versions[each] for each in versions.keys() & tested.keys() if versions[each] != tested[each]}
        assert not others, f"requirements/{name}.txt has other versions than dev.txt: {others}; run: make lock"
    assert locks["image"].versions.keys() <= tested.keys()


def test_the_image_installs_what_is_locked_and_downloads_nothing_else(root: Path) -> None:
    dockerfile = (root / "Dockerfile").read_text().replace("\\\n", " ")
    for line in re.findall(r"pip \S*\s?\S*\s?(?:install|wheel) [^&\n]*", dockerfile):
        assert "--require-hashes" in line or "--no-index" in line or "--no-build-isolation" in line, line
    assert dockerfile.count("--require-hashes") == 2
    assert re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE) == ["${PYTHON}", "${PYTHON}"]


def test_images_can_be_named_by_digest(root: Path) -> None:
    services: dict[str, Any] = yaml.safe_load((root / "docker-compose.yml").read_text())["services"]
    named = [service["image"] for service in services.values() if "image" in service]
    assert len(named) == 2
    assert all(re.fullmatch(r"\$\{[A-Z]+_IMAGE:-[a-z]+:[\w.-]+\}", image) for image in named), named


def test_what_is_used_in_private_has_an_upper_bound(pyproject: dict[str, Any], package_files: list[Path]) -> None:
    bounds = {each.name: each.specifier for each in asked(pyproject, "image")}
    for name, use in PRIVATE.items():
        assert any(re.search(use, file.read_text()) for file in package_files), f"Nobody uses private parts of {name}."
    text = "\n".join(file.read_text() for file in package_files)
    private = set(re.findall(r"^\s*(?:from|import) (\w+)(?:\.\w+)*\._", text, re.MULTILINE))
    for name in private | set(PRIVATE):
        assert any(each.operator == "<" for each in bounds[name]), f"{name} needs an upper bound in pyproject.toml."
