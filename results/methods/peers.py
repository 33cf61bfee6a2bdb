"""Training steps of sharing methods in PyTorch, for results/methods/steps.csv.

ResNet-20 for CIFAR-10 with option-A shortcuts; blocks 2 and 3 of each stage have the layers of the method. Weights are
composed in every step, as an expert would write it. Prints milliseconds of a step: forward, backward, SGD with momentum.

python peers.py METHOD BATCH THREADS SECONDS      METHOD: dense | soft | lowrank | ring | hashed
"""
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

LOWRANK = (4, 8, 14)
RING = 48888


class Soft(nn.Module):
    def __init__(self, bank):
        super().__init__()
        self.bank = [bank]
        self.a = nn.Parameter(torch.randn(bank.shape[0]))

    def forward(self, x):
        bank = self.bank[0]
        weight = (self.a @ bank.flatten(1)).view(bank.shape[1:])
        return F.conv2d(x, weight, padding=1)


class Ring(nn.Module):
    def __init__(self, ring, shape, generator):
        super().__init__()
        self.ring = [ring]
        self.shape = shape
        count = shape[0] * shape[1] * 9
        self.register_buffer("index", torch.randint(ring.numel(), (count,), generator=generator))
        self.register_buffer("sign", torch.randint(2, (count,), generator=generator) * 2.0 - 1.0)

    def forward(self, x):
        weight = (self.ring[0][self.index] * self.sign).view(self.shape)
        return F.conv2d(x, weight, padding=1)


class Hashed(nn.Module):
    def __init__(self, numbers, shape, generator):
        super().__init__()
        self.shape = shape
        self.weight = nn.Parameter(torch.randn(numbers) * 0.05)
        count = shape[0] * shape[1] * 9
        self.register_buffer("index", torch.randint(numbers, (count,), generator=generator))

    def forward(self, x):
        return F.conv2d(x, self.weight[self.index].view(self.shape), padding=1)


class Block(nn.Module):
    def __init__(self, conv1, conv2, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.conv2 = conv1, conv2
        self.norm1, self.norm2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.stride, self.pad = stride, (outputs - inputs) // 2

    def forward(self, x):
        shortcut = x
        if self.stride != 1:
            shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        x = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(x)) + shortcut)


class Network(nn.Module):
    def __init__(self, method):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        dense = lambda i, o, s=1: nn.Conv2d(i, o, 3, s, 1, bias=False)
        self.stem = nn.Sequential(dense(3, 16), nn.BatchNorm2d(16), nn.ReLU())
        self.shared = nn.ParameterList()
        ring = None
        if method == "ring":
            ring = nn.Parameter(torch.randn(RING) * 0.02)
            self.shared.append(ring)
        blocks, inputs = [], 16
        for stage, width in enumerate((16, 32, 64)):
            bank = None
            if method == "soft":
                bank = nn.Parameter(torch.randn(1, width, width, 3, 3) * 0.05)
                self.shared.append(bank)

            def layer():
                shape = (width, width, 3, 3)
                if method == "soft":
                    return Soft(bank)
                if method == "lowrank":
                    rank = LOWRANK[stage]
                    inner = nn.Conv2d(width, rank, 3, 1, 1, bias=False)
                    return nn.Sequential(inner, nn.Conv2d(rank, width, 1, bias=False))
                if method == "ring":
                    return Ring(ring, shape, generator)
                if method == "hashed":
                    return Hashed(round(RING * 9 * width * width / 193536), shape, generator)
                return dense(width, width)

            stride = 1 if stage == 0 else 2
            first = Block(dense(inputs, width, stride), dense(width, width), inputs, width, stride)
            blocks += [first] + [Block(layer(), layer(), width, width, 1) for _ in range(2)]
            inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


def main():
    method, batch, threads, seconds = sys.argv[1], *map(int, sys.argv[2:5])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = Network(method)
    for parameter in model.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    images = torch.randn(batch, 3, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.randint(10, (batch,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    for _ in range(3):
        step()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    times.sort()
    print(f"{method},{sum(p.numel() for p in model.parameters())},{1000 * times[len(times) // 2]:.1f}")


main()
