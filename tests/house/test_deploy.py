"""The files in deploy/: what they name exists, and the tools that read them accept them, where those are installed."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.grafana import complaints

DASHBOARD = "grafana/stenogram.json"
CHART = "helm/stenogram"


@pytest.fixture
def deploy(root: Path) -> Path:
    """The folder."""
    return root / "deploy"


@pytest.fixture
def metrics(root: Path) -> set[str]:
    """Every series of ours that a gateway exports."""
    table = re.findall(
        r"^\| `(stenogram_\w+)` \| (\w+) \|", (root / "docs/reference/metrics.md").read_text(), re.MULTILINE
    )
    suffixes = {"histogram": ("_bucket", "_sum", "_count")}
    return {name + suffix for name, kind in table for suffix in suffixes.get(kind, ("",))}


@pytest.mark.parametrize("file", [DASHBOARD, "prometheus/alerts.yml", "prometheus/alerts_test.yml"])
def test_every_metric_that_is_named_exists(deploy: Path, metrics: set[str], file: str) -> None:
    content = (deploy / file).read_text()
    text = re.sub(r"runbook: .*", "", content)
    named = set(re.findall(r"\bstenogram_\w+", text))
    assert named
    assert named <= metrics, f"{file} names what no gateway exports: {sorted(named - metrics)}"


def test_every_metric_that_is_to_be_alerted_on_is(deploy: Path, root: Path) -> None:
    page = (root / "docs/reference/metrics.md").read_text()
    wanted = re.findall(r"^\| `(stenogram_\w+)` .*[Aa]lert (?:on any|above)", page, re.MULTILINE)
    rules = (deploy / "prometheus/alerts.yml").read_text()
    assert wanted
    assert not [name for name in wanted if name not in rules]


def test_the_dashboard_is_one_that_grafana_can_import(deploy: Path) -> None:
    dashboard: dict[str, Any] = json.loads((deploy / DASHBOARD).read_text())
    panels = dashboard["panels"]
    assert dashboard["schemaVersion"] >= 36
    assert "id" not in dashboard, "Grafana gives it one when it is imported"
    assert len({panel["id"] for panel in panels}) == len(panels)
    variables = {each["name"] for each in dashboard["templating"]["list"]} | {"__rate_interval"}
    for panel in panels:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        for target in panel.get("targets", ()):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= variables


@pytest.mark.deploy
def test_grafanas_schema_has_all_that_is_in_the_dashboard(deploy: Path) -> None:
    assert complaints(json.loads((deploy / DASHBOARD).read_text())) == []


FAULTS: dict[str, tuple[tuple[str | int, ...], Any, str]] = {
    "a member of a panel": (("titel",), "Up", "titel is unknown"),
    "a kind of panel": (("type",), "stats", "belongs to no kind of panel"),
    "an option": (("options", "colourMode"), "value", "colourMode is unknown"),
    "a word of an option": (("options", "colorMode"), "valeu", "'valeu', not"),
    "a member of a field": (("fieldConfig", "defaults", "mni"), 0, "mni is unknown"),
    "a member of a query": (("targets", 0, "exp"), "1", "exp is unknown"),
    "a type": (("gridPos", "h"), "4", "'4', not <class 'int'>"),
    "a truth value": (("targets", 0, "instant"), 1, "1, not"),
}


@pytest.mark.deploy
@pytest.mark.parametrize("fault", FAULTS)
def test_grafanas_schema_finds_what_is_wrong_in_a_panel(deploy: Path, fault: str) -> None:
    (*path, last), value, complaint = FAULTS[fault]
    dashboard = json.loads((deploy / DASHBOARD).read_text())
    place: Any = next(panel for panel in dashboard["panels"] if panel["type"] == "stat")
    for each in path:
        place = place[each]
    place[last] = value
    assert any(complaint in each for each in complaints(dashboard)), complaints(dashboard)


@pytest.mark.deploy
def test_prometheus_accepts_the_rules(deploy: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    for words in (("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")):
        done = subprocess.run(
            ["promtool", *words], cwd=deploy / "prometheus", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.deploy
def test_prometheus_can_read_every_expression_of_the_dashboard(deploy: Path, tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    panels = json.loads((deploy / DASHBOARD).read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    asked = [each.replace("$__rate_interval", "5m").replace("$", "x") for each in expressions]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(asked)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", "rules.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.deploy
def test_systemd_accepts_the_unit(deploy: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    unit = (deploy / "systemd/stenogram.service").read_text()
    (tmp_path / "stenogram.service").write_text(unit.replace("/opt/stenogram/bin/stenogram", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "stenogram.service"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "stenogram.service" in line]
    assert not ours


@pytest.mark.deploy
@pytest.mark.parametrize(
    "values",
    [
        {"log": "postgresql://stenogram@db/stenogram"},
        {
            "existingSecret": "mine",
            "replicas": 1,
            "settings": {"TENANT_IDLE": "600"},
            "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "tls"},
            "image": {"digest": f"sha256:{'0' * 64}"},
            "podAnnotations": {"a": "b"},
            "nodeSelector": {"disk": "ssd"},
            "migrate": False,
        },
    ],
)
def test_kubernetes_accepts_what_the_chart_makes(deploy: Path, values: dict[str, Any]) -> None:
    """The extra `deploy` brings Helm's own template engine, and the schemas."""
    helm, kubernetes = pytest.importorskip("helm_python"), pytest.importorskip("kubernetes_validate")
    rendered: dict[str, str] = helm.Chart.load(str(deploy / CHART)).render(values, name="team")
    manifests = [each for name, text in rendered.items() if name.endswith(".yaml") for each in yaml.safe_load_all(text)]
    kinds = [each["kind"] for each in manifests if each]
    assert {"Deployment", "Service"} <= set(kinds)
    for each in manifests:
        if each:
            kubernetes.validate(each, "1.31", strict=True)


@pytest.mark.deploy
def test_the_chart_names_an_image_by_digest(deploy: Path) -> None:
    helm, digest = pytest.importorskip("helm_python"), f"sha256:{'0' * 64}"
    values = {
        "log": "postgresql://db/stenogram",
        "image": {"repository": "here/stenogram", "tag": "1", "digest": digest},
    }
    rendered = helm.Chart.load(str(deploy / CHART)).render(values, name="team")
    images = [re.findall(r"image: (.*)", text) for name, text in rendered.items() if name.endswith("deployment.yaml")]
    assert {image for found in images for image in found} == {f'"here/stenogram@{digest}"'}


@pytest.mark.deploy
def test_the_chart_refuses_to_be_installed_without_a_log(deploy: Path) -> None:
    helm = pytest.importorskip("helm_python")
    with pytest.raises(Exception, match="Set `log`"):
        helm.Chart.load(str(deploy / CHART)).render({})


def test_the_chart_says_the_version_that_it_runs(deploy: Path) -> None:
    chart = yaml.safe_load((deploy / CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == importlib.import_module("stenogram").__version__


def test_the_settings_that_are_named_exist(deploy: Path) -> None:
    from stenogram.api.settings import Settings

    known = {f"STENOGRAM_{name.upper()}" for name in Settings.model_fields}
    for file in ("systemd/stenogram.env", f"{CHART}/templates/_helpers.tpl", f"{CHART}/templates/secret.yaml"):
        named = set(re.findall(r"\bSTENOGRAM_[A-Z][A-Z_]*[A-Z]\b", (deploy / file).read_text()))
        assert named <= known, file
