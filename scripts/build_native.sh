#!/usr/bin/env bash
# Compiles the C++ kernels for the CPU before their first use.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: bash scripts/build_native.sh

Compiles the C++ kernels for this machine, unless the cache has them already, and prints the path of their library. A
program does the same when it needs them first. The cache is $MINDRCNN_CACHE, or
$XDG_CACHE_HOME/mindrcnn, or ~/.cache/mindrcnn.

Environment:
  CXX                 the compiler; GCC 10 or newer; g++ when it is not set
  MINDSPORE_VERSION   as in setup_env.sh: the kernels are kept apart for each version of MindSpore
TEXT
}

case "${1:-}" in
    "") ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; echo "build_native.sh: unknown argument: $1" >&2; exit 2 ;;
esac

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
python="$(bash "$root/scripts/setup_env.sh")"
"$python" -m mindrcnn build-kernels
