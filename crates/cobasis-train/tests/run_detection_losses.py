"""Losses of detectors in PyTorch: run_detection_losses.py FILE, a JSON list of cases.

A case has "losses", "yolox" or "fcos", "l1", "points", [x, y, stride] each, "images", for each a list of
[left, upper, right, lower edge, class, whether it is to be found], and "found", the output of a model,
[images, points * (5 + classes)]. Prints a JSON list of objects: "loss", "gradient", that of the outputs,
flat, and "positives", lists of [image, point, object].

All of it in double precision, from the formulas of the papers: YOLOX (Ge et al., 2021) and FCOS (Tian et
al., 2019).
"""

import json
import sys

import torch
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

torch.set_default_dtype(torch.float64)


def overlaps(a, b):
    """IoU and GIoU of boxes that broadcast."""
    sides = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    shared = sides.clamp(min=0).prod(-1)
    both = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    around = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    return shared / both, shared / both - (around - both) / around


def near(points, boxes):
    """Which points are near the middle of which boxes, [boxes, points]."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    return ((points[None, :, :2] - middles[:, None]).abs() < 1.5 * points[:, 2, None]).all(-1)


def within(points, boxes):
    """Distances of the edges from points, [boxes, points, 4], left, upper, right, lower."""
    start = points[None, :, :2] - boxes[:, None, :2]
    return torch.cat([start, boxes[:, None, 2:] - points[None, :, :2]], -1)


def simota(points, found, boxes, classes):
    """The object of each point or -1, and its IoU."""
    objects = torch.full((len(points),), -1)
    quality = torch.zeros(len(points))
    middle = near(points, boxes)
    candidates = middle.any(0).nonzero()[:, 0]
    if len(boxes) == 0 or len(candidates) == 0:
        return objects, quality
    rows, middle = found[candidates], middle[:, candidates]
    iou = overlaps(boxes[:, None], rows[None, :, :4])[0]
    score = (rows[:, 5:].sigmoid() * rows[:, 4:5].sigmoid()).sqrt()
    one_hot = torch.eye(score.shape[1])[classes]
    shape = (len(boxes), *score.shape)
    cost = binary_cross_entropy(
        score[None].expand(shape), one_hot[:, None].expand(shape), reduction="none"
    ).sum(-1)
    cost = cost - 3 * (iou + 1e-8).log() + 1e6 * (~middle)
    chosen = torch.zeros_like(middle)
    top = iou.topk(min(10, iou.shape[1]), dim=1).values.sum(1).int().clamp(min=1)
    for number, count in enumerate(top.tolist()):
        chosen[number, cost[number].argsort(stable=True)[:count]] = True
    several = chosen.sum(0) > 1
    cheapest = cost.argmin(0)
    chosen[:, several] = False
    chosen[cheapest[several], several.nonzero()[:, 0]] = True
    taken = chosen.any(0)
    of_taken = chosen[:, taken].int().argmax(0)
    objects[candidates[taken]] = of_taken
    quality[candidates[taken]] = iou[of_taken, taken.nonzero()[:, 0]]
    return objects, quality


def fcos(points, boxes):
    """The object of each point or -1, and its centreness."""
    if len(boxes) == 0:
        return torch.full((len(points),), -1), torch.zeros(len(points))
    strides = points[:, 2].unique()
    level = torch.searchsorted(strides, points[:, 2].contiguous())
    limits = torch.cat([torch.zeros(1), 8 * strides[:-1], torch.tensor([torch.inf])])
    sides = within(points, boxes)
    farthest = sides.max(-1).values
    fits = (sides.min(-1).values > 0) & near(points, boxes)
    fits &= (farthest > limits[level]) & (farthest <= limits[level + 1])
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    areas = torch.where(fits, areas[:, None], torch.inf)
    smallest, objects = areas.min(0)
    left, upper, right, lower = sides[objects, torch.arange(len(points))].unbind(-1)
    even = torch.minimum(left, right) / torch.maximum(left, right)
    even = even * torch.minimum(upper, lower) / torch.maximum(upper, lower)
    none = smallest.isinf()
    return torch.where(none, -1, objects), torch.where(none, 0, even.clamp(min=0).sqrt())


def focal(logits, targets):
    p = logits.sigmoid()
    right = torch.where(targets > 0, p, 1 - p)
    alpha = torch.where(targets > 0, 0.25, 0.75)
    loss = binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return alpha * (1 - right) ** 2 * loss


def computed(case):
    points = torch.tensor(case["points"])
    found = torch.tensor(case["found"])
    found = found.reshape(len(case["images"]), len(points), -1).requires_grad_()
    positives, weights = [], []
    rows = {"found": [], "box": [], "class": [], "quality": [], "stride": []}
    targets = torch.zeros(found.shape[:2] + (found.shape[2] - 5,))
    yolox = case["losses"] == "yolox"
    for image, things in enumerate(case["images"]):
        wanted = torch.tensor([thing[:4] for thing in things if thing[5]]).reshape(-1, 4)
        classes = torch.tensor([int(thing[4]) for thing in things if thing[5]], dtype=torch.long)
        others = torch.tensor([thing[:4] for thing in things if not thing[5]]).reshape(-1, 4)
        with torch.no_grad():
            if yolox:
                objects, quality = simota(points, found[image], wanted, classes)
            else:
                objects, quality = fcos(points, wanted)
        ignored = (within(points, others).min(-1).values > 0).any(0) if len(others) else False
        weights.append(((objects >= 0) | ~torch.as_tensor(ignored).expand(len(points))).double())
        for point in (objects >= 0).nonzero()[:, 0].tolist():
            number = int(objects[point])
            positives.append([image, point, number])
            targets[image, point, classes[number]] = 1
            rows["found"].append(found[image, point])
            rows["box"].append(wanted[number])
            rows["class"].append(targets[image, point])
            rows["quality"].append(quality[point])
            rows["stride"].append(points[point, 2])
    weights = torch.stack(weights)
    count = max(len(positives), 1)
    if yolox:
        objectness = targets.amax(-1)
        loss = binary_cross_entropy_with_logits(found[..., 4], objectness, weights, reduction="sum")
    else:
        loss = (focal(found[..., 5:], targets) * weights[..., None]).sum()
    loss = loss / count
    if positives:
        rows = {name: torch.stack(values) for name, values in rows.items()}
        row, box, quality = rows["found"], rows["box"], rows["quality"]
        iou, giou = overlaps(row[:, :4], box)
        if yolox:
            loss = loss + 5 * (1 - iou**2).sum() / count
            shares = rows["class"] * quality[:, None]
            of_class = binary_cross_entropy_with_logits(row[:, 5:], shares, reduction="sum")
            loss = loss + of_class / count
            if case["l1"]:
                stride = rows["stride"][:, None]

                def raw(boxes):
                    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 / stride
                    return torch.cat([centre, ((boxes[:, 2:] - boxes[:, :2]) / stride).log()], 1)

                loss = loss + (raw(row[:, :4]) - raw(box)).abs().sum() / count
        else:
            loss = loss + (quality * (1 - giou)).sum() / quality.sum()
            loss = loss + binary_cross_entropy_with_logits(row[:, 4], quality)
    loss.backward()
    gradient = found.grad.flatten().tolist()
    return {"loss": loss.item(), "gradient": gradient, "positives": positives}


with open(sys.argv[1]) as file:
    print(json.dumps([computed(case) for case in json.load(file)]))
