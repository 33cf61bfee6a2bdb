#!/bin/sh
# Measures what processes of one thread come to beside threads of one process: results/parallel.csv.
#
#   results/parallel/run.sh PROGRAM CIFAR10_DIR [REPETITIONS]
#
# PROGRAM is a release build with the feature mpi; mpirun is Open MPI's or MPICH's. For a machine with two free cores:
# of three networks, one process of one thread, one of two, and two of one each train the same batches in turn. A
# number is the median of the repetitions. About two minutes a repetition, most of it for test images. The rows that begin with "model" are not
# measured: they are computed from the rows before them, as results/README.md says.
set -eu
program=$1 data=$2 repetitions=${3:-3}
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
networks="digits/resnet14-s8u1 cifar10/resnet20 cifar10/resnet32-s16u1"
batch=32 accumulate=2 steps=${STEPS:-12}

mpi_options=""
if mpirun --version 2>&1 | grep -q "Open MPI"; then
    # On a machine that others use, too, who waits makes room.
    mpi_options="--bind-to none --mca mpi_yield_when_idle 1"
    [ "$(id -u)" -ne 0 ] || mpi_options="$mpi_options --allow-run-as-root"
fi

# train NETWORK PROCESSES THREADS: a line with images a second, the share of messages in the steps, and parameters.
train() {
    out="$work/run"
    rm -rf "$out"
    launcher="" images="--set data.name=${1%%/*}" epochs=20
    # The digits are done in no time: of many epochs, the last.
    case $1 in cifar10/*) images="$images --data $data" epochs=1 ;; esac
    # shellcheck disable=SC2086
    [ "$2" -eq 1 ] || launcher="mpirun $mpi_options -n $2"
    RAYON_NUM_THREADS=$3 $launcher "$program" train --set "model=$1" $images \
        --out "$out" --no-live --set "train.epochs=$epochs" --set "train.max_steps=$steps" --set "train.batch=$batch" \
        --set "train.accumulate=$accumulate" \
        >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    speed=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "images_per_second") c = i } { last = $c } END { print last }' \
        "$out/metrics.csv")
    exchange=$(sed -n 's/.*"exchange_seconds": *\([0-9.e-]*\).*/\1/p' "$out/summary.json")
    params=$(sed -n 's/.*"params": *\([0-9]*\).*/\1/p' "$out/summary.json" | head -n 1)
    exchange=$(awk "BEGIN { print ${exchange:-0} / $epochs }")
    echo "$1 $2 $3 $speed $exchange $params"
}

: >"$work/all"
i=0
while [ "$i" -lt "$repetitions" ]; do
    for network in $networks; do
        for setting in "1 1" "1 2" "2 1"; do
            # shellcheck disable=SC2086
            train $network $setting >>"$work/all"
            tail -n 1 "$work/all" >&2
        done
    done
    i=$((i + 1))
done

awk -v batch="$batch" -v accumulate="$accumulate" -v steps="$steps" '
function median(list, n,   i, j, t, a) {
    split(list, a, " ")
    for (i = 2; i <= n; i++) for (j = i; j > 1 && a[j - 1] + 0 > a[j] + 0; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
    return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}
{
    key = $1 " " $2 " " $3
    if (!(key in count)) keys[++k] = key
    count[key]++
    speeds[key] = speeds[key] " " $4
    # The share of messages in the time of the steps.
    shares[key] = shares[key] " " $5 / (steps * accumulate * batch / $4)
    params[$1] = $6
}
END {
    print "kind,network,parameters,processes,threads,images_per_second,relative,step_seconds,bytes_a_step,exchange_share"
    for (i = 1; i <= k; i++) {
        split(keys[i], part, " ")
        speed[keys[i]] = median(speeds[keys[i]], count[keys[i]])
        share[keys[i]] = median(shares[keys[i]], count[keys[i]])
    }
    for (i = 1; i <= k; i++) {
        split(keys[i], part, " "); n = part[2]
        step = accumulate * batch / speed[keys[i]]
        bytes = 2 * 4 * params[part[1]] * (n - 1) / n
        # Beside one process with as many threads as all have together.
        beside = speed[part[1] " 1 " n * part[3]]
        printf "measured,%s,%d,%d,%d,%.1f,%.3f,%.4f,%.0f,%.4f\n", part[1], params[part[1]], n, part[3], speed[keys[i]], \
            speed[keys[i]] / beside, step, bytes, share[keys[i]]
    }
    # Not measured: n processes of one thread, each with the batch of a process above, on machines that a network
    # of this bandwidth (bytes a second) and latency (seconds) joins. All to all and the gathering of the parts send
    # n - 1 messages each; counts, scores and statistics are 5 gatherings more, of log2(n) messages.
    nets = split("10GbE 1.1e9 3e-5,HDR100 1.1e10 2e-6", net, ",")
    for (j = 1; j <= nets; j++) {
        split(net[j], about, " ")
        for (i = 1; i <= k; i++) {
            split(keys[i], part, " ")
            if (part[2] != 1 || part[3] != 1) continue
            for (n = 8; n <= 64; n *= 8) {
                compute = batch / speed[keys[i]]
                bytes = 2 * 4 * params[part[1]] * (n - 1) / n
                exchange = bytes / about[2] + about[3] * (2 * (n - 1) + 5 * log(n) / log(2))
                step = compute + exchange
                printf "model %s,%s,%d,%d,1,%.1f,%.3f,%.4f,%.0f,%.4f\n", about[1], part[1], params[part[1]], n, \
                    n * batch / step, compute / step, step, bytes, exchange / step
            }
        }
    }
}' "$work/all" >"$work/parallel.csv"
mv "$work/parallel.csv" "$here/parallel.csv"
cat "$here/parallel.csv"
