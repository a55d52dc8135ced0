"""Random problems for VOC's average precision, with the answers of its rules in exact fractions.

    python3 make_voc_cases.py        # Python 3.11, no packages; writes voc_cases.json beside it

Everything is done as VOC's development kit does it: corners count pixels from 1 and include the last
one, so that every width and height is a difference plus 1. A box [x, y, w, h] of the file is the corners
(x + 1, y + 1, x + w, y + h). Lists in a case: annotation = [id, image, category, x, y, w, h, difficult],
detection = [image, category, x, y, w, h, score]; `ap11` and `ap` are by category in the order of ids,
-1 without objects; `map11` and `map` are the means of those that are not.
"""
import json
import pathlib
import random
from fractions import Fraction

CASES = 40


def overlap(a, b):
    """Of two corner boxes (xmin, ymin, xmax, ymax), as in VOCevaldet.m."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return Fraction(0)
    area = lambda c: (c[2] - c[0] + 1) * (c[3] - c[1] + 1)
    return Fraction(width * height) / (area(a) + area(b) - width * height)


def corners(x, y, w, h):
    x, y, w, h = map(Fraction, (x, y, w, h))
    return (x + 1, y + 1, x + w, y + h)


def evaluate(category, annotations, detections):
    objects = {}
    for a in annotations:
        if a[2] == category:
            objects.setdefault(a[1], []).append({"box": corners(*a[3:7]), "difficult": a[7], "found": False})
    positives = sum(not o["difficult"] for each in objects.values() for o in each)
    mine = [d for d in detections if d[1] == category]
    mine.sort(key=lambda d: -d[6])  # stable
    right, wrong = [], []
    for d in mine:
        best, which = Fraction(-1), None
        for o in objects.get(d[0], []):
            share = overlap(corners(*d[2:6]), o["box"])
            if share > best:
                best, which = share, o
        hit = best >= Fraction(1, 2)
        if hit and which["difficult"]:
            right.append(0)
            wrong.append(0)
        elif hit and not which["found"]:
            which["found"] = True
            right.append(1)
            wrong.append(0)
        else:
            right.append(0)
            wrong.append(1)
    if positives == 0:
        return None, None
    recalls, precisions = [], []
    for index in range(len(mine)):
        hits, misses = sum(right[:index + 1]), sum(wrong[:index + 1])
        recalls.append(Fraction(hits, positives))
        precisions.append(Fraction(hits, hits + misses) if hits + misses else Fraction(0))
    eleven = sum(
        max((p for r, p in zip(recalls, precisions) if r >= Fraction(tenth, 10)), default=Fraction(0))
        for tenth in range(11)
    ) / 11
    r = [Fraction(0), *recalls, Fraction(1)]
    p = [Fraction(0), *precisions, Fraction(0)]
    for index in reversed(range(len(p) - 1)):
        p[index] = max(p[index], p[index + 1])
    area = sum((r[index] - r[index - 1]) * p[index] for index in range(1, len(r)))
    return eleven, area


def case(seed):
    rng = random.Random(seed)
    images = rng.sample(range(1, 1000), rng.randint(2, 8))
    categories = rng.sample(range(1, 30), rng.randint(1, 4))
    step = 4 if seed % 3 == 0 else 1  # quarters of pixels, or whole ones
    box = lambda: [rng.randint(0, 200 * step) / step, rng.randint(0, 200 * step) / step,
                   rng.randint(step, 90 * step) / step, rng.randint(step, 90 * step) / step]
    annotations, detections = [], []
    for image in images:
        for _ in range(rng.randint(0, 6)):
            annotations.append([len(annotations) + 1, image, rng.choice(categories), *box(),
                                int(rng.random() < 0.25)])
        here = [a for a in annotations if a[1] == image]
        for _ in range(rng.randint(0, 14)):
            if here and rng.random() < 0.75:
                a = rng.choice(here)
                # Often the very box, or half of it: overlaps of 1 and of 0.5.
                kind = rng.random()
                b = list(a[3:7])
                if kind < 0.2:
                    b[2] *= 2
                elif kind < 0.9:
                    b = [max(v + rng.randint(-8, 8), low) for v, low in zip(b, (0, 0, 1, 1))]
                category = a[2] if rng.random() < 0.9 else rng.choice(categories)
            else:
                b, category = box(), rng.choice(categories)
            score = round(rng.random(), 1 if seed % 2 == 0 else 6)
            detections.append([image, category, *b, score])
    rng.shuffle(detections)
    results = [evaluate(c, annotations, detections) for c in sorted(categories)]
    mean = lambda values: float(sum(values) / len(values)) if values else -1
    return {
        "seed": seed, "images": images, "categories": categories, "annotations": annotations,
        "detections": detections,
        "ap11": [-1 if r[0] is None else float(r[0]) for r in results],
        "ap": [-1 if r[1] is None else float(r[1]) for r in results],
        "map11": mean([r[0] for r in results if r[0] is not None]),
        "map": mean([r[1] for r in results if r[1] is not None]),
    }


def compact(value):
    if isinstance(value, float) and value == int(value):
        return int(value)
    if isinstance(value, list):
        return [compact(v) for v in value]
    return value


if __name__ == "__main__":
    lines = [
        json.dumps({k: compact(v) for k, v in case(seed).items()}, separators=(",", ":"))
        for seed in range(CASES)
    ]
    pathlib.Path(__file__).with_name("voc_cases.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
