"""The tables and the picture of docs/fine-tuning.md, from the files beside it: python3 table.py

Writes table.md here and ../../docs/tasks.svg.
"""

import csv
from math import log10
from pathlib import Path
from statistics import mean, stdev

HERE = Path(__file__).parent
TASKS = {"cifar10": "CIFAR-10", "cells": "blood cells", "digits": "digits", "mnist": "MNIST"}
ORDER = ["head", "norms", "film", "mix", "mlp", "unique1-2", "mask", "rank1", "unique", "full"]
EPOCHS = {"last": "After the last epoch", "best": "At the epoch that is best on 300 (digits: 144) validation images"}
BASES = {"dense": "#4477aa", "shared": "#cc6677"}
runs = list(csv.DictReader((HERE / "runs.csv").open()))
models = {row["base"]: row for row in csv.DictReader((HERE / "bases.csv").open())}


def scores(base, task, kind, epoch="last"):
    return [float(row[f"{epoch}_test_top1"]) for row in runs
            if (row["base"], row["task"], row["adapter"]) == (base, task, kind)]


def size(base, kind):
    """Per cent of the base and bytes, which are those of a task of 10 classes."""
    row = next(row for row in runs if (row["base"], row["adapter"]) == (base, kind) and row["task"] != "cells")
    return float(row["percent"]), int(row["bytes"])


def kinds(base):
    known = {row["adapter"] for row in runs if row["base"] == base}
    return [kind for kind in ORDER if kind in known]


def shown(values):
    spread = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
    few = f" ({len(values)})" if len(values) < 3 else ""
    return f"{mean(values):.1f}{spread}{few}" if values else ""


def table(base, epoch):
    model = models[base]
    lines = [
        f"{EPOCHS[epoch]}, on `{model['model']}`, {int(model['parameters']):,} parameters, "
        f"{float(model['last_test_top1']):.1f} % of CIFAR-100's test images:",
        "",
        "| adapter | of the base | bytes | " + " | ".join(TASKS.values()) + " |",
        "| --- | ---: | ---: |" + " ---: |" * len(TASKS),
    ]
    for kind in kinds(base):
        percent, count = size(base, kind)
        cells = [shown(scores(base, task, kind, epoch)) for task in TASKS]
        lines.append(f"| `{kind}` | {percent:.2f} % | {count:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def picture():
    """Accuracy against per cent of the base, a panel for each task; bars are from the lowest seed to the highest."""
    wide, high, left, top = 470, 250, 52, 34
    parts = []

    def x(percent):
        # Decades from 0.1 to 100; what has nothing but a classifier stands at the left end.
        return left + (log10(max(percent, 0.1)) + 1) / 3 * (wide - left - 20)

    for number, (task, title) in enumerate(TASKS.items()):
        dx, dy = number % 2 * wide, number // 2 * high + 46
        values = [value for base in BASES for kind in kinds(base) for value in scores(base, task, kind)]
        if not values:
            continue
        low, most = min(values), max(values)
        margin = max(0.06 * (most - low), 0.2)
        low, most = low - margin, min(most + margin, 100.0)

        def y(value):
            return top + (most - value) / (most - low) * (high - top - 40)

        parts.append(f'<g transform="translate({dx},{dy})"><text x="{left}" y="20" class="title">{title}</text>')
        for step in range(5):
            value = low + (most - low) * step / 4
            parts.append(f'<line x1="{left}" x2="{wide - 20}" y1="{y(value):.1f}" y2="{y(value):.1f}" class="grid"/>'
                         f'<text x="{left - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.1f}</text>')
        for percent, label in ((0.1, "0"), (1, "1 %"), (10, "10 %"), (100, "100 %")):
            parts.append(f'<text x="{x(percent):.1f}" y="{high - 22}" text-anchor="middle">{label}</text>')
        for base, colour in BASES.items():
            for kind in kinds(base):
                found = scores(base, task, kind)
                if not found:
                    continue
                cx, cy = x(size(base, kind)[0]), y(mean(found))
                parts.append(f'<line x1="{cx:.1f}" x2="{cx:.1f}" y1="{y(min(found)):.1f}" y2="{y(max(found)):.1f}" '
                             f'stroke="{colour}" stroke-width="1.5"/>'
                             f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="7" fill="{colour}" fill-opacity="0.85">'
                             f'<title>{kind}, {base}: {mean(found):.1f} %</title></circle>'
                             f'<text x="{cx:.1f}" y="{cy + 3.5:.1f}" text-anchor="middle" class="number">'
                             f'{ORDER.index(kind) + 1}</text>')
        parts.append("</g>")
    names = "   ".join(f"{number} {kind}" for number, kind in enumerate(ORDER, 1))
    legend = f'<text x="60" y="38" xml:space="preserve">{names}</text>' + "".join(
        f'<circle cx="{60 + 330 * number}" cy="14" r="4" fill="{colour}"/>'
        f'<text x="{70 + 330 * number}" y="18">{models[base]["model"]}</text>'
        for number, (base, colour) in enumerate(BASES.items()))
    style = ("text{font:12px sans-serif;fill:#333}.title{font-weight:bold;font-size:14px}.number{font-size:9px;fill:white}"
             ".grid{stroke:#ddd}")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * wide} {2 * high + 70}">'
            f'<style>{style}</style><rect width="100%" height="100%" fill="white"/>{legend}{"".join(parts)}'
            f'<text x="{wide}" y="{2 * high + 62}" text-anchor="middle">parameters of the task beside its classifier, '
            'in per cent of the base; test images right, in per cent: mean and range of the seeds</text></svg>\n')


tables = [table(base, epoch) for epoch in EPOCHS for base in BASES]
(HERE / "table.md").write_text("\n\n".join(tables) + "\n")
(HERE.parent.parent / "docs/tasks.svg").write_text(picture())
