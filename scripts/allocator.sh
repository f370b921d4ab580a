# Sourced by the scripts that run MindSpore, once `python` is set: preloads the jemalloc of MindSpore's wheel. With it,
# compiling a training step takes a third less processor time than with glibc's allocator, and a step a tenth less.
# The wheel of MindSpore 2.10 has none: beside an environment of the default version, that one's serves.
environment="$(dirname "$(dirname "$python")")"
for library in {"$environment","$(dirname "$environment")/.venv"}/lib/python3.*/site-packages/mindspore/lib/libjemalloc.so.2; do
    case "$library" in
        *[[:space:]:]*) continue ;;  # these separate the names in LD_PRELOAD, and cannot be escaped
    esac
    if [ -f "$library" ]; then
        export LD_PRELOAD="$library${LD_PRELOAD:+:$LD_PRELOAD}"
        break
    fi
done
