#!/bin/sh
# Installs a Triton server with its Python backend into .triton, from the pinned packages of triton-server.txt:
#   .triton/tritonserver --model-repository DIR
# Where there is no such package for this machine, it says so and leaves .triton empty. Needs .venv (requirements/install.sh).
set -eu

cd "$(dirname "$0")/.."
home=$PWD/.triton

say() { printf '\033[1msetup:\033[0m %s\n' "$*" >&2; }
leave_out() { say "no Triton server: $*"; exit 0; }

rm -rf "$home"
mkdir -p "$home"
[ "$(uname -s)" = Linux ] || leave_out "its package is for Linux alone"
case $(uname -m) in x86_64 | aarch64) ;; *) leave_out "there is no package of it for $(uname -m)" ;; esac

# The interpreter of .venv itself, not the link to it: the backend runs its library.
facts=$(.venv/bin/python - <<'PYTHON'
import pathlib, sys, sysconfig
places = (sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("LIBPL"), "/usr/lib", *sorted(map(str, pathlib.Path("/usr/lib").glob("*-linux-gnu"))))
name = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"
found = next((place for place in places if place and pathlib.Path(place, name).exists()), "")
print(f"version={sys.version_info.major}.{sys.version_info.minor} base={sys.base_prefix!r} library={name} libraries={found!r}")
PYTHON
)
eval "$facts"
# shellcheck disable=SC2154 # set by the line above
[ -n "$libraries" ] || leave_out "Python $version has no $library here; on Debian and Ubuntu: apt-get install libpython$version"

say "installing the packages of requirements/triton-server.txt into .triton"
.venv/bin/python -m venv --without-pip "$home/venv"
# shellcheck disable=SC2086 # words of one command
.venv/bin/python -m pip --disable-pip-version-check --quiet --python "$home/venv/bin/python" install --no-deps --no-compile \
    --require-hashes --only-binary :all: -r requirements/triton-server.txt
packages=$home/venv/lib/python$version/site-packages
stub=$packages/pytriton/tritonserver/python_backend_stubs/$version/triton_python_backend_stub
[ -f "$stub" ] || leave_out "its Python backend does not know Python $version"
cp -r "$packages/pytriton/tritonserver/backends" "$home/backends"
cp "$stub" "$home/backends/python/"
# shellcheck disable=SC2154
cat >"$home/tritonserver" <<LAUNCHER
#!/bin/sh
export LD_LIBRARY_PATH="$packages/nvidia_pytriton.libs:$libraries\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export PYTHONHOME="$base" PYTHONPATH="$packages"
exec "$packages/pytriton/tritonserver/bin/tritonserver" --backend-directory "$home/backends" "\$@"
LAUNCHER
chmod +x "$home/tritonserver"
# Each model is a process that imports them.
.venv/bin/python -m compileall -q -j 0 "$packages" >/dev/null 2>&1 || true
say "done: .triton/tritonserver"
