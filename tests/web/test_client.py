"""The JavaScript client: its types, its size, what is published of it, and its own tests, against real gateways."""

import gzip
import json
import os
import sys
from pathlib import Path

import pytest
from support.browser import CLIENT, run

pytestmark = [pytest.mark.web, pytest.mark.slow]

CORE_BYTES, REACT_BYTES = 15_000, 5_000
NAMES = sorted(each.name for each in (CLIENT / "test").glob("*.test.js"))
THOROUGH = {"resilience.test.js": pytest.mark.thorough}
SECONDS = 300 + int(os.environ.get("STENOGRAM_CUTS", "40")) // 4 + int(os.environ.get("STENOGRAM_SLEEP", "5"))


def test_its_types_hold(node: str) -> None:
    run(CLIENT, "npm", "run", "--silent", "check")


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("name", [pytest.param(name, marks=THOROUGH.get(name, ())) for name in NAMES])
def test_its_own_tests_pass(node: str, name: str) -> None:
    told = run(
        CLIENT, node, "--test", "--test-reporter=tap", f"test/{name}", timeout=SECONDS, STENOGRAM_PYTHON=sys.executable
    )
    assert "# fail 0" in told
    assert "# skipped 0" in told
    assert "# pass 0" not in told


def test_it_is_small(node: str, tmp_path: Path) -> None:
    core = _gzipped(tmp_path, "index.js")
    whole = _gzipped(tmp_path, "react.js", "--external:react")
    with_both = _gzipped(tmp_path, "both.js", "--external:react")
    assert core <= CORE_BYTES
    assert with_both - core <= REACT_BYTES
    assert whole < with_both


def test_what_is_published_is_the_client_and_its_types(node: str) -> None:
    (packed,) = json.loads(run(CLIENT, "npm", "pack", "--dry-run", "--json"))
    names = {each["path"] for each in packed["files"]}
    folders = {name.split("/")[0] for name in names}
    assert folders == {"LICENSE", "README.md", "package.json", "src", "types"}
    assert {"src/index.js", "src/react.js", "types/index.d.ts", "types/react.d.ts"} <= names
    assert {name[6:-5] for name in names if name.startswith("types/")} == {
        name[4:-3] for name in names if name.startswith("src/")
    }


def _gzipped(folder: Path, entry: str, *options: str) -> int:
    source = CLIENT / "src" / entry
    if not source.exists():
        source = folder / entry
        source.write_text(f"export * from '{CLIENT}/src/index.js'\nexport * from '{CLIENT}/src/react.js'\n")
    made = folder / f"{entry}.min.js"
    run(CLIENT, "npx", "esbuild", str(source), "--bundle", "--minify", "--format=esm", f"--outfile={made}", *options)
    return len(gzip.compress(made.read_bytes(), 9))
