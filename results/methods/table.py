"""The table of docs/compare.md, from results/methods/comparison.csv: python table.py"""
import csv
from pathlib import Path

rows = csv.DictReader((Path(__file__).parent / "comparison.csv").open())


def error(row, name):
    mean, sd = row[f"{name}_mean"], row[f"{name}_sd"]
    if not mean:
        return "–"
    return f"{float(mean):.2f}" + (f" ± {float(sd):.2f}" if sd else "")


print("| method | setting | parameters | MACs | seeds | test error, % | last epoch, % |")
print("| --- | --- | --- | --- | --- | --- | --- |")
done = sorted((row for row in rows if int(row["n"])), key=lambda row: float(row["test_error_mean"]))
for row in done:
    setting = row["model"].split("-", 1)[1] if "-" in row["model"] else "none"
    cells = [row["label"], f"`{setting}`", f"{int(row['params']):,}", f"{int(row['macs']) / 1e6:.1f} M", row["n"]]
    print("| " + " | ".join(cells + [error(row, "test_error"), error(row, "last_test_error")]) + " |")
