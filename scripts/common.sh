# Sourced by the run_*.sh scripts, which define usage(): argument checks, and the options of multi-process jobs.

script="$(basename "$0")"
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

refuse() { usage >&2; echo "$script: $*" >&2; exit 2; }

# value OPTION "$@": the word after an option
value() { [ $# -ge 3 ] || refuse "$1: wanted a value, got nothing"; printf '%s' "$3"; }

require_file() { [ -f "$2" ] || refuse "$1: wanted an existing file, got $2"; }

# take_subject KIND WORD...: sets subject to the only word, which is a configuration file or a checkpoint; refuses others,
# such as the model zoo's positional arguments, with the command that was meant
take_subject() {
    local kind="$1"
    shift
    [ $# -gt 0 ] || refuse "wanted $kind, got none"
    subject="$1"
    if [ $# -gt 1 ]; then
        refuse "wanted one ${kind#a }, got $1 and $2$(meant "$kind" "$@")"
    fi
    case "$kind:$subject" in
        "a configuration file:"*.ckpt | *:*.json) refuse "wanted $kind, got $subject$(meant "$kind" "$@")" ;;
        "a checkpoint:"*.yaml | "a checkpoint:"*.yml) refuse "wanted $kind, got $subject$(meant "$kind" "$@")" ;;
    esac
}

# meant KIND WORD...: the command for positional arguments of the model zoo, told apart by their form
meant() {
    local kind="$1" word first="" rest="" data="" number=""
    shift
    for word; do
        case "$kind:$word" in
            "a checkpoint:"*.ckpt | "a configuration file:"*.yaml | "a configuration file:"*.yml) first="${first:-$word}" ;;
            *.ckpt) rest+=" train.init_checkpoint=$word" ;;
            "a checkpoint:"*.json) rest+=" data.val.annotations=$word" ;;
            *.json) rest+=" --launcher rank-table --rank-table $word" ;;
            *.yaml | *.yml) ;;  # a checkpoint holds its configuration
            *)
                if is_number "${word/#0/1}"; then
                    number="${number:-$word}"
                elif [ -z "$data" ]; then
                    data=" data.root=$word"
                fi ;;
        esac
    done
    case "$kind:$script" in
        *:run_distribute_train.sh) rest="${number:+ --devices $number}$data$rest" ;;
        "a checkpoint:"*) rest="${number:+ device.id=$number}$data$rest" ;;
        *) rest="${number:+ --device-id $number}$data$rest" ;;
    esac
    if [ "$kind" = "a checkpoint" ]; then first="${first:-CHECKPOINT}"; else first="${first:-CONFIG}"; fi
    printf '%s' "; for a call of the model zoo: bash scripts/$script $first$rest (docs/migrate.md)"
}

# read_device_id "$@": sets id to the override that --device-id stands for
read_device_id() {
    local number
    number="$(value "$1" "$@")"
    case "$number" in *[!0-9]*) refuse "--device-id: wanted a whole number, got $number" ;; esac
    id=("device.id=$number")
}

is_number() { case "$1" in '' | *[!0-9]* | 0) return 1 ;; esac; }

# Sets device to the override that DEVICE stands for; without it the configuration decides.
read_device() {
    device=()
    case "${DEVICE:-}" in
        "") ;;
        Ascend | GPU | CPU) device=("device.target=$DEVICE") ;;
        *) refuse "DEVICE: wanted Ascend, GPU or CPU, got $DEVICE" ;;
    esac
}

launch_usage() {
    cat <<'TEXT'
Several processes:
  --devices N            number of processes, one per device (default with a rank table: as many as it has)
  --launcher NAME        msrun, mpirun (Open MPI) or rank-table (Ascend) (default: msrun)
  --rank-table FILE      HCCL rank table (JSON), for --launcher rank-table
  --bind-cores           give each process its own cores (default with DEVICE=Ascend or DEVICE=GPU)
  --no-bind-cores        let the system place the processes (default otherwise)
  --nodes N              number of machines that share the --devices processes; run the script on each, with msrun
                         (default: 1)
  --node-rank N          number of this machine, from 0; in a rank table, number of its server (default: 0)
  --master-addr ADDRESS  address of machine 0 (default: 127.0.0.1)
  --master-port PORT     free port on machine 0; required with --nodes (default: any free port)
  --dry-run              print the commands and exit
TEXT
}

devices=""
launcher=msrun
bind=auto
nodes=1
dry_run=no
launch=()

# take_launch_option "$@": sets taken to how many words belong to an option of launch_usage; refuses any other
take_launch_option() {
    taken=2
    case "$1" in
        --devices)
            devices="$(value "$1" "$@")"
            is_number "$devices" || refuse "--devices: wanted a whole number above 0, got $devices" ;;
        --launcher)
            launcher="$(value "$1" "$@")"
            case "$launcher" in
                msrun | mpirun | rank-table) ;;
                *) refuse "--launcher: wanted msrun, mpirun or rank-table, got $launcher" ;;
            esac ;;
        --rank-table)
            table="$(value "$1" "$@")"
            require_file --rank-table "$table"
            launch+=(--rank-table "$table") ;;
        --nodes)
            nodes="$(value "$1" "$@")"
            is_number "$nodes" || refuse "--nodes: wanted a whole number above 0, got $nodes" ;;
        --node-rank | --master-addr | --master-port)
            word="$(value "$1" "$@")"
            launch+=("$1" "$word") ;;
        --bind-cores) bind=yes; taken=1 ;;
        --no-bind-cores) bind=no; taken=1 ;;
        --dry-run) dry_run=yes; taken=1 ;;
        *) refuse "unknown argument: $1" ;;
    esac
}

# Completes launch, the options of mindrcnn launch; $1: the folder for the logs of the processes.
finish_launch_options() {
    case "$launcher" in
        rank-table) case " ${launch[*]-} " in *" --rank-table "*) ;; *) refuse "--launcher rank-table wants --rank-table FILE" ;; esac ;;
        *)
            case " ${launch[*]-} " in *" --rank-table "*) refuse "--rank-table wants --launcher rank-table" ;; esac
            [ -n "$devices" ] || refuse "--devices: wanted the number of processes, got nothing" ;;
    esac
    if [ "$launcher" = mpirun ] && [ "$dry_run" = no ] && ! command -v mpirun >/dev/null; then
        refuse "--launcher mpirun: wanted mpirun (Open MPI) on PATH, got none"
    fi
    if [ "$nodes" -gt 1 ]; then
        [ $((devices % nodes)) -eq 0 ] || refuse "--nodes: wanted a divisor of the $devices devices, got $nodes"
        launch+=(--local-devices $((devices / nodes)))
    fi
    if [ "$bind" = auto ]; then
        case "${DEVICE:-}" in Ascend | GPU) bind=yes ;; *) bind=no ;; esac
    fi
    [ -z "$devices" ] || launch+=(--devices "$devices")
    [ "$bind" = no ] || launch+=(--bind-cores)
    [ "$dry_run" = no ] || launch+=(--dry-run)
    launch+=(--launcher "$launcher" --log-dir "$1")
}
