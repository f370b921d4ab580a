#!/usr/bin/env bash
# Creates or updates the virtual environment that the other scripts use, and prints the path of its Python.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: bash scripts/setup_env.sh [--dev]

Creates .venv, installs the pinned requirements and this package into it, and prints the path of its Python. If the
requirements have not changed since the last call, it only prints the path.

  --dev   also install what the tests need (requirements-dev.txt)

Environment:
  MINDSPORE_VERSION   version of MindSpore to use instead of the one in requirements.txt, in a separate virtual
                      environment: MINDSPORE_VERSION=2.10.0 uses .venv-ms2.10.0
TEXT
}

# Standard output carries only the path of the Python, so that a script can write PYTHON="$(bash scripts/setup_env.sh)".
say() { printf '%s\n' "$*" >&2; }
fail() { say "setup_env.sh: $*"; exit 2; }

is_supported() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.10 python3; do
        if command -v "$candidate" >/dev/null && is_supported "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    fail "wanted Python 3.10, 3.11 or 3.12 on PATH, because MindSpore has wheels for these only; got" \
        "$(python3 --version 2>/dev/null || echo 'no python3'). On Debian 12: apt-get install python3 python3-venv"
}

create_venv() {
    local python
    python="$(find_python)"
    if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        fail "$python cannot create virtual environments. On Debian and Ubuntu: apt-get install python3-venv" \
            "(for a Python that is not the system's: python3.11-venv, python3.12-venv, ...)"
    fi
    say "Creating $venv with $python"
    "$python" -m venv "$venv" >&2 || fail "could not create $venv"
}

runtime_requirements() {
    if [ -n "$mindspore_version" ]; then
        printf 'mindspore==%s\n' "$mindspore_version"
        grep -v '^mindspore==' "$root/requirements.txt"
    else
        cat "$root/requirements.txt"
    fi
}

install_requirements() {
    "$venv/bin/python" -m pip install --disable-pip-version-check "${bytecode[@]}" -r "$@" >&2 \
        || fail "pip could not install the requirements; its message is above"
}

ensure_venv() {
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        create_venv
    fi
    is_supported "$venv/bin/python" \
        || fail "wanted Python 3.10 to 3.12 in $venv, got $("$venv/bin/python" --version). Remove $venv and try again."
}

# Calls `INSTALL LIST_FILE` unless that was done for this clone and the list that standard input carries.
once_for() {
    local name="$1" install="$2" list wanted stamp="$venv/$1.stamp"
    list="$(cat)"
    # The root belongs to the stamp because the editable installation points there.
    wanted="$(printf '%s\n%s\n' "$root" "$list" | sha256sum | cut -d ' ' -f 1)"
    if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    ensure_venv
    rm -f "$stamp"
    printf '%s\n' "$list" >"$venv/$name-wanted.txt"
    "$install" "$venv/$name-wanted.txt"
    printf '%s\n' "$wanted" >"$stamp"
    say "Environment ready: $venv"
}

install_runtime() {
    say "Installing the requirements into $venv (about 1 GB to download, 3 GB on disk)"
    install_requirements "$1"
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps --editable "$root" >&2 \
        || fail "pip could not install the package; its message is above"
}

install_dev() {
    say "Installing what the tests need into $venv"
    # The constraint keeps the runtime's versions: a dependency of the tests' would take NumPy 2.
    install_requirements "$1" -c "$venv/requirements-wanted.txt"
}

main() {
    local dev=no bytecode=()
    case "${1:-}" in
        "") ;;
        # Of eleven thousand modules the tests use a quarter, which Python compiles at their first import.
        --dev) dev=yes bytecode=(--no-compile) ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; fail "unknown argument: $1" ;;
    esac

    root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
    mindspore_version="${MINDSPORE_VERSION:-}"
    venv="$root/.venv${mindspore_version:+-ms$mindspore_version}"
    runtime_requirements | once_for requirements install_runtime
    if [ "$dev" = yes ]; then
        once_for requirements-dev install_dev <"$root/requirements-dev.txt"
    fi
    printf '%s\n' "$venv/bin/python"
}

main "$@"
