#!/bin/sh
# The runs of results/compress, in order. Training goes on where an earlier call stopped, and what is done is
# not done again: repeat the script until it ends.
#
# usage: run.sh PROGRAM DATA OUT [SEED…]   PROGRAM: cobasis; DATA: the directory of CIFAR-10; OUT: a folder
#                                          for runs and models; seeds 0 1 2 unless given
set -eu
cobasis=$1 data=$2 out=$3
shift 3
seeds=${*:-0 1 2}
mkdir -p "$out"

# A run in a folder of $out, unless it is done.
train() {
    to="$out/$1"
    shift
    [ -e "$to/summary.json" ] || "$cobasis" train --data "$data" --no-live --out "$to" "$@"
}

# A compressed file and its report. Budgets that can't be met are said and left out.
compress() {
    to="$out/$1" from="$out/$2/best.safetensors"
    shift 2
    [ -e "$to.json" ] && return
    if "$cobasis" compress "$from" --data "$data" --images 1000 --json --force \
        --out "$to.safetensors" "$@" > "$to.part"; then
        mv "$to.part" "$to.json"
    else
        rm "$to.part"
    fi
}

for seed in $seeds; do
    train "dense-$seed" --config compress/resnet20.toml --seed "$seed"
    for params in 125074 60000; do
        compress "$params-plain-$seed" "dense-$seed" --params "$params" --plain
        compress "$params-weighted-$seed" "dense-$seed" --params "$params"
        compress "$params-plain-all-$seed" "dense-$seed" --params "$params" --plain --all-blocks
        compress "$params-weighted-all-$seed" "dense-$seed" --params "$params" --all-blocks
    done
done

for seed in $seeds; do
    for name in 125074-weighted 125074-weighted-all 60000-weighted-all; do
        file="$out/$name-$seed.safetensors"
        model=$(sed -n 's/^  "model": "\(.*\)",$/\1/p' "$out/$name-$seed.json")
        train "$name-teacher-$seed" --config compress/fine-tune.toml --seed "$seed" --init "$file" \
            --set "distill.teacher=$out/dense-$seed/best.safetensors"
        # Without the teacher: a weight of zero is the loss on the labels alone.
        train "$name-labels-$seed" --config compress/fine-tune.toml --seed "$seed" --init "$file" \
            --set "distill.teacher=$out/dense-$seed/best.safetensors" --set distill.weight=0
        train "$name-scratch-$seed" --config compress/scratch.toml --seed "$seed" --set "model=$model"
    done
done
