"""The zoo's networks in PyTorch, to measure against: `cobasis bench peers` starts this.

    python pytorch_peer.py MODEL WEIGHTS IMAGES BATCH HEIGHT WIDTH THREADS [--compile] [--only=VARIANT]

WEIGHTS is a file of `cobasis` (safetensors), IMAGES holds the batch as raw 32-bit numbers,
[batch, 3, height, width]. First a line of JSON with the logits of every variant, or the output of a detector, goes
to the standard output. Then each line of the standard input, `TASK VARIANT` with train or infer, is
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
    """Unique and shared filters, batch norm, coefficients. Joined, both kinds of filters are one convolution."""

    joined = False

    def __init__(self, state, basis):
        super().__init__()
        self.unique = convolution(state.get("unique")) if state.has("unique") else None
        self.basis = basis
        self.norm = norm_of(state.at("norm"))
        self.coefficients = conv_of(state.at("coefficients"))

    def join(self):
        """Joins the filters for inference, where they stay as they are."""
        if self.joined and self.unique is not None and self.basis is not None:
            weight = torch.cat([self.unique.weight, self.basis.weight]).detach()
            self.register_buffer("weight", weight, persistent=False)

    def forward(self, x):
        if self.joined and self.unique is not None and self.basis is not None:
            if self.training:
                weight = torch.cat([self.unique.weight, self.basis.weight])
            else:
                weight = self.weight
            return self.coefficients(self.norm(F.conv2d(x, weight, padding=self.basis.padding)))
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
            strided = name.startswith("bccd/")
            strides = [2 if strided else 1] + [2] * 3
            stem = dict(stride=2) if large or strided else {}
        self.stem = conv_of(state.at("stem").at("conv"), **stem)
        self.stem_norm = norm_of(state.at("stem").at("norm"))
        self.pool = nn.MaxPool2d(3, 2, 1) if large and not self.mobile else nn.Identity()
        self.bases, stages = [], []
        channels = self.stem.out_channels
        for index in range(state.count("stages")):
            stage = state.at(f"stages.{index}")
            count = stage.count("bases")
            bases = [conv_of(stage.at(f"bases.{i}")) for i in range(count)]
            self.bases.append(bases)
            blocks = []
            for number in range(stage.count("blocks")):
                stride = strides[index] if number == 0 else 1
                kind = Inverted if self.mobile else Block
                block = kind(stage.at(f"blocks.{number}"), bases, stride, channels)
                blocks.append(block)
                channels = block.output
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.detector = Detector(state.at("head")) if state.has("head.levels") else None
        if self.detector is not None:
            self.bases.append(self.detector.bases)
            return
        weight = state.at("head").get("weight")
        self.head = nn.Linear(*weight.shape)
        self.head.weight.data.copy_(weight.T)
        self.head.bias.data.copy_(state.at("head").get("bias"))

    def forward(self, x):
        if self.mobile:
            x = F.relu6(self.stem_norm(self.stem(x)))
        else:
            x = self.pool(F.relu(self.stem_norm(self.stem(x))))
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        if self.detector is not None:
            return self.detector(outputs)
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


class Branch(nn.Module):
    """Two convolutions of a detector's head."""

    def __init__(self, state, basis):
        super().__init__()
        self.conv1, self.conv2 = (stage_conv(state.at(f"conv{i}"), basis) for i in (1, 2))
        self.norm1, self.norm2 = (norm_of(state.at(f"norm{i}")) for i in (1, 2))
        for norm in (self.norm1, self.norm2):
            norm.eps, norm.momentum = 1e-3, 0.03

    def forward(self, x):
        x = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(x)))


class Level(nn.Module):
    """A level of a detector: its lateral convolution and what predicts on it."""

    def __init__(self, lateral, state, basis):
        super().__init__()
        self.lateral, self.norm = conv_of(lateral.at("conv")), norm_of(lateral.at("norm"))
        self.norm.eps, self.norm.momentum = 1e-3, 0.03
        self.class_branch = Branch(state.at("class_branch"), basis)
        self.box_branch = Branch(state.at("box_branch"), basis)
        self.boxes = conv_of(state.at("boxes"))
        self.quality = conv_of(state.at("quality"))
        self.classes = conv_of(state.at("classes"))

    def forward(self, x):
        boxes, classes = self.box_branch(x), self.class_branch(x)
        return torch.cat([self.boxes(boxes), self.quality(boxes), self.classes(classes)], 1)


class Detector(nn.Module):
    """The neck and head of a detector; gives [batch, points, 5 + classes] with decoded boxes."""

    def __init__(self, state):
        super().__init__()
        count = state.count("bases") if state.has("bases") else 0
        self.bases = [conv_of(state.at(f"bases.{i}")) for i in range(count)]
        basis = self.bases[0] if self.bases else None
        levels = range(state.count("levels"))
        self.levels = nn.ModuleList(
            Level(state.at(f"laterals.{i}"), state.at(f"levels.{i}"), basis) for i in levels
        )
        # The last of stages at strides 4, 8 and 16.
        self.strides = [2 ** (5 - len(levels) + i) for i in levels]

    def points(self, sizes):
        """[points, 3], middle and stride."""
        rows = []
        for stride, (height, width) in zip(self.strides, sizes):
            y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
            middles = (torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride
            rows.append(torch.cat([middles, torch.full((len(middles), 1), float(stride))], 1))
        return torch.cat(rows)

    def forward(self, outputs):
        coarser, predictions = None, []
        for level, maps in zip(reversed(self.levels), reversed(outputs)):
            x = level.norm(level.lateral(maps))
            if coarser is not None:
                x = x + F.interpolate(coarser, scale_factor=2)[..., : x.shape[2], : x.shape[3]]
            coarser = x
            predictions.insert(0, level(x))
        points = self.points([maps.shape[2:] for maps in predictions])
        found = torch.cat([maps.flatten(2) for maps in predictions], 2).transpose(1, 2)
        stride = points[:, 2:]
        middle = (found[..., :2] - 0.5) * stride + points[:, :2]
        half = found[..., 2:4].exp() * stride / 2
        return torch.cat([middle - half, middle + half, found[..., 4:]], -1), points


def objects_of(image, height, width, classes):
    """The boxes that an image of a measurement has, [objects, 4], and their classes."""
    rows, labels = [], []
    for number in range(14):
        place = 14 * image + number
        x, y = 97 * place % (width - 64), 57 * place % (height - 64)
        rows.append([x, y, x + 24 + 31 * number % 40, y + 24 + 17 * number % 40])
        labels.append(number % classes)
    return torch.tensor(rows, dtype=torch.float32), torch.tensor(labels)


def overlap(a, b):
    sides = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    both = sides.clamp(min=0).prod(-1)
    return both / ((a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - both)


@torch.no_grad()
def assigned(found, points, boxes, labels):
    """SimOTA: positive points, their objects, and their overlaps."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    near = ((points[None, :, :2] - middles[:, None]).abs() < 1.5 * points[:, 2, None]).all(-1)
    candidates = near.any(0).nonzero()[:, 0]
    rows, near = found[candidates], near[:, candidates]
    iou = overlap(boxes[:, None], rows[None, :, :4])
    score = (rows[:, 5:].sigmoid() * rows[:, 4:5].sigmoid()).sqrt()
    one_hot = F.one_hot(labels, score.shape[1]).float()
    shape = (len(boxes), *score.shape)
    of_class = F.binary_cross_entropy(
        score.expand(shape), one_hot[:, None].expand(shape), reduction="none"
    )
    cost = of_class.sum(-1) - 3 * (iou + 1e-8).log() + 1e6 * ~near
    counts = iou.topk(min(10, iou.shape[1]), 1).values.sum(1).int().clamp(min=1)
    chosen = torch.zeros_like(near)
    for row, count in enumerate(counts.tolist()):
        chosen[row, cost[row].topk(count, largest=False).indices] = True
    several = chosen.sum(0) > 1
    cheapest = cost.argmin(0)
    chosen[:, several] = False
    chosen[cheapest[several], several.nonzero()[:, 0]] = True
    taken = chosen.any(0).nonzero()[:, 0]
    objects = chosen[:, taken].int().argmax(0)
    return candidates[taken], objects, iou[objects, taken]


def yolox_loss(found, points, images):
    """The loss of YOLOX without L1."""
    rows, boxes, shares = [], [], []
    objectness = torch.zeros(found.shape[:2])
    for image, (wanted, labels) in enumerate(images):
        positive, objects, iou = assigned(found[image].detach(), points, wanted, labels)
        objectness[image, positive] = 1
        rows.append(found[image, positive])
        boxes.append(wanted[objects])
        shares.append(F.one_hot(labels[objects], found.shape[2] - 5) * iou[:, None])
    rows, boxes, shares = torch.cat(rows), torch.cat(boxes), torch.cat(shares)
    loss = F.binary_cross_entropy_with_logits(found[..., 4], objectness, reduction="sum")
    loss = loss + 5 * (1 - overlap(rows[:, :4], boxes) ** 2).sum()
    loss = loss + F.binary_cross_entropy_with_logits(rows[:, 5:], shares, reduction="sum")
    return loss / max(len(rows), 1)


class Variant:
    """A network, its optimizer and its images, in one memory format; filters of a layer joined or apart."""

    def __init__(self, name, tensors, images, layout, compiled, joined):
        self.net = Net(name, tensors).to(memory_format=layout)
        self.layers = [layer for layer in self.net.modules() if isinstance(layer, BasisConv)]
        for layer in self.layers:
            layer.joined = joined
            layer.join()
        self.is_stale = False
        self.images = images.to(memory_format=layout)
        self.forward = torch.compile(self.net) if compiled else self.net
        if self.net.detector is None:
            classes = self.net.head.out_features
            self.labels = torch.arange(len(images)) % classes
        else:
            count, _, height, width = images.shape
            classes = self.net.detector.levels[0].classes.out_channels
            self.objects = [objects_of(i, height, width, classes) for i in range(count)]
        self.optimizer = torch.optim.SGD(
            self.net.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4
        )

    def train(self):
        self.net.train()
        self.optimizer.zero_grad(set_to_none=True)
        if self.net.detector is None:
            loss = F.cross_entropy(self.forward(self.images), self.labels)
        else:
            loss = yolox_loss(*self.forward(self.images), self.objects)
        (loss + 10.0 * self.net.penalty()).backward()
        self.optimizer.step()
        self.is_stale = True
        return loss.item()

    @torch.no_grad()
    def infer(self):
        if self.is_stale:
            for layer in self.layers:
                layer.join()
            self.is_stale = False
        self.net.eval()
        output = self.forward(self.images)
        return output if self.net.detector is None else output[0]


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
    variants = {"eager": (torch.contiguous_format, False, False)}
    variants["channels-last"] = (torch.channels_last, False, False)
    # As an expert would write it: one convolution for the shared and the unique filters of a layer.
    variants["joined"] = (torch.channels_last, False, True)
    if "--compile" in sys.argv[8:]:
        variants["compiled"] = (torch.channels_last, True, False)
        variants["joined-compiled"] = (torch.channels_last, True, True)
    only = [argument.removeprefix("--only=") for argument in sys.argv[8:] if "=" in argument]
    variants = {
        key: Variant(name, tensors, images, *options)
        for key, options in variants.items()
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
