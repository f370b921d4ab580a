#!/usr/bin/env bash
# Trains on several devices.
[ -n "${BASH_VERSION:-}" ] || { echo "$0: wanted bash, got another shell: bash $0 $*" >&2; exit 2; }
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: bash scripts/run_distribute_train.sh CONFIG --devices N [options] [a.b=c ...]
       bash scripts/run_distribute_train.sh CONFIG --launcher rank-table --rank-table FILE [options] [a.b=c ...]

Trains the model of a configuration file in several processes, one per device. a.b=c changes a configuration key;
train.batch_size is the number of images per device. The run folder is shared; the output of each process is in
RUN_DIR.logs/worker_RANK.log. When a process dies, the others are ended and the reason is shown.

train.init_checkpoint=CKPT starts from a trained detector, model.backbone.weights=FILE from an ImageNet backbone.

Options:
  --run-dir DIR          new or empty folder of the run (default: runs/CONFIG-DATE-TIME)
  --resume               continue the run in --run-dir, or start it if there is none; the number of devices may differ
                         as long as devices x train.batch_size stays the same

TEXT
    launch_usage
    cat <<'TEXT'

Environment:
  DEVICE                 Ascend, GPU or CPU (default: device.target of the configuration)
  HCCL_CONNECT_TIMEOUT   seconds that Ascend devices wait for each other at the start (default: 600)

Examples:
  DEVICE=Ascend bash scripts/run_distribute_train.sh configs/mask_rcnn_r50_fpn_1x_coco.yaml --devices 8 data.root=/path/to/coco
  DEVICE=Ascend bash scripts/run_distribute_train.sh configs/mask_rcnn_r50_fpn_1x_coco.yaml --launcher rank-table \
      --rank-table hccl_8p.json data.root=/path/to/coco
TEXT
}

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

words=() run="" resume=() overrides=()
take_word() { if is_override "$1"; then overrides+=("$1"); else words+=("$1"); fi; }
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) usage; exit 0 ;;
        --run-dir) require_value "$@"; read_path "$2"; run="$path"; shift 2 ;;
        --resume) resume=(--resume); shift ;;
        --) shift; break ;;
        -*) take_launch_option "$@"; shift "$taken" ;;
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
[ "$nodes" -eq 1 ] || [ -n "$run" ] || refuse "--nodes wants --run-dir DIR, a folder that all machines share"
read_device
run="${run:-runs/${name%.yaml}-$(date +%Y%m%d-%H%M%S)}"
finish_launch_options "$run.logs"

python="$(bash "$root/scripts/setup_env.sh")"
source "$root/scripts/allocator.sh"
exec "$python" -m mindrcnn launch "${launch[@]}" -- \
    "$root/train.py" "$config" --run-dir "$run" "${resume[@]}" "${device[@]}" "${overrides[@]}"
