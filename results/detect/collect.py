"""Collects trained detectors of BCCD: python collect.py RUNS [COBASIS]

RUNS has the directories of the runs, shared-0, dense-0, backbone-0 and so on by seed, as the commands in
results/README.md make them. Writes their summaries and their epochs here (HEAD-seedN.json and .csv), and
sizes.csv, what `cobasis models info` and `cobasis deploy` say of the detectors of seed 0.
"""
import csv
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
RUNS = Path(sys.argv[1])
COBASIS = sys.argv[2] if len(sys.argv) > 2 else "cobasis"


def cobasis(*arguments):
    return subprocess.run([COBASIS, *arguments], capture_output=True, check=True).stdout


RUN_NAMES = ["dense", "shared", "shared16", "backbone"]

with (HERE / "sizes.csv").open("w", newline="") as file:
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["detector", "params", "head_params", "macs", "deployed_macs"])
    for name in RUN_NAMES:
        best = RUNS / f"{name}-0" / "best.safetensors"
        if not best.exists():
            continue
        card = json.loads(cobasis("models", "info", str(best), "--json"))
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "deployed.safetensors"
            deployed = json.loads(cobasis("deploy", str(best), "--out", str(out), "--json"))
        of_head = sum(
            layer["params"]
            for layer in card["layers"]
            if layer["path"].startswith(("head.levels", "head.bases"))
        )
        macs = deployed["after"]["macs"]
        table.writerow([name, card["params"]["total"], of_head, card["macs"], macs])
for run in sorted(RUNS.glob("*-*")):
    if (run / "summary.json").exists():
        name, seed = run.name.rsplit("-", 1)
        shutil.copy(run / "summary.json", HERE / f"{name}-seed{seed}.json")
        shutil.copy(run / "metrics.csv", HERE / f"{name}-seed{seed}.csv")
