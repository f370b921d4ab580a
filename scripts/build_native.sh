#!/usr/bin/env bash
# Compiles the C++ kernels for the CPU before their first use.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: bash scripts/build_native.sh

Compiles the C++ kernels for this machine, unless the cache has them already, and prints the path of their library.
Any program compiles them at first use; this script does it now. The cache is $MINDRCNN_CACHE, or
$XDG_CACHE_HOME/mindrcnn, or ~/.cache/mindrcnn.

Environment:
  CXX                 compiler, GCC 10 or newer (default: g++)
  MINDSPORE_VERSION   same as in setup_env.sh; each version of MindSpore has its own library
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
