#!/bin/sh
# Generates the Python stubs of every .proto file, with their types, under the given folder (default: the repository).
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH" # protoc looks there for its plugins
out=${1:-.}

protoc() { python -m grpc_tools.protoc --proto_path=proto "$@"; }

protoc --python_out="$out" --mypy_out=quiet:"$out" proto/sightwire/v1/*.proto
for file in proto/sightwire/v1/*.proto; do
    if grep -q '^service ' "$file"; then protoc --grpc_python_out="$out" --mypy_grpc_out=quiet:"$out" "$file"; fi
done
