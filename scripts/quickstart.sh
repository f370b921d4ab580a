#!/usr/bin/env bash
# From a fresh clone to a trained and evaluated detector on the demo data, with pictures of its predictions.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: bash scripts/quickstart.sh [--model faster_rcnn|mask_rcnn|ms_rcnn|point_rend]

Sets up the environment, makes the demo data, trains a detector with a MobileNetV1-FPN backbone, evaluates its best
checkpoint, and draws its predictions on the validation images. Each call trains into a new folder under runs/.

Options:
  --model NAME   faster_rcnn, mask_rcnn, ms_rcnn or point_rend (default: mask_rcnn)
TEXT
}

refuse() { usage >&2; echo "quickstart.sh: $*" >&2; exit 2; }

model=mask_rcnn
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) usage; exit 0 ;;
        --model) [ $# -ge 2 ] || refuse "--model: wanted a model, got nothing"; model="$2"; shift 2 ;;
        *) refuse "unknown argument: $1" ;;
    esac
done
case "$model" in
    faster_rcnn | mask_rcnn | ms_rcnn | point_rend) ;;
    *) refuse "--model: wanted faster_rcnn, mask_rcnn, ms_rcnn or point_rend, got $model" ;;
esac

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
step() { printf '\n== %s (%d s so far)\n' "$*" "$SECONDS"; }

config="configs/demo/${model}_mobilenet_v1.yaml"
data=demo_data
run="runs/quickstart-$(date +%Y%m%d-%H%M%S)"

step "1/5 Environment"
python="$(bash "$root/scripts/setup_env.sh")"
source "$root/scripts/allocator.sh"

step "2/5 Demo data, and the kernels for this machine"
# Drawing leaves a core idle. Training compiles the kernels itself, and reports it, where this fails.
"$python" -m mindrcnn build-kernels >/dev/null 2>&1 &
if [ -f "$data/annotations/instances_val.json" ]; then  # what making it writes last
    echo "$data is there already"
else
    "$python" -m mindrcnn demo "$data"
fi
wait

step "3/5 Training: $config"
"$python" train.py "$config" --run-dir "$run"

step "4/5 Evaluation of the best checkpoint"
"$python" eval.py "$run/best.ckpt" --out "$run/eval" eval.report=true

step "5/5 Pictures of the validation images"
"$python" infer.py "$run/best.ckpt" "$data/val" --out "$run/pictures"

step "Finished"
cat "$run/eval/tables.txt"
cat <<TEXT

Report:      $root/$run/eval/report.html
Pictures:    $root/$run/pictures
Log:         $root/$run/train.log
Curves:      $root/$run/curves.png
Checkpoint:  $root/$run/best.ckpt
TEXT
