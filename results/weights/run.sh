#!/bin/sh
# Deploys the authors' CIFAR-10 checkpoints with weights of 32, 16 and 8 bits and evaluates the files on the 10,000
# test images: sh run.sh COBASIS CHECKPOINTS DATA OUT
#
# CHECKPOINTS has the three .pth files, DATA the data set, OUT gets the deployed files and what eval says of each.
# Prints the table.
set -eu
cobasis=$1 checkpoints=$2 data=$3 out=$4
mkdir -p "$out"
echo "model,weights,correct,top1,loss,bytes,ratio"
for name in resnet32-s8u1 resnet32-s16u1-double resnet56-s8u1; do
    case $name in
        resnet32-s8u1) file=CIFAR10_ResNet32_S8U1_8.08err.pth ;;
        resnet32-s16u1-double) file=CIFAR10_ResNet32_Double_S16U1_6.93err.pth ;;
        resnet56-s8u1) file=CIFAR10_ResNet56_S8U1_7.52err.pth ;;
    esac
    for weights in f32 f16 int8; do
        deployed=$out/$name-$weights.safetensors
        "$cobasis" deploy "$checkpoints/$file" --model "cifar10/$name" --weights "$weights" \
            --out "$deployed" --force > "$out/$name-$weights.txt" 2>&1
        "$cobasis" eval --checkpoint "$deployed" --data "$data" --json \
            > "$out/$name-$weights.json" 2> "$out/$name-$weights.log"
        python3 - "$name" "$weights" "$out/$name-$weights.json" "$deployed" "$out/$name-f32.safetensors" <<'PYTHON'
import json, os, sys
name, weights, scores, file, whole = sys.argv[1:]
scores = json.load(open(scores))
assert scores["images"] == 10000
size = os.path.getsize(file)
ratio = size / os.path.getsize(whole)
print(f"cifar10/{name},{weights},{scores['correct']},{scores['top1']:.2f},{scores['loss']:.6f},{size},{ratio:.4f}")
PYTHON
    done
done
