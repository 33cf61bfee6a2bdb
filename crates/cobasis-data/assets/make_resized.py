"""Writes resized.bin: squares that torchvision makes of an image, for the test of resample.rs.

Run with torchvision 0.29.2 and Pillow 13.0.0; other versions may round otherwise.
The image has 61x43 pixels; channel c of the pixel in column x and row y is
(7 x x + 13 y + 50 c + 3 x y) mod 256. Each square is [16, 16, 3] bytes, in the order below.
"""

from pathlib import Path

import numpy as np
import torchvision.transforms.functional as F
from PIL import Image

WIDTH, HEIGHT, SIZE = 61, 43, 16
y, x, c = np.mgrid[:HEIGHT, :WIDTH, :3]
image = Image.fromarray(((7 * x * x + 13 * y + 50 * c + 3 * x * y) % 256).astype(np.uint8))

squares = [
    # Windows as (top, left, height, width): smaller, larger, both.
    F.resized_crop(image, 3, 5, 29, 41, [SIZE, SIZE]),
    F.resized_crop(image, 30, 20, 7, 9, [SIZE, SIZE]),
    F.resized_crop(image, 0, 0, 43, 11, [SIZE, SIZE]),
    # The centre after the shorter side was resized.
    F.center_crop(F.resize(image, 18), SIZE),
    F.center_crop(F.resize(image, 97), SIZE),
]
data = b"".join(np.asarray(square).tobytes() for square in squares)
Path(__file__).with_name("resized.bin").write_bytes(data)
