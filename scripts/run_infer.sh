#!/usr/bin/env bash
# Predicts image files with a checkpoint.
[ -n "${BASH_VERSION:-}" ] || { echo "$0: wanted bash, got another shell: bash $0 $*" >&2; exit 2; }
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: bash scripts/run_infer.sh CHECKPOINT IMAGES [IMAGES ...] [options] [a.b=c ...]

Predicts image files; writes predictions.json, and each image with its predictions drawn on it. IMAGES is a file, a
folder, or a pattern in quotes. a.b=c changes a configuration key.

Options:
  --out DIR       folder for the JSON and the pictures (default: inferred)
  --score NUMBER  lowest score of a prediction to keep (default: 0.5)
  --classes LIST  names of the classes to keep, separated by commas (default: all)
  --batch N       images per forward pass (default: 1)
  --force         replace files in --out that MindRCNN did not write
  --device-id N   number of the device (default: device.id of the configuration)

Environment:
  DEVICE          Ascend, GPU or CPU (default: device.target of the configuration)

Example:
  bash scripts/run_infer.sh runs/coco/best.ckpt photos --out found --score 0.6
TEXT
}

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

checkpoint="" out=inferred options=() words=()
take_word() {
    read_path "$1"
    if [ -z "$checkpoint" ]; then checkpoint="$path"; else words+=("$path"); fi
}
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) usage; exit 0 ;;
        --out) require_value "$@"; read_path "$2"; out="$path"; shift 2 ;;
        --force) options+=(--force); shift ;;
        --score | --classes | --batch) require_value "$@"; add_option options "$1" "$2"; shift 2 ;;
        --device-id) require_value "$@"; read_device_id "$2"; options+=("${id[@]}"); shift 2 ;;
        --) shift; break ;;
        -*) refuse "unknown argument: $1" ;;
        *) take_word "$1"; shift ;;
    esac
done
for word in "$@"; do take_word "$word"; done  # those after --
[ -n "$checkpoint" ] || refuse "wanted a checkpoint, got none"
case "$checkpoint" in
    *.yaml | *.yml) refuse "wanted a checkpoint, got $checkpoint; a checkpoint holds its configuration:" \
        "bash scripts/run_infer.sh CHECKPOINT IMAGES --out DIR (docs/migrate.md)" ;;
esac
require_file CHECKPOINT "$checkpoint"
[ "${#words[@]}" -gt 0 ] || refuse "wanted at least one image file, folder or pattern, got none"
read_device

python="$(bash "$root/scripts/setup_env.sh")"
source "$root/scripts/allocator.sh"
exec "$python" "$root/infer.py" "$checkpoint" "${words[@]}" --out "$out" "${options[@]}" "${device[@]}"
