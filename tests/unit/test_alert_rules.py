"""Alert rules: they ask for what services measure, say what to do, and pass promtool's checks."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.plugin.promtool import CHECKS, PROMETHEUS_FOLDER, find_promtool, run_promtool

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((PROMETHEUS_FOLDER / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
#: What Prometheus adds to each series.
ADDED_LABELS = {"job", "instance"}

# One process each: two services register metrics of the same name.
_LIST_METRICS = """
import importlib, json, sys
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase
for module in sys.argv[1:]:
    importlib.import_module(module)
series = {}
for collector in set(REGISTRY._names_to_collectors.values()):
    if isinstance(collector, MetricWrapperBase):
        labels = list(collector._labelnames)
        for metric in collector.describe():
            own = [*labels, "le"] if metric.type == "histogram" else [*labels, metric.name]
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(metric.type, [""])
            series |= {metric.name + suffix: own for suffix in suffixes}
print(json.dumps(series))
"""

_SERIES = re.compile(r"\b(sightwire_\w+|up)\b(?:\{([^}]*)\})?")
_MATCHED_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPED_LABELS = re.compile(r"\b(?:by|on|group_left|group_right|without)\s*\(([^)]*)\)")
_SHOWN_LABEL = re.compile(r"\$labels\.(\w+)")


@cache
def measured() -> dict[str, set[str]]:
    """Labels of each series that some service has."""
    labels: dict[str, set[str]] = {"up": set()}
    for service in SERVICES:
        modules = [*_metrics_modules(ROOT / "services" / service), "sightwire.service.reloading"]
        listed = subprocess.run(
            [sys.executable, "-c", _LIST_METRICS, *modules], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        for name, own in json.loads(listed.stdout).items():
            labels.setdefault(name, set()).update(own)
    return labels


def _metrics_modules(service: Path) -> list[str]:
    files = sorted(service.glob("sightwire_*/**/*metrics.py"))
    return [".".join(file.relative_to(service).with_suffix("").parts) for file in files]


def by_name(rule: dict[str, Any]) -> str:
    return rule["alert"]


@pytest.mark.parametrize("rule", RULES, ids=by_name)
def test_a_rule_asks_for_series_and_labels_that_services_have(rule: dict[str, Any]) -> None:
    expression = rule["expr"]
    available = set(ADDED_LABELS)
    found = list(_SERIES.finditer(expression))
    assert found
    for series in found:
        name, matchers = series.groups()
        assert name in measured(), f"no service measures {name}"
        available |= measured()[name]
        unknown = set(_MATCHED_LABEL.findall(matchers or "")) - measured()[name] - ADDED_LABELS
        assert not unknown, f"{name} has no label {unknown}"
    grouped = {label.strip() for labels in _GROUPED_LABELS.findall(expression) for label in labels.split(",")} - {""}
    assert grouped <= available
    shown = set(_SHOWN_LABEL.findall(json.dumps(rule["annotations"])))
    assert shown <= available


@pytest.mark.parametrize("rule", RULES, ids=by_name)
def test_a_rule_says_how_grave_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}


def test_every_service_is_scraped_where_its_container_answers() -> None:
    scraped = yaml.safe_load((PROMETHEUS_FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    assert [job["job_name"] for job in scraped] == sorted(
        (f"sightwire-{service}" for service in SERVICES), key=lambda name: (name != "sightwire-gateway", name)
    )
    ports = {job["dns_sd_configs"][0]["port"] for job in scraped if "dns_sd_configs" in job}
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    assert ports == {int(port) for port in re.findall(r"SIGHTWIRE_OPS_PORT=(\d+)", dockerfile)}


@pytest.mark.parametrize("arguments", CHECKS.values(), ids=CHECKS)
def test_promtool_finds_nothing_wrong(arguments: tuple[str, ...]) -> None:
    promtool = find_promtool()
    if promtool is None:
        pytest.skip("promtool is neither installed nor fetched; `make check-alerts` fetches it where there is apt")
    outcome = run_promtool(promtool, *arguments)
    assert outcome.returncode == 0, outcome.stdout
