#!/usr/bin/env python3
"""Draws docs/finetune.svg: loss and AP by step of the jobs of configs/results/finetune.yaml.

    docs/curves.py http://127.0.0.1:8080 PIPELINE docs/finetune.svg

Needs matplotlib. Loss: of training, the mean over fortieths of the run. AP: of the evaluations, the mean of 8 paths.
"""

import json
import sys
import urllib.request

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

SETS = [("bccd", "BCCD"), ("voc100", "VOC, 100 images"), ("coco128", "COCO, 128 images")]
RUNS = [
    ("faster-rcnn", "scratch", "Faster R-CNN, scratch", "C0", "-"),
    ("faster-rcnn", "pretrained", "Faster R-CNN, pretrained", "C0", "--"),
    ("retinanet", "scratch", "RetinaNet, scratch", "C1", "-"),
    ("retinanet", "pretrained", "RetinaNet, pretrained", "C1", "--"),
]


def main(server, pipeline, path):
    def get(place):
        return json.load(urllib.request.urlopen(server + place))

    jobs = {job["step"]: job["id"] for job in get(f"/v1/pipelines/{pipeline}")["jobs"]}
    plt.rcParams.update({"svg.hashsalt": "detnas", "font.size": 9})
    figure, rows = plt.subplots(2, len(SETS), figsize=(10, 5.2), sharex="col")
    for (name, title), loss, score in zip(SETS, rows[0], rows[1]):
        for detector, weights, label, color, dash in RUNS:
            job = jobs[f"{name}-{detector}-{weights}"]
            series = get(f"/v1/jobs/{job}/metrics/series?names=loss&points=100000")["series"][0]
            points = list(zip(series["x"], series["y"]))
            width = max(1, len(points) // 40)
            parts = [points[i : i + width] for i in range(0, len(points), width)]
            loss.plot(
                [part[-1][0] for part in parts],
                [sum(y for _, y in part) / len(part) for part in parts],
                color=color, linestyle=dash, label=label,
            )
            told = get(f"/v1/jobs/{job}/events?types=evaluation&limit=500")["data"]
            marks = [(event["data"]["step"], event["data"]["map"]) for event in told]
            score.plot(*zip(*marks), color=color, linestyle=dash, marker="o", markersize=3)
        loss.set_title(title)
        score.set_xlabel("step")
        score.set_ylim(bottom=0)
    rows[0][0].set_ylabel("training loss")
    rows[1][0].set_ylabel("AP")
    rows[0][0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
