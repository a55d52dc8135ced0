"""Makes random_cases.json: small random detection problems and pycocotools' figures for them.

    pip install pycocotools==2.0.11 numpy && python make_random_cases.py

Each case has `images` [id], `categories` [id], `annotations` [id, image, category, x, y, w, h, area,
crowd, ignore], `detections` [image, category, x, y, w, h, score] and what COCOeval (bbox) says:
`stats` (12 figures), `ap` (by category, mean over IoU and recall), `curve` (precision at 101 recalls,
first category, IoU 0.5). Cases without ties also have `resample` (indices of images by id, drawn with
replacement) and `resampled`: the 12 figures of a data set in which each drawn image is one of its own.
"""
import contextlib
import copy
import io
import json
import pathlib

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

CASES = 40


def evaluate(images, categories, annotations, detections):
    truth = COCO()
    truth.dataset = {
        "images": [{"id": i} for i in images],
        "categories": [{"id": c, "name": str(c)} for c in categories],
        "annotations": [
            {"id": a[0], "image_id": a[1], "category_id": a[2], "bbox": a[3:7], "area": a[7],
             "iscrowd": a[8], "ignore": a[9]}
            for a in annotations
        ],
    }
    results = [
        {"image_id": d[0], "category_id": d[1], "bbox": d[2:6], "score": d[6]} for d in detections
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(copy.deepcopy(results)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def mean(values):
    values = values[values > -1]
    return float(np.mean(values)) if len(values) else -1.0


def box(rng, quarter):
    """Mostly small to medium, on a grid of pixels or quarters of them: equal overlaps are common."""
    side = int(2 ** rng.uniform(2, 7.5))
    w, h = max(2, int(side * rng.uniform(0.5, 1.5))), max(2, int(side * rng.uniform(0.5, 1.5)))
    if rng.random() < 0.15:
        w = h = int(rng.choice([32, 96]))
    x, y = int(rng.integers(0, 400)), int(rng.integers(0, 300))
    return [v / 4 if quarter else v for v in (x * (4 if quarter else 1), y * (4 if quarter else 1),
                                              w * (4 if quarter else 1), h * (4 if quarter else 1))]


def case(seed):
    rng = np.random.default_rng(seed)
    ties = seed % 2 == 0
    base = 2**40 if seed % 5 == 0 else 0
    images = [base + int(i) for i in rng.choice(1000, rng.integers(2, 9), replace=False)]
    categories = [int(c) for c in rng.choice(90, rng.integers(1, 5), replace=False)]
    rng.shuffle(categories)
    annotations, detections = [], []
    ids = rng.permutation(500) + (0 if seed % 7 == 0 else 1)
    for image in images:
        if rng.random() < 0.15:
            objects = 0
        else:
            objects = int(rng.integers(1, 7))
        for _ in range(objects):
            b = box(rng, False)
            area = b[2] * b[3]
            if rng.random() < 0.3:
                area = round(area * rng.uniform(0.3, 1.0), 2)
            crowd = int(rng.random() < 0.15)
            if crowd:
                b[2:] = [b[2] * 2, b[3] * 2]
            annotations.append([int(ids[len(annotations)]), image, int(rng.choice(categories)), *b,
                                area, crowd, int(rng.random() < 0.1)])
        here = [a for a in annotations if a[1] == image]
        count = 0 if rng.random() < 0.1 else int(rng.integers(1, 14))
        if seed % 10 == 3 and image == images[0]:
            count = 115
        for _ in range(count):
            if here and rng.random() < 0.65:
                a = here[int(rng.integers(len(here)))]
                jitter = rng.integers(-6, 7, 4) * (rng.random() < 0.8) * (1 if ties else 0.37)
                b = [round(float(v + j), 2) for v, j in zip(a[3:7], jitter)]
                b[2:] = [max(1, b[2]), max(1, b[3])]
                category = a[2] if rng.random() < 0.9 else int(rng.choice(categories))
            else:
                b, category = box(rng, ties), int(rng.choice(categories))
            if seed % 10 == 3 and count == 115:
                category = categories[0]
            score = round(float(rng.random()), 1 if ties else 7)
            detections.append([image, category, *b, score])
    order = rng.permutation(len(detections))
    detections = [detections[i] for i in order]
    if not detections:
        detections = [[images[0], categories[0], 1, 1, 20, 20, 0.5]]
    rng.shuffle(annotations)
    assert ties or len({d[6] for d in detections}) == len(detections)

    result = evaluate(images, categories, annotations, detections)
    precision = result.eval["precision"]
    found = {
        "seed": seed, "images": images, "categories": categories, "annotations": annotations,
        "detections": detections, "stats": [float(s) for s in result.stats],
        "ap": [mean(precision[:, :, k, 0, 2]) for k in range(len(categories))],
        "curve": [float(p) for p in precision[0, :, 0, 0, 2]],
    }
    if not ties:
        ordered = sorted(images)
        drawn = [int(i) for i in rng.integers(0, len(ordered), len(ordered))]
        copies, copied_truth, copied_detections = [], [], []
        for number, index in enumerate(drawn):
            copies.append(number + 1)
            copied_truth += [[(a[0] + 1) * 100 + number, number + 1, *a[2:]]
                             for a in annotations if a[1] == ordered[index] and a[0]]
            copied_detections += [[number + 1, *d[1:]]
                                  for d in detections if d[0] == ordered[index]]
        if copied_detections and all(a[0] for a in annotations):
            found["resample"] = drawn
            again = evaluate(copies, categories, copied_truth, copied_detections)
            found["resampled"] = [float(s) for s in again.stats]
    return found


def compact(value):
    if isinstance(value, float) and value == int(value) and abs(value) < 1e9:
        return int(value)
    if isinstance(value, list):
        return [compact(v) for v in value]
    if isinstance(value, dict):
        return {k: compact(v) for k, v in value.items()}
    return value


if __name__ == "__main__":
    lines = [json.dumps(compact(case(seed)), separators=(",", ":")) for seed in range(CASES)]
    target = pathlib.Path(__file__).with_name("random_cases.json")
    target.write_text("[\n" + ",\n".join(lines) + "\n]\n")
