"""Modules as one script: what the page in a file runs."""

import pytest

from stenogram.web import bundle as bundling
from stenogram.web.bundle import bundle


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Modules by their names, in place of the console's."""
    found: dict[str, str] = {}
    monkeypatch.setattr(bundling, "_read", found.__getitem__)
    return found


def test_a_module_comes_after_what_it_imports_and_once(modules: dict[str, str]) -> None:
    modules["a.js"] = "import { b } from './b.js'\nimport { c as see } from './in/c.js'\nb(see)\n"
    modules["b.js"] = "import { c } from './in/c.js'\nexport function b() { return c }\n"
    modules["in/c.js"] = "import { d } from '../d.js'\nexport const c = d\n"
    modules["d.js"] = "const d = 1\nexport { d }\n"
    script = bundle("a.js")
    places = [script.index(f"modules['{name}'] =") for name in ("d.js", "in/c.js", "b.js", "a.js")]
    assert places == sorted(places)
    assert script.count("modules['in/c.js'] =") == 1
    assert "const { c: see } = modules['in/c.js'];" in script


def test_what_is_exported_can_be_had_by_its_name(modules: dict[str, str]) -> None:
    modules["a.js"] = "export { b as c } from './b.js'\nexport async function d() {}\nexport class E {}\n"
    modules["b.js"] = "let b=1;export{b};"
    script = bundle("a.js")
    for member in ("get c() { return modules['b.js'].b }", "get d() { return d }", "get E() { return E }"):
        assert member in script
    assert "export" not in script


@pytest.mark.parametrize(
    "source",
    [
        "import b from './b.js'",
        "import * as b from './b.js'",
        "export default 1",
        "import './b.js'",
        "export * from './b.js'",
    ],
)
def test_a_form_that_it_does_not_know_is_an_error(modules: dict[str, str], source: str) -> None:
    modules.update({"a.js": source, "b.js": ""})
    with pytest.raises(ValueError, match="cannot be linked"):
        bundle("a.js")


def test_a_circle_is_an_error(modules: dict[str, str]) -> None:
    modules.update({"a.js": "import { b } from './b.js'", "b.js": "import { a } from './a.js'"})
    with pytest.raises(ValueError, match="circle"):
        bundle("a.js")


@pytest.mark.parametrize("text", ["</script>", "</SCRIPT >", "<!--"])
def test_nothing_ends_the_script_before_its_end(modules: dict[str, str], text: str) -> None:
    modules["a.js"] = f"const text = '{text}'"
    with pytest.raises(ValueError, match="end the script"):
        bundle("a.js")


def test_the_console_can_be_linked() -> None:
    assert "modules['file.js']" in bundle("file.js")
