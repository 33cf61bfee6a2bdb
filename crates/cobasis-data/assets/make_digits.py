#!/usr/bin/env python3
"""Write digits.bin, the 8x8 handwritten digits that the program carries inside itself.

    python3 -m pip download --no-deps scikit-learn
    python3 make_digits.py scikit_learn-*.whl digits.bin

Data:     E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
          Learning Repository, 1998, https://doi.org/10.24432/C50P49: its test part of 1,797
          images, as scikit-learn ships it in sklearn/datasets/data/digits.csv.gz.
Licence:  CC BY 4.0. Changed: only the encoding, from text to bytes; values and order are kept.
Format:   1,797 records of 65 bytes, no header: the label (0..=9), then 64 grey values (0..=16,
          0 is paper, 16 is ink), row by row from the top left.
"""
import gzip
import hashlib
import sys
import zipfile

SOURCE = "sklearn/datasets/data/digits.csv.gz"
RECORDS = 1797
SHA256 = "d8121ca7764eccfaef1df6bc4589c6527c58fcbab0cb1b079e79f97f8cb8219a"


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    wheel, target = sys.argv[1:]
    with zipfile.ZipFile(wheel) as archive:
        lines = gzip.decompress(archive.read(SOURCE)).decode("ascii").split()
    if len(lines) != RECORDS:
        sys.exit(f"{SOURCE}: expected {RECORDS} lines, got {len(lines)}")
    data = bytearray()
    for number, line in enumerate(lines):
        *pixels, label = map(int, line.split(","))
        if len(pixels) != 64 or max(pixels) > 16 or label > 9:
            sys.exit(f"{SOURCE}: line {number} is not 64 values up to 16 and a label up to 9")
        data += bytes([label, *pixels])
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        sys.exit(f"{SOURCE}: expected SHA-256 {SHA256} of the records, got {digest}")
    with open(target, "wb") as file:
        file.write(data)


if __name__ == "__main__":
    main()
