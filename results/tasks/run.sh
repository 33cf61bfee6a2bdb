#!/bin/sh
# Adapts two bases to four tasks with every adapter and three seeds: sh run.sh COBASIS OUT CIFAR MNIST CELLS
#
# OUT has the bases, dense.safetensors and shared.safetensors: the best epochs (by validation images) of
#   cobasis train --config BASE --set model=cifar100/resnet20x2 (or cifar100/resnet20x2-s16u1) --data CIFAR
# where BASE is base.toml beside this file. CIFAR and MNIST are the sets' directories, CELLS what cells.py makes.
# Runs that are done are not repeated; two at a time, one thread each.
set -eu
cobasis=$1 out=$2 cifar=$3 mnist=$4 cells=$5
here=$(cd "$(dirname "$0")" && pwd)
export cobasis out cifar mnist cells here RAYON_NUM_THREADS=1
one() {
    base=$1 task=$2 kind=$3 seed=$4
    name=$base-$task-$kind-$seed
    [ -f "$out/$name.safetensors" ] && return 0
    case $task in
        cifar10) data="--data $cifar" ;; mnist) data="--data $mnist" ;;
        cells) data="--data $cells" ;; digits) data="" ;;
    esac
    # Chosen on CIFAR-10's validation images with seed 0; all else learns best at the 0.01 of the configurations.
    case $kind in full) lr="--set optimizer.lr=1e-3" ;; mlp) lr="--set optimizer.lr=3e-3" ;; *) lr="" ;; esac
    # shellcheck disable=SC2086
    "$cobasis" adapt "$out/$base.safetensors" --adapter "$kind" --config "$here/../../configs/tasks/$task.toml" \
        $data $lr --seed "$seed" --out "$out/$name.safetensors" --run "$out/$name-run" --no-live \
        > "$out/$name.log" 2>&1 && rm -rf "$out/$name-run"/checkpoint* "$out/$name-run"/*.safetensors
}
if [ "${6-}" = one ]; then
    shift 6
    one "$@"
    exit
fi
for seed in 0 1 2; do
    for task in cifar10 cells digits mnist; do
        for kind in head full norms film rank1 mask mix mlp; do
            echo "shared $task $kind $seed"
            echo "dense $task $kind $seed"
        done
        echo "shared $task unique $seed"
        echo "shared $task unique1-2 $seed"
    done
done | xargs -P 2 -L 1 sh "$0" "$cobasis" "$out" "$cifar" "$mnist" "$cells" one
