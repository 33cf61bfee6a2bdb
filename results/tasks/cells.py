"""Cuts the cells of BCCD out of their boxes: python3 cells.py BCCD OUT

Makes image folders of three classes, OUT/train and OUT/val: those of the lists trainval and test. A cell is cut out as
a square around its box, as long as the box's longer side, with grey where that reaches beyond the image, and is resized
to 32x32. Boxes without an area are left out.
"""

import sys
import xml.etree.ElementTree as xml
from pathlib import Path

from PIL import Image

GREY = (114, 114, 114)
SIDE = 32


def cells(annotation):
    for thing in xml.parse(annotation).getroot().iter("object"):
        box = thing.find("bndbox")
        corners = [float(box.find(key).text) for key in ("xmin", "ymin", "xmax", "ymax")]
        yield thing.find("name").text, corners


def cut(image, left, top, right, bottom):
    side = max(right - left, bottom - top)
    x, y = (left + right - side) / 2, (top + bottom - side) / 2
    part = (round(x), round(y), round(x + side), round(y + side))
    square = Image.new("RGB", (part[2] - part[0], part[3] - part[1]), GREY)
    square.paste(image, (-part[0], -part[1]))
    return square.resize((SIDE, SIDE), Image.Resampling.BILINEAR)


def main(bccd, out):
    counts = {}
    for name, folder in (("trainval", "train"), ("test", "val")):
        for image in (bccd / "ImageSets/Main" / f"{name}.txt").read_text().split():
            picture = Image.open(bccd / "JPEGImages" / f"{image}.jpg").convert("RGB")
            for number, (kind, box) in enumerate(cells(bccd / "Annotations" / f"{image}.xml")):
                if box[2] <= box[0] or box[3] <= box[1]:
                    continue
                place = out / folder / kind
                place.mkdir(parents=True, exist_ok=True)
                cut(picture, *box).save(place / f"{image}-{number}.png")
                counts[folder, kind] = counts.get((folder, kind), 0) + 1
    for (folder, kind), count in sorted(counts.items()):
        print(folder, kind, count)


main(Path(sys.argv[1]), Path(sys.argv[2]))
