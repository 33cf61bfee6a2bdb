"""COCO's own scores: run_pycocotools.py FOLDER..., each with truth.json and results.json.

Prints a JSON list with an object for each folder: "stats", the twelve numbers of COCOeval, "classes",
the average precision of each category at thresholds 0.50 to 0.95, at 0.50 and at 0.75, and its
average recall, in the order of the categories' ids, and "precision", the curves of each category,
[classes, thresholds, recalls]. -1 stands for no score.
"""

import contextlib
import json
import os
import sys

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def mean(values):
    values = values[values > -1]
    return float(np.mean(values)) if values.size else -1.0


def scores(folder):
    truth = COCO(os.path.join(folder, "truth.json"))
    with open(os.path.join(folder, "results.json")) as file:
        results = json.load(file)
    # An empty list of results is not one of boxes for loadRes.
    found = truth.loadRes(results) if results else COCO()
    if not results:
        found.dataset = {**truth.dataset, "annotations": []}
        found.createIndex()
    judged = COCOeval(truth, found, "bbox")
    judged.evaluate()
    judged.accumulate()
    judged.summarize()
    # [thresholds, recalls, classes] and [thresholds, classes], of all areas with 100 detections.
    precision = judged.eval["precision"][:, :, :, 0, 2]
    recall = judged.eval["recall"][:, :, 0, 2]
    return {
        "stats": [float(number) for number in judged.stats],
        "classes": [
            [
                mean(precision[:, :, k]),
                mean(precision[0, :, k]),
                mean(precision[5, :, k]),
                mean(recall[:, k]),
            ]
            for k in range(precision.shape[2])
        ],
        "precision": precision.transpose(2, 0, 1).tolist(),
    }


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        all_scores = [scores(folder) for folder in sys.argv[1:]]
    json.dump(all_scores, sys.stdout)
