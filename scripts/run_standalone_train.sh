#!/usr/bin/env bash
# Trains on one device.
[ -n "${BASH_VERSION:-}" ] || { echo "$0: wanted bash, got another shell: bash $0 $*" >&2; exit 2; }
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: bash scripts/run_standalone_train.sh CONFIG [options] [a.b=c ...]

Trains the model of a configuration file on one device. a.b=c changes a configuration key. The run folder receives the
log, the metrics and their curves, and the checkpoints.

train.init_checkpoint=CKPT starts from a trained detector, model.backbone.weights=FILE from an ImageNet backbone.

Options:
  --run-dir DIR   new or empty folder of the run (default: runs/CONFIG-DATE-TIME)
  --resume        continue the run in --run-dir, or start it if there is none
  --device-id N   number of the device (default: device.id of the configuration)

Environment:
  DEVICE          Ascend, GPU or CPU (default: device.target of the configuration)

Example:
  DEVICE=Ascend bash scripts/run_standalone_train.sh configs/mask_rcnn_r50_fpn_1x_coco.yaml data.root=/path/to/coco
TEXT
}

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

words=() run="" resume=() overrides=() id=()
take_word() { if is_override "$1"; then overrides+=("$1"); else words+=("$1"); fi; }
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) usage; exit 0 ;;
        --run-dir) require_value "$@"; read_path "$2"; run="$path"; shift 2 ;;
        --resume) resume=(--resume); shift ;;
        --device-id) require_value "$@"; read_device_id "$2"; shift 2 ;;
        --) shift; break ;;
        -*) refuse "unknown argument: $1" ;;
        *) take_word "$1"; shift ;;
    esac
done
for word in "$@"; do take_word "$word"; done  # those after --
take_subject "a configuration file" "${words[@]}"
config="$subject"
require_file CONFIG "$config"
read_path "$config"
config="$path" name="${config##*/}"
[ "${#resume[@]}" -eq 0 ] || [ -n "$run" ] || refuse "--resume wants --run-dir DIR"
read_device
run="${run:-runs/${name%.yaml}-$(date +%Y%m%d-%H%M%S)}"

python="$(bash "$root/scripts/setup_env.sh")"
source "$root/scripts/allocator.sh"
exec "$python" "$root/train.py" "$config" --run-dir "$run" "${resume[@]}" "${device[@]}" "${id[@]}" "${overrides[@]}"
