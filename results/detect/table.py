"""The table of docs/detection.md, from the files beside it: python table.py"""
import csv
import json
from pathlib import Path
from statistics import mean, stdev

HERE = Path(__file__).parent
LABELS = {
    "dense": "dense head",
    "shared": "shared head, 32 filters",
    "shared16": "shared head, 16 filters",
    "backbone": "shared backbone (`-s16u1`) and head, 32 filters",
}


def shown(values):
    spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
    return f"{mean(values):.3f}{spread}"


print("| detector | parameters | of them in the head | MACs, deployed | seeds | AP | AP50 | AP75 | AP50, last epoch |")
print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
for row in csv.DictReader((HERE / "sizes.csv").open()):
    name = row["detector"]
    runs = [json.loads(path.read_text()) for path in sorted(HERE.glob(f"{name}-seed*.json"))]
    if not runs:
        continue
    best = {key: [run["best_on_val"][f"test_{key}"] for run in runs] for key in ("ap", "ap50", "ap75")}
    last = [run["last"]["test_ap50"] for run in runs]
    sizes = [f"{int(row[key]):,}" for key in ("params", "head_params")]
    cells = [LABELS[name], *sizes, f"{int(row['deployed_macs']) / 1e6:.0f} M", str(len(runs))]
    cells += [shown(values) for values in best.values()] + [shown(last)]
    print("| " + " | ".join(cells) + " |")
