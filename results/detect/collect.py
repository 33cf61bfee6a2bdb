"""Collects trained detectors of BCCD: python collect.py RUNS [COBASIS]

RUNS has the directories of the runs, shared-0, dense-0, backbone-0 and so on by seed, as the commands in
results/README.md make them. Writes their summaries and their epochs here (HEAD-seedN.json and .csv), and
sizes.csv, what `cobasis models info` says of the three detectors.
"""
import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RUNS = Path(sys.argv[1])
COBASIS = sys.argv[2] if len(sys.argv) > 2 else "cobasis"
MODELS = {
    "dense": ("bccd/resnet14", "dense"),
    "shared": ("bccd/resnet14", "shared"),
    "backbone": ("bccd/resnet14-s16u1", "shared"),
}

with (HERE / "sizes.csv").open("w", newline="") as file:
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["detector", "model", "head", "params", "head_params", "macs", "command"])
    for name, (model, head) in MODELS.items():
        command = ["models", "info", model, "--detector", head, "--json"]
        card = json.loads(subprocess.run([COBASIS, *command], capture_output=True, check=True).stdout)
        of_head = sum(
            layer["params"]
            for layer in card["layers"]
            if layer["path"].startswith(("head.levels", "head.bases"))
        )
        params = card["params"]["total"]
        table.writerow([name, model, head, params, of_head, card["macs"], " ".join(["cobasis", *command])])
for run in sorted(RUNS.glob("*-*")):
    if (run / "summary.json").exists():
        name, seed = run.name.rsplit("-", 1)
        shutil.copy(run / "summary.json", HERE / f"{name}-seed{seed}.json")
        shutil.copy(run / "metrics.csv", HERE / f"{name}-seed{seed}.csv")
