#!/bin/sh
# The ten rows of `results/engines.csv`: sh engines.sh COBASIS PYTHON CSV, from the repository's root.
set -eu
cobasis=$1 python=$2 csv=$3
row() {
    "$cobasis" bench peers "$1" --batch "$2" --peers onnxruntime,openvino --python "$python" --rounds "${ROUNDS:-11}" \
        --seconds 1 --csv "$csv"
}
row cifar100/resnet34-s32u1 32
row cifar100/resnet34-s32u1 1
row cifar10/resnet32-s16u1-double 32
row cifar10/resnet32-s16u1-double 1
row imagenet/resnet50-shared 8
row imagenet/resnet50-shared 1
row cifar100/mobilenet-v2-shared 32
row imagenet/mobilenet-v2-shared 1
row cifar100/densenet121-s16u1 32
row cifar100/resnext50-32x4d-s64u4 8
