#!/bin/sh
# The runs of results/compress, in order. Every command goes on where an earlier call stopped, and what is
# done is not done again: repeat the script until it ends.
#
# usage: run.sh PROGRAM DATA OUT     PROGRAM: cobasis; DATA: CIFAR-10; OUT: a folder for runs and models
set -eu
cobasis=$1 data=$2 out=$3
seeds="0 1 2"
mkdir -p "$out"

train() { "$cobasis" train --data "$data" --no-live "$@"; }

# The dense parents.
for seed in $seeds; do
    train --config compress/resnet20.toml --seed "$seed" --out "$out/dense-$seed"
done

# Compressed: two budgets, errors plain and weighted, first blocks dense and not.
for seed in $seeds; do
    for budget in 125074 60000; do
        for weighting in plain weighted; do
            for blocks in rest all; do
                to="$out/$budget-$weighting-$blocks-$seed"
                [ -e "$to.json" ] && continue
                set -- --params "$budget" --data "$data" --images 1000 --json --force
                [ "$weighting" = plain ] && set -- "$@" --plain
                [ "$blocks" = all ] && set -- "$@" --all-blocks
                "$cobasis" compress "$out/dense-$seed/best.safetensors" "$@" \
                    --out "$to.safetensors" > "$to.part"
                mv "$to.part" "$to.json"
            done
        done
    done
done
