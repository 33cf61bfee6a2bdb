"""Collects the runs that run.sh makes: python3 collect.py OUT

Writes runs.csv, a row for each run with its command, and bases.csv, what the bases are.
"""

import csv
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
OUT = Path(sys.argv[1])
SIZE = re.compile(r": ([\d,]+) parameters beside the classifier, ([\d.]+) % of the base's ([\d,]+); ([\d,]+) bytes")
PLACE = re.compile(r"\S*/")


def number(text):
    return int(text.replace(",", ""))


def command(text):
    """The command without the places of one machine."""
    return PLACE.sub("", text)


def rows():
    for file in OUT.glob("*-run/summary.json"):
        name = file.parent.name.removesuffix("-run")
        base, task, rest = name.split("-", 2)
        kind, seed = rest.rsplit("-", 1)
        log = (OUT / f"{name}.log").read_text()
        found = SIZE.search(log)
        # A run that is done, and whose file is not written yet.
        if not found:
            continue
        run = json.loads(file.read_text())
        yield {
            "base": base,
            "task": task,
            "adapter": kind,
            "seed": int(seed),
            "parameters": number(found[1]),
            "percent": found[2],
            "bytes": number(found[4]),
            "train_images": run["train_images"],
            "test_images": run["test_images"],
            "best_epoch": run["best_on_val"]["epoch"],
            "best_val_top1": run["best_on_val"]["val_top1"],
            "best_test_top1": run["best_on_val"]["test_top1"],
            "last_epoch": run["last"]["epoch"],
            "last_test_top1": run["last"]["test_top1"],
            "seconds": round(run["seconds"]),
            "device": run["device"],
            "started": run["started"],
            "command": command(run["command"]),
        }


def write(name, rows):
    with (HERE / name).open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


write("runs.csv", sorted(rows(), key=lambda row: tuple(row.values())[:4]))
bases = []
for base in ("dense", "shared"):
    run = json.loads((OUT / f"{base}.json").read_text())
    bases.append({
        "base": base,
        "model": run["model"],
        "parameters": run["params"],
        "seed": run["seed"],
        "epochs": run["last"]["epoch"],
        "best_epoch": run["best_on_val"]["epoch"],
        "best_test_top1": run["best_on_val"]["test_top1"],
        "last_test_top1": run["last"]["test_top1"],
        "device": run["device"],
        "started": run["started"],
        "command": command(run["command"]),
    })
write("bases.csv", bases)
