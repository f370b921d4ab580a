# Sourced by the run_*.sh scripts, which define usage(): argument checks, and the options of multi-process jobs.

script="${0##*/}"
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

refuse() { usage >&2; printf '%s: %s\n' "$script" "$*" >&2; exit 2; }

# require_value "$@": refuses an option that no word follows
require_value() { [ $# -ge 2 ] || refuse "$1: wanted a value, got nothing"; }

require_file() { [ -f "$2" ] || refuse "$1: wanted an existing file, got $2"; }

# is_override WORD: whether a word sets a configuration key, a.b=c; what exists, or has a / before the =, is a path
is_override() {
    case "$1" in *=*) ;; *) return 1 ;; esac
    case "${1%%=*}" in */*) return 1 ;; esac
    [ ! -e "$1" ]
}

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
                case "$word" in
                    *[!0-9]*) data="${data:- data.root=$word}" ;;
                    *) number="${number:-$word}" ;;
                esac ;;
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

# Sets path to a word that no program takes for an option.
read_path() { case "$1" in -*) path="./$1" ;; *) path="$1" ;; esac; }

# add_option ARRAY OPTION VALUE: in one word where the value looks like an option
add_option() {
    local -n words_of="$1"
    case "$3" in -*) words_of+=("$2=$3") ;; *) words_of+=("$2" "$3") ;; esac
}

# Sets number to the whole number of a word, without leading zeros; more than six digits are refused, as bash cannot
# compute with all of them.
read_number() {
    case "$2" in '' | *[!0-9]* | ???????*) refuse "$1: wanted a whole number${3:-}, got $2" ;; esac
    number=$((10#$2))
}

read_count() {
    read_number "$1" "$2" " above 0"
    [ "$number" -gt 0 ] || refuse "$1: wanted a whole number above 0, got $2"
}

# read_device_id NUMBER: sets id to the override that --device-id stands for
read_device_id() {
    read_number --device-id "$1"
    id=("device.id=$number")
}

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
table=""
bind=auto
nodes=1
dry_run=no
launch=()

# take_launch_option "$@": sets taken to how many words belong to an option of launch_usage; refuses any other
take_launch_option() {
    taken=2
    case "$1" in
        --devices)
            require_value "$@"
            read_count "$1" "$2"
            devices="$number" ;;
        --launcher)
            require_value "$@"
            launcher="$2"
            case "$launcher" in
                msrun | mpirun | rank-table) ;;
                *) refuse "--launcher: wanted msrun, mpirun or rank-table, got $launcher" ;;
            esac ;;
        --rank-table)
            require_value "$@"
            require_file --rank-table "$2"
            read_path "$2"
            table="$path" ;;
        --nodes)
            require_value "$@"
            read_count "$1" "$2"
            nodes="$number" ;;
        --node-rank | --master-addr | --master-port)
            require_value "$@"
            add_option launch "$1" "$2" ;;
        --bind-cores) bind=yes; taken=1 ;;
        --no-bind-cores) bind=no; taken=1 ;;
        --dry-run) dry_run=yes; taken=1 ;;
        *) refuse "unknown argument: $1" ;;
    esac
}

# Completes launch, the options of mindrcnn launch; $1: the folder for the logs of the processes.
finish_launch_options() {
    case "$launcher" in
        rank-table) [ -n "$table" ] || refuse "--launcher rank-table wants --rank-table FILE" ;;
        *)
            [ -z "$table" ] || refuse "--rank-table wants --launcher rank-table"
            [ -n "$devices" ] || refuse "--devices: wanted the number of processes, got nothing" ;;
    esac
    if [ "$launcher" = mpirun ] && [ "$dry_run" = no ] && ! command -v mpirun >/dev/null; then
        refuse "--launcher mpirun: wanted mpirun (Open MPI) on PATH, got none"
    fi
    if [ "$nodes" -gt 1 ]; then
        [ -n "$devices" ] || refuse "--nodes: wanted --devices with it, got nothing"
        [ $((devices % nodes)) -eq 0 ] || refuse "--nodes: wanted a divisor of the $devices devices, got $nodes"
        launch+=(--local-devices $((devices / nodes)))
    fi
    if [ "$bind" = auto ]; then
        case "${DEVICE:-}" in Ascend | GPU) bind=yes ;; *) bind=no ;; esac
    fi
    [ -z "$table" ] || launch+=(--rank-table "$table")
    [ -z "$devices" ] || launch+=(--devices "$devices")
    [ "$bind" = no ] || launch+=(--bind-cores)
    [ "$dry_run" = no ] || launch+=(--dry-run)
    launch+=(--launcher "$launcher" --log-dir "$1")
}
