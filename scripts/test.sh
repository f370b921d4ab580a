#!/usr/bin/env bash
# All checks that a change has to pass.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: bash scripts/test.sh [fast] [format] [only] [pytest arguments ...]

Sets up the environment, then runs ruff, mypy and all tests, the tests in several processes. All stages run even if
one fails; the exit status is 1 if any failed.

  fast      skip the tests marked slow
  format    also check the formatting (ruff format --check)
  only      run the tests only, without ruff and mypy

Examples:
  bash scripts/test.sh fast tests/ops -x
  bash scripts/test.sh tests/ops -n 0      # in one process, to see the tests' output
TEXT
}

format=no
checks=yes
selection=()
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) usage; exit 0 ;;
        fast) selection=(-m "not slow") ;;
        format) format=yes ;;
        only) checks=no ;;
        *) break ;;
    esac
    shift
done

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
python="$(bash "$root/scripts/setup_env.sh" --dev)"
source "$root/scripts/allocator.sh"
# The tests start some three hundred programs; each would compile the package's modules again.
unset PYTHONDONTWRITEBYTECODE
status=0
summary=()

stage() {
    local name="$1" begin=$SECONDS result=ok
    shift
    printf '\n== %s\n' "$name"
    "$@" || { result=FAILED; status=1; }
    summary+=("$name $result, $((SECONDS - begin)) s")
}

if [ "$checks" = yes ]; then
    # mypy leaves a core idle. Tests compile the kernels themselves, and report it, where this fails.
    "$python" -m mindrcnn build-kernels >/dev/null 2>&1 &
    stage "ruff check" "$python" -m ruff check .
    stage mypy "$python" -m mypy
    wait
fi
if [ "$format" = yes ]; then
    stage "ruff format" "$python" -m ruff format --check .
fi
# Each worker takes whole files: tests of a file share what they train and compile. Some wait, for processes that they
# have started say, so there is one worker more than cores; beyond four, memory runs out first.
# Where a worker was killed, pytest-xdist may wait for its tests for ever: end instead.
cores="$(getconf _NPROCESSORS_ONLN)"
workers=(-n "$((cores < 4 ? cores + 1 : 4))" --dist loadscope --no-loadscope-reorder --max-worker-restart 0)
stage pytest "$python" -m pytest "${workers[@]}" "${selection[@]}" "$@"

printf '\n'
printf '%s\n' "${summary[@]}"
exit "$status"
