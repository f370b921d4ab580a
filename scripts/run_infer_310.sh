#!/usr/bin/env bash
# Evaluates an exported detector on an Ascend 310 with MindSpore Lite.
[ -n "${BASH_VERSION:-}" ] || { echo "$0: wanted bash, got another shell: bash $0 $*" >&2; exit 2; }
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: bash scripts/run_infer_310.sh MINDIR DATA ANN [DEVICE_ID] [--out DIR] [a.b=c ...]

Evaluates MINDIR, a file of `mindrcnn export`, on the images of the folder DATA and their COCO annotations ANN: builds
ascend310_infer, converts the model for the Ascend, prepares the images, runs the program, and writes the COCO tables to
acc.log. DEVICE_ID is the number of the device (default: 0). a.b=c changes a configuration key.

Options:
  --out DIR    folder for acc.log, timings.txt, results and the converted model (default: infer_310)

Environment:
  LITE_HOME    folder of an unpacked MindSpore Lite package, of the version of MindSpore that wrote MINDIR
  DEVICE       Ascend or CPU (default: Ascend); on a CPU the model is not converted
  PRECISION    precision mode on an Ascend (default: preferred_fp32; docs/deploy.md says why)
  PYTHON       a Python with this package, MindSpore not needed (default: that of scripts/setup_env.sh)

Example:
  LITE_HOME=~/mindspore-lite-2.8.0-linux-aarch64 \
      bash scripts/run_infer_310.sh detector.mindir coco/val2017 coco/annotations/instances_val2017.json 0
TEXT
}

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

out=infer_310 words=() overrides=()
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) usage; exit 0 ;;
        --out) require_value "$@"; read_path "$2"; out="$path"; shift 2 ;;
        -*) refuse "unknown argument: $1" ;;
        *) if is_override "$1"; then overrides+=("$1"); else words+=("$1"); fi; shift ;;
    esac
done
[ "${#words[@]}" -eq 3 ] || [ "${#words[@]}" -eq 4 ] || refuse "wanted MINDIR DATA ANN [DEVICE_ID], got ${#words[@]} words"
case "${words[0]}" in
    *.mindir) ;;
    *) refuse "MINDIR: wanted a .mindir file, got ${words[0]}; mindrcnn export CHECKPOINT --out FILE.mindir writes one" ;;
esac
require_file MINDIR "${words[0]}"
[ -d "${words[1]}" ] || refuse "DATA: wanted a folder of images, got ${words[1]}"
require_file ANN "${words[2]}"
read_number DEVICE_ID "${words[3]:-0}"
target="${DEVICE:-Ascend}" precision="${PRECISION:-preferred_fp32}"
case "$target" in Ascend | CPU) ;; *) refuse "DEVICE: wanted Ascend or CPU, got $target" ;; esac
lite="${LITE_HOME:-}"
[ -d "$lite" ] || refuse "LITE_HOME: wanted the folder of a MindSpore Lite package, got ${lite:-nothing}"
command -v cmake >/dev/null || refuse "wanted cmake on PATH, got none"

say() { printf '%s: %s\n' "$script" "$*" >&2; }
fail() { say "$*"; exit 2; }

model="$(realpath "${words[0]}")" data="$(realpath "${words[1]}")" annotations="$(realpath "${words[2]}")"
overrides+=("data.root=$data" data.val.format=coco "data.val.images=$data" "data.val.annotations=$annotations")
mkdir -p "$out"
# The prepared images take as much room as the network's input: 3 MB each at 800 x 1344.
work="$(mktemp -d "$out/batches.XXXXXX")"
trap 'rm -rf "$work"' EXIT
mkdir "$work/outputs"
python="${PYTHON:-$(bash "$root/scripts/setup_env.sh")}"
libraries="$lite/runtime/lib:$lite/tools/converter/lib:$lite/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

say "building ascend310_infer (output in $out/build.log)"
{
    LITE_HOME="$lite" cmake -S "$root/ascend310_infer" -B "$out/build" && cmake --build "$out/build"
} >"$out/build.log" 2>&1 || { tail -n 20 "$out/build.log" >&2; fail "ascend310_infer: could not be built; see above"; }

if [ "$target" = Ascend ]; then
    name="$(basename "$model" .mindir)_310_$precision"
    if [ ! "$out/$name.mindir" -nt "$model" ]; then
        say "converting $model for the Ascend (output in $out/convert.log)"
        printf '[ascend_context]\nprecision_mode=%s\n' "$precision" >"$out/lite.ini"
        LD_LIBRARY_PATH="$libraries" "$lite/tools/converter/converter/converter_lite" --fmk=MINDIR \
            --modelFile="$model" --outputFile="$out/$name" --optimize=ascend_oriented --configFile="$out/lite.ini" \
            >"$out/convert.log" 2>&1 \
            || { tail -n 20 "$out/convert.log" >&2; fail "$model: converter_lite could not convert it; see above"; }
    fi
    runnable="$out/$name.mindir"
else
    runnable="$model"
fi

say "preparing the images of $data"
"$python" -m mindrcnn offline prepare "$model" --inputs "$work/inputs" "${overrides[@]}"
say "running the model on $target"
LD_LIBRARY_PATH="$libraries" "$out/build/detect" \
    "$runnable" "$work/inputs" "$work/outputs" "$target" "$number" "$precision"
cp "$work/outputs/timings.txt" "$out/timings.txt"
say "evaluating"
"$python" -m mindrcnn offline evaluate "$model" --inputs "$work/inputs" --outputs "$work/outputs" --out "$out/eval" \
    "${overrides[@]}" >"$out/acc.log"
cat "$out/acc.log"
say "written to $out/acc.log"
