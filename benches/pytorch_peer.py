"""The zoo's networks in PyTorch, to measure against: `cobasis bench peers` starts this.

    python pytorch_peer.py MODEL WEIGHTS IMAGES BATCH HEIGHT WIDTH THREADS [--compile] [--only=VARIANT]

WEIGHTS is a file of `cobasis` (safetensors), IMAGES holds the batch as raw 32-bit numbers,
[batch, 3, height, width]. First a line of JSON with the logits of every variant goes to the
standard output. Then each line of the standard input, `TASK VARIANT` with train or infer, is
answered with the seconds that it took; `memory` with the most memory ever held, in bytes.
"""
import json
import os
import struct
import sys
import time

# Threads that spin after their work would slow down the program that is measured in turn.
os.environ["OMP_WAIT_POLICY"] = "passive"

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def read(path):
    """The tensors of a safetensors file by name."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        values = np.frombuffer(data[start:end], dtype=np.float32).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(values.copy())
    return tensors


class State:
    """Tensors below a path in the tree."""

    def __init__(self, tensors, path=""):
        self.tensors, self.path = tensors, path

    def at(self, name):
        return State(self.tensors, f"{self.path}{name}.")

    def has(self, name):
        path = self.path + name
        return path in self.tensors or any(key.startswith(path + ".") for key in self.tensors)

    def get(self, name):
        return self.tensors[self.path + name]

    def count(self, name):
        return next(i for i in range(1000) if not self.has(f"{name}.{i}"))


def convolution(weight, bias=None, stride=1, padding=None, groups=1):
    filters, channels, size, _ = weight.shape
    padding = size // 2 if padding is None else padding
    conv = nn.Conv2d(
        channels * groups, filters, size, stride, padding, groups=groups, bias=bias is not None
    )
    conv.weight.data.copy_(weight)
    if bias is not None:
        conv.bias.data.copy_(bias)
    return conv


def conv_of(state, **options):
    bias = state.get("bias") if state.has("bias") else None
    return convolution(state.get("weight"), bias, **options)


def norm_of(state):
    norm = nn.BatchNorm2d(len(state.get("gamma")))
    norm.weight.data.copy_(state.get("gamma"))
    norm.bias.data.copy_(state.get("beta"))
    norm.running_mean.copy_(state.get("running_mean"))
    norm.running_var.copy_(state.get("running_var"))
    return norm


class BasisConv(nn.Module):
    """Unique and shared filters, batch norm, coefficients."""

    def __init__(self, state, basis):
        super().__init__()
        self.unique = convolution(state.get("unique")) if state.has("unique") else None
        self.basis = basis
        self.norm = norm_of(state.at("norm"))
        self.coefficients = conv_of(state.at("coefficients"))

    def forward(self, x):
        parts = [part(x) for part in (self.unique, self.basis) if part is not None]
        return self.coefficients(self.norm(torch.cat(parts, 1) if len(parts) > 1 else parts[0]))


def stage_conv(state, basis, stride=1, groups=1):
    """A convolution of a stage: on a basis, dense, or a basis as it is."""
    if state.has("coefficients"):
        return BasisConv(state, basis)
    if state.has("weight"):
        return conv_of(state, stride=stride, groups=groups)
    return basis


class Pad(nn.Module):
    def __init__(self, stride, channels):
        super().__init__()
        self.stride, self.channels = stride, channels

    def forward(self, x):
        before = self.channels // 2
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, before, self.channels - before))


def shortcut_of(state, stride, new_channels):
    if state.has("shortcut"):
        state = state.at("shortcut")
        return nn.Sequential(conv_of(state.at("conv"), stride=stride), norm_of(state.at("norm")))
    return Pad(stride, new_channels) if new_channels else nn.Identity()


class Block(nn.Module):
    """A residual block of two or three convolutions."""

    def __init__(self, state, bases, stride, channels):
        super().__init__()
        basic = not state.has("norm3")
        if basic:
            strides, used = [stride, 1], [bases[:1], bases[-1:]]
        else:
            strides, used = [1, stride, 1], [[], bases[:1], bases[-1:]]
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        for i, (step, own) in enumerate(zip(strides, used), 1):
            conv = stage_conv(state.at(f"conv{i}"), own[0] if own else None, step)
            self.convs.append(conv)
            self.norms.append(norm_of(state.at(f"norm{i}")))
        self.output = self.norms[-1].num_features
        self.shortcut = shortcut_of(state, stride, self.output - channels)

    def forward(self, x):
        y = x
        for conv, norm in zip(self.convs[:-1], self.norms[:-1]):
            y = F.relu(norm(conv(y)))
        return F.relu(self.norms[-1](self.convs[-1](y)) + self.shortcut(x))


class Inverted(nn.Module):
    """An inverted residual block."""

    def __init__(self, state, bases, stride, channels):
        super().__init__()
        inside = len(state.at("norm1").get("gamma"))
        self.conv1 = stage_conv(state.at("conv1"), bases[0] if bases else None)
        self.norm1 = norm_of(state.at("norm1"))
        self.conv2 = conv_of(state.at("conv2"), stride=stride, groups=inside)
        self.norm2 = norm_of(state.at("norm2"))
        self.conv3 = stage_conv(state.at("conv3"), bases[-1] if bases else None)
        self.norm3 = norm_of(state.at("norm3"))
        self.output = self.norm3.num_features
        same = stride == 1 and channels == self.output
        projects = state.has("shortcut")
        self.shortcut = shortcut_of(state, 1, 0) if same or projects else None

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        y = F.relu(self.norm2(self.conv2(y)))
        y = self.norm3(self.conv3(y))
        return y if self.shortcut is None else y + self.shortcut(x)


class Net(nn.Module):
    def __init__(self, name, tensors):
        super().__init__()
        state = State(tensors)
        self.mobile = "mobilenet" in name
        large = name.startswith("imagenet/")
        if self.mobile:
            strides = [1, 2, 2, 2, 1, 2, 1] if large else [1, 2, 2, 2, 1, 1, 1]
            stem = dict(stride=2, padding=1) if large else dict(stride=1, padding=1)
            self.last = conv_of(state.at("last").at("conv"))
            self.last_norm = norm_of(state.at("last").at("norm"))
        else:
            strides = [1] + [2] * 3
            stem = dict(stride=2) if large else {}
        self.stem = conv_of(state.at("stem").at("conv"), **stem)
        self.stem_norm = norm_of(state.at("stem").at("norm"))
        self.pool = nn.MaxPool2d(3, 2, 1) if large and not self.mobile else nn.Identity()
        self.bases, blocks = [], []
        channels = self.stem.out_channels
        for index in range(state.count("stages")):
            stage = state.at(f"stages.{index}")
            count = stage.count("bases")
            bases = [conv_of(stage.at(f"bases.{i}")) for i in range(count)]
            self.bases.append(bases)
            for number in range(stage.count("blocks")):
                stride = strides[index] if number == 0 else 1
                kind = Inverted if self.mobile else Block
                block = kind(stage.at(f"blocks.{number}"), bases, stride, channels)
                blocks.append(block)
                channels = block.output
        self.blocks = nn.Sequential(*blocks)
        weight = state.at("head").get("weight")
        self.head = nn.Linear(*weight.shape)
        self.head.weight.data.copy_(weight.T)
        self.head.bias.data.copy_(state.at("head").get("bias"))

    def forward(self, x):
        if self.mobile:
            x = F.relu6(self.stem_norm(self.stem(x)))
        else:
            x = self.pool(F.relu(self.stem_norm(self.stem(x))))
        x = self.blocks(x)
        if self.mobile:
            x = F.relu6(self.last_norm(self.last(x)))
        return self.head(x.mean((2, 3)))

    def penalty(self):
        """The bases' distance from orthonormality."""
        total = 0.0
        for bases in self.bases:
            for basis in bases:
                rows = basis.weight.flatten(1)
                total = total + (rows @ rows.T - torch.eye(len(rows))).square().mean()
        return total


class Variant:
    """A network, its optimizer and its images, in one memory format."""

    def __init__(self, name, tensors, images, layout, compiled):
        self.net = Net(name, tensors).to(memory_format=layout)
        self.images = images.to(memory_format=layout)
        self.forward = torch.compile(self.net) if compiled else self.net
        classes = self.net.head.out_features
        self.labels = torch.arange(len(images)) % classes
        self.optimizer = torch.optim.SGD(
            self.net.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4
        )

    def train(self):
        self.net.train()
        self.optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(self.forward(self.images), self.labels)
        (loss + 10.0 * self.net.penalty()).backward()
        self.optimizer.step()
        return loss.item()

    @torch.no_grad()
    def infer(self):
        self.net.eval()
        return self.forward(self.images)


def peak_memory():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def main():
    name, weights, images, batch, height, width, threads = sys.argv[1:8]
    torch.set_num_threads(int(threads))
    shape = (int(batch), 3, int(height), int(width))
    images = torch.from_numpy(np.fromfile(images, dtype=np.float32).reshape(shape))
    tensors = read(weights)
    variants = {"eager": (torch.contiguous_format, False)}
    variants["channels-last"] = (torch.channels_last, False)
    if "--compile" in sys.argv[8:]:
        variants["compiled"] = (torch.channels_last, True)
    only = [argument.removeprefix("--only=") for argument in sys.argv[8:] if "=" in argument]
    variants = {
        key: Variant(name, tensors, images, layout, compiled)
        for key, (layout, compiled) in variants.items()
        if key in (only or variants)
    }
    logits = {key: variant.infer().flatten().tolist() for key, variant in variants.items()}
    print(json.dumps(logits), flush=True)
    for line in sys.stdin:
        if line.strip() == "memory":
            print(peak_memory(), flush=True)
            continue
        task, key = line.split()
        start = time.perf_counter()
        getattr(variants[key], task)()
        print(time.perf_counter() - start, flush=True)


main()
