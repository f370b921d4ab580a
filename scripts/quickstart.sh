#!/usr/bin/env bash
# From a fresh clone to a trained, evaluated and drawn Mask R-CNN on the demo data.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: bash scripts/quickstart.sh

Sets up the environment, makes the demo data, trains Mask R-CNN MobileNetV1-FPN on it, evaluates the best checkpoint and
draws its predictions on the validation images. A second call trains again, into a new folder under runs/.
TEXT
}

case "${1:-}" in
    "") ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; echo "quickstart.sh: unknown argument: $1" >&2; exit 2 ;;
esac

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
step() { printf '\n== %s (%d s so far)\n' "$*" "$SECONDS"; }

config=configs/demo/mask_rcnn_mobilenet_v1.yaml
data=demo_data
run="runs/quickstart-$(date +%Y%m%d-%H%M%S)"

step "1/5 Environment"
python="$(bash "$root/scripts/setup_env.sh")"

step "2/5 Demo data"
if [ -f "$data/annotations/instances_val.json" ]; then  # what making it writes last
    echo "$data is there already"
else
    "$python" -m mindrcnn.data.demo "$data"
fi

step "3/5 Training: $config"
"$python" train.py "$config" --run-dir "$run"

step "4/5 Evaluation of the best checkpoint"
mkdir -p "$run/eval"
"$python" eval.py "$run/best.ckpt" --out "$run/eval" | tee "$run/eval/tables.txt"

step "5/5 Pictures of the validation images"
"$python" infer.py "$run/best.ckpt" "$data/val" --out "$run/pictures"

step "Finished"
cat "$run/eval/tables.txt"
cat <<TEXT

Pictures:    $root/$run/pictures
Log:         $root/$run/train.log
Curves:      $root/$run/curves.png
Checkpoint:  $root/$run/best.ckpt
TEXT
