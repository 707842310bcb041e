"""`promtool`, which checks Prometheus' rules and runs their tests. `python -m tests.plugin.promtool` does both.

It is part of the Debian package prometheus; where it is not installed, apt downloads it from the machine's own sources,
and it is kept in the user's cache folder.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

PROMETHEUS_FOLDER: Final = Path(__file__).parents[2] / "deploy" / "prometheus"

_PACKAGE: Final = "prometheus"


#: Everything that it is asked for, by what is checked.
CHECKS: Final = {
    "scraping": ("check", "config", "--syntax-only", "prometheus.yml"),
    "syntax": ("check", "rules", "alerts.yml"),
    "tests": ("test", "rules", "alerts_test.yml"),
}


def find_promtool() -> Path | None:
    """Where it is, None if it is neither installed nor was fetched."""
    installed = shutil.which("promtool")
    if installed is not None:
        return Path(installed)
    return _fetched() if _fetched().exists() else None


def fetch_promtool() -> Path:
    """Downloads it by apt."""
    folder = _fetched().parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        subprocess.run(["apt-get", "download", _PACKAGE], cwd=temporary, check=True, stdout=subprocess.DEVNULL)
        (package,) = Path(temporary).glob("*.deb")
        subprocess.run(["dpkg-deb", "--extract", package.name, "files"], cwd=temporary, check=True)
        (Path(temporary) / "files/usr/bin/promtool").rename(_fetched())
    return _fetched()


def run_promtool(promtool: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs it where the rules are; does not raise when it finds something wrong."""
    return subprocess.run(
        [promtool, *arguments],
        cwd=PROMETHEUS_FOLDER,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _fetched() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sightwire" / "prometheus" / "promtool"


def _main() -> int:
    promtool = find_promtool() or fetch_promtool()
    status = 0
    for arguments in CHECKS.values():
        outcome = run_promtool(promtool, *arguments)
        print(outcome.stdout, end="")  # noqa: T201
        status = status or outcome.returncode
    return status


if __name__ == "__main__":
    sys.exit(_main())
