#!/usr/bin/env bash
# Evaluates a checkpoint, on one device or several.
[ -n "${BASH_VERSION:-}" ] || { echo "$0: wanted bash, got another shell: bash $0 $*" >&2; exit 2; }
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: bash scripts/run_eval.sh CHECKPOINT [options] [a.b=c ...]

Evaluates a checkpoint on the validation split of its configuration and prints the COCO tables. With --devices, several
processes share the images; the tables are the same as with one. a.b=c changes a configuration key:
data.val.annotations=FILE data.val.images=DIR takes other annotations. `mindrcnn eval --results FILE --config CONFIG`
scores a results.json instead.

Options:
  --out DIR              folder for results, metrics and pictures (default: eval beside the checkpoint)
  --force                replace files there that MindRCNN did not write

TEXT
    launch_usage
    cat <<'TEXT'

Environment:
  DEVICE                 Ascend, GPU or CPU (default: device.target of the configuration)
  HCCL_CONNECT_TIMEOUT   seconds that Ascend devices wait for each other at the start (default: 600)

Examples:
  DEVICE=Ascend bash scripts/run_eval.sh runs/coco/best.ckpt --devices 8 data.root=/path/to/coco
TEXT
}

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

words=() out="" force=() overrides=()
take_word() { if is_override "$1"; then overrides+=("$1"); else words+=("$1"); fi; }
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) usage; exit 0 ;;
        --out) require_value "$@"; read_path "$2"; out="$path"; shift 2 ;;
        --force) force=(--force); shift ;;
        --) shift; break ;;
        -*) take_launch_option "$@"; shift "$taken" ;;
        *) take_word "$1"; shift ;;
    esac
done
for word in "$@"; do take_word "$word"; done  # those after --
take_subject "a checkpoint" "${words[@]}"
checkpoint="$subject"
require_file CHECKPOINT "$checkpoint"
read_path "$checkpoint"
checkpoint="$path"
case "$checkpoint" in */*) folder="${checkpoint%/*}" ;; *) folder=. ;; esac
read_device
out="${out:-$folder/eval}"
program=("$root/eval.py" "$checkpoint" --out "$out" "${force[@]}" "${device[@]}" "${overrides[@]}")
single=no
[ -n "$devices" ] || [ "$launcher" != msrun ] || [ -n "$table" ] || [ "${#launch[@]}" -gt 0 ] || single=yes
[ "$single" = no ] || [ "$dry_run" = no ] || refuse "--dry-run wants --devices N"
[ "$single" = yes ] || finish_launch_options "$out.logs"

python="$(bash "$root/scripts/setup_env.sh")"
source "$root/scripts/allocator.sh"
if [ "$single" = yes ]; then
    exec "$python" "${program[@]}"
fi
exec "$python" -m mindrcnn launch "${launch[@]}" -- "${program[@]}"
