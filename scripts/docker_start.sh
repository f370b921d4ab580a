#!/usr/bin/env bash
# Starts a container with data and models at the paths that they have outside, and with the Ascend devices there are.
[ -n "${BASH_VERSION:-}" ] || { echo "$0: wanted bash, got another shell: bash $0 $*" >&2; exit 2; }
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: bash scripts/docker_start.sh IMAGE DATA MODEL [--dry-run] [COMMAND ...]

Starts a container of IMAGE, as you rather than as root. The folders DATA and MODEL have the same paths inside as
outside; MODEL can be written, and training runs go there: train.py --run-dir MODEL/NAME. Every Ascend device of this
machine is passed on, with its driver. Without COMMAND a shell is started.

Options:
  --dry-run   print the docker command and exit

Example:
  bash scripts/docker_start.sh mindrcnn:cpu /path/to/coco /path/to/models
TEXT
}

refuse() { usage >&2; printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 2; }

dry_run=no words=()
while [ $# -gt 0 ] && [ "${#words[@]}" -lt 3 ]; do
    case "$1" in
        -h | --help) usage; exit 0 ;;
        --dry-run) dry_run=yes; shift ;;
        -*) refuse "unknown argument: $1" ;;
        *) words+=("$1"); shift ;;
    esac
done
[ "${#words[@]}" -eq 3 ] || refuse "wanted IMAGE, DATA and MODEL, got ${#words[@]} of them"
if [ "${1:-}" = --dry-run ]; then dry_run=yes; shift; fi
image="${words[0]}"

options=(--init --rm --ipc=host --user "$(id -u):$(id -g)")
if [ -t 0 ] && [ -t 1 ]; then options+=(--interactive --tty); fi

for name in DATA MODEL; do
    folder="${words[1]}"
    [ "$name" = DATA ] || folder="${words[2]}"
    [ -d "$folder" ] || refuse "$name: wanted an existing folder, got $folder"
    folder="$(cd "$folder" && pwd)"
    case "$folder" in *:* | *,*) refuse "$name: wanted a path without colons and commas, got $folder" ;; esac
    access=""
    [ "$name" = MODEL ] || access=:ro
    options+=(--volume "$folder:$folder$access")
done

add_ascend() {
    local device driver
    for device in "$dev"/davinci[0-9]* "$dev"/davinci_manager "$dev"/devmm_svm "$dev"/hisi_hdc; do
        [ -e "$device" ] || continue
        options+=(--device "$device" --group-add "$(stat -c %g "$device")")
    done
    for driver in driver add-ons; do
        if [ -d "$ascend/$driver" ]; then options+=(--volume "$ascend/$driver:$ascend/$driver:ro"); fi
    done
}

dev="${DEVICE_FOLDER:-/dev}"  # another one in tests
ascend=/usr/local/Ascend
if [ -e "$dev/davinci_manager" ]; then add_ascend; fi

[ $# -gt 0 ] || set -- bash
command=(docker run "${options[@]}" "$image" "$@")
if [ "$dry_run" = yes ]; then
    printf '%q ' "${command[@]}"
    echo
    exit 0
fi
command -v docker >/dev/null || refuse "wanted docker on PATH, got none"
exec "${command[@]}"
