#!/usr/bin/env bash
# results/methods/steps.csv: a training step of a method at the budget of ResNet20-S8U1, here and in PyTorch, in turn.
# Batch 128, two threads; the fastest of the rounds' medians, since whatever else runs only makes steps slower.
# steps.sh COBASIS PYTHON [ROUNDS]
set -euo pipefail
cobasis=$1 python=$2 rounds=${3:-3}
here=$(cd "$(dirname "$0")" && pwd)
declare -A suffix=([dense]="" [soft]=-templates1 [lowrank]=-lowrank4,8,14 [ring]=-ring48888 [hashed]=-hashed48888)
declare -A ours theirs
for ((round = 0; round < rounds; round++)); do
  for method in dense soft lowrank ring hashed; do
    a=$("$cobasis" bench model "cifar10/resnet20${suffix[$method]}" --batch 128 --train --threads 2 --seconds 5 --json |
      "$python" -c 'import json,sys; print(round(1000 * json.load(sys.stdin)["median_seconds"], 1))')
    b=$("$python" "$here/peers.py" "$method" 128 2 5 | cut -d, -f3)
    ours[$method]=$(printf '%s\n' "${ours[$method]:-999999}" "$a" | sort -g | head -1)
    theirs[$method]=$(printf '%s\n' "${theirs[$method]:-999999}" "$b" | sort -g | head -1)
  done
done
echo "method,model,cobasis_ms,pytorch_ms,ratio"
for method in dense soft lowrank ring hashed; do
  ratio=$("$python" -c "print(f'{${ours[$method]} / ${theirs[$method]}:.3f}')")
  echo "$method,\"cifar10/resnet20${suffix[$method]}\",${ours[$method]},${theirs[$method]},$ratio"
done
