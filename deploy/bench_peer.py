#!/usr/bin/env python3
"""The other side of `detnas bench`: the same work in plain PyTorch, as a user would write it.

    python deploy/bench_peer.py [--threads 1] [--batch 8]

Reads one order a line and answers each with one line:

    run NAME LAYOUT PATH PATH ...  ->  ok MILLISECONDS for each path
                                   or  none REASON
    coco FILE FILE                 ->  ok; reads ground truth and results (between tabs) for `run coco`
    about                          ->  ok VERSION of torch

A path is the letters of a genome between commas; LAYOUT is `contiguous`, as the official code has it, or
`channels_last`. Sizes and settings are those of Sources/Pipelines/Measurements.swift. Needs torch alone; `coco` also
pycocotools, and says so where it is missing.
"""

import argparse
import contextlib
import io
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

SPACES = {
    "detnas-300m": (16, [(64, 4), (160, 4), (320, 8), (640, 4)], 1024),
    "detnas-mini": (16, [(24, 2), (48, 3), (96, 5), (160, 2)], 256),
}
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}

# --- Networks -------------------------------------------------------------------------------------


def conv_norm(inputs, outputs, kernel, stride=1, groups=1, relu=True):
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if relu else []))


def depthwise(width, kernel, stride):
    return conv_norm(width, width, kernel, stride, width, relu=False)


def split(x):
    """Interleaves the two halves of the channels, then cuts in the middle."""
    n, c, h, w = x.shape
    if x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous():
        # The same along the innermost dimension, so that the layout stays.
        rows = x.permute(0, 2, 3, 1).reshape(n, h, w, 2, c // 2).transpose(3, 4)
        return rows.reshape(n, h, w, c).permute(0, 3, 1, 2).chunk(2, 1)
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w).chunk(2, 1)


class Block(nn.Module):
    """A ShuffleNetV2 unit; letters 0 to 3: kernels 3, 5, 7, and xception."""

    def __init__(self, inputs, outputs, stride, letter):
        super().__init__()
        kernel, middle = [3, 5, 7, 3][letter], outputs // 2
        taken, given = (inputs // 2, outputs // 2) if stride == 1 else (inputs, outputs - inputs)
        self.projection = None
        if stride == 2:
            self.projection = nn.Sequential(
                depthwise(inputs, kernel, 2), conv_norm(inputs, outputs - given, 1)
            )
        if letter == 3:
            self.main = nn.Sequential(
                depthwise(taken, 3, stride),
                conv_norm(taken, middle, 1),
                depthwise(middle, 3, 1),
                conv_norm(middle, middle, 1),
                depthwise(middle, 3, 1),
                conv_norm(middle, given, 1),
            )
        else:
            self.main = nn.Sequential(
                conv_norm(taken, middle, 1),
                depthwise(middle, kernel, stride),
                conv_norm(middle, given, 1),
            )

    def forward(self, x):
        if self.projection is not None:
            return torch.cat([self.projection(x), self.main(x)], 1)
        kept, branch = split(x)
        return torch.cat([kept, self.main(branch)], 1)


class Supernet(nn.Module):
    def __init__(self, space):
        super().__init__()
        stem, stages, _ = SPACES[space]
        self.stem = conv_norm(3, stem, 3, 2)
        self.blocks, self.ends, inputs = nn.ModuleList(), [], stem
        for width, count in stages:
            for index in range(count):
                stride = 1 if index else 2
                self.blocks.append(
                    nn.ModuleList(Block(inputs, width, stride, letter) for letter in range(4))
                )
                inputs = width
            self.ends.append(len(self.blocks) - 1)

    def forward(self, x, path):
        x, stages = self.stem(x), []
        for index, (block, letter) in enumerate(zip(self.blocks, path)):
            x = block[letter](x)
            if index in self.ends:
                stages.append(x)
        return stages


class Classifier(nn.Module):
    def __init__(self, space, classes):
        super().__init__()
        _, stages, last = SPACES[space]
        self.backbone = Supernet(space)
        self.last = conv_norm(stages[-1][0], last, 1)
        self.linear = nn.Linear(last, classes)

    def forward(self, x, path):
        return self.linear(self.last(self.backbone(x, path)[-1]).mean((2, 3)))


CHANNELS, GROUPS, TOWER, LEVELS, SIZES, OCTAVES, CLASSES = 48, 8, 2, [3, 4, 5], [16, 32, 64], 2, 3


def tower(outputs):
    layers = []
    for _ in range(TOWER):
        layers += [nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.GroupNorm(GROUPS, CHANNELS)]
        layers += [nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(CHANNELS, outputs, 3, padding=1))


class Detector(nn.Module):
    """Supernet, feature pyramid, RetinaNet's head; the settings of configs/bccd."""

    def __init__(self):
        super().__init__()
        self.backbone = Supernet("detnas-mini")
        widths = [width for width, _ in SPACES["detnas-mini"][1]]
        self.laterals = nn.ModuleList(nn.Conv2d(widths[k - 2], CHANNELS, 1) for k in LEVELS)
        self.outputs = nn.ModuleList(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1) for _ in LEVELS)
        self.scores, self.offsets = tower(OCTAVES * CLASSES), tower(OCTAVES * 4)
        nn.init.normal_(self.scores[-1].weight, std=0.01)
        nn.init.constant_(self.scores[-1].bias, -math.log(99))
        self.anchors = {}

    def forward(self, x, path):
        """Logits [n, a, classes], offsets [n, a, 4] and anchors [a, 4] of each level."""
        stages = self.backbone(x, path)
        merged = [lateral(stages[k - 2]) for lateral, k in zip(self.laterals, LEVELS)]
        for index in range(len(merged) - 2, -1, -1):
            above = F.interpolate(merged[index + 1], size=merged[index].shape[2:])
            merged[index] = merged[index] + above
        levels = [output(value) for output, value in zip(self.outputs, merged)]
        flat = lambda y, width: y.permute(0, 2, 3, 1).reshape(len(y), -1, width)
        return (
            [flat(self.scores(level), CLASSES) for level in levels],
            [flat(self.offsets(level), 4) for level in levels],
            [self.grid(index, level.shape[2:]) for index, level in enumerate(levels)],
        )

    def grid(self, index, shape):
        key = (index, tuple(shape))
        if key not in self.anchors:
            stride = 2 ** LEVELS[index]
            y, x = torch.meshgrid(*[(torch.arange(k) + 0.5) * stride for k in shape], indexing="ij")
            side = SIZES[index] * 2 ** (torch.arange(OCTAVES) / OCTAVES)
            centre = torch.stack([x, y, x, y], -1)[:, :, None]
            half = torch.stack([-side, -side, side, side], -1)[None, None] / 2
            self.anchors[key] = (centre + half).reshape(-1, 4)
        return self.anchors[key]


# --- Loss and decoding, in PyTorch's operations ---------------------------------------------------


def overlaps(a, b):
    corner = torch.minimum(a[:, None, 2:], b[None, :, 2:]) - torch.maximum(a[:, None, :2], b[None, :, :2])
    shared = corner.clamp(min=0).prod(2)
    area = lambda boxes: (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return shared / (area(a)[:, None] + area(b)[None] - shared)


def match(anchors, boxes):
    """For each anchor the index of its object, -1 background, -2 ignored."""
    table = overlaps(anchors, boxes)
    best, index = table.max(1)
    found = torch.where(best >= 0.5, index, torch.where(best < 0.4, -1, -2))
    # Each object keeps the anchors that overlap it most.
    top = table.max(0).values
    keeps = ((table == top) & (table > 0)).any(1)
    return torch.where(keeps, index, found)


def encode(boxes, anchors):
    size, box_size = anchors[:, 2:] - anchors[:, :2], boxes[:, 2:] - boxes[:, :2]
    shift = (boxes[:, :2] + boxes[:, 2:] - anchors[:, :2] - anchors[:, 2:]) / 2 / size
    return torch.cat([10 * shift, 5 * (box_size / size).log()], 1)


def retinanet_loss(outputs, objects):
    logits, offsets, anchors = torch.cat(outputs[0], 1), torch.cat(outputs[1], 1), torch.cat(outputs[2])
    matches = torch.stack([match(anchors, boxes) for boxes, _ in objects])
    target = torch.zeros_like(logits)
    wanted = []
    for image, (boxes, labels) in enumerate(objects):
        rows = (matches[image] >= 0).nonzero().squeeze(1)
        known = matches[image, rows]
        target[image, rows, labels[known]] = 1
        wanted.append(encode(boxes[known], anchors[rows]))
    probability = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    truth = probability * target + (1 - probability) * (1 - target)
    alpha = 0.25 * target + 0.75 * (1 - target)
    focal = (alpha * (1 - truth) ** 2 * entropy)[matches != -2].sum()
    positive = matches >= 0
    count = int(positive.sum())
    box = F.smooth_l1_loss(offsets[positive], torch.cat(wanted), reduction="sum", beta=0.11)
    return focal / (count + len(objects)) + box / max(1, 4 * count)


def detect(outputs, image):
    """The best boxes of one image; a fresh network scores all of them below the threshold."""
    boxes, scores, labels = [], [], []
    for logits, offsets, anchors in zip(*outputs):
        values = logits[image].sigmoid().flatten()
        chosen = (values > 0.05).nonzero().squeeze(1)
        values, order = values[chosen].topk(min(1000, len(chosen)))
        rows, label = chosen[order] // CLASSES, chosen[order] % CLASSES
        delta, anchor = offsets[image, rows], anchors[rows]
        size = anchor[:, 2:] - anchor[:, :2]
        centre = (anchor[:, :2] + anchor[:, 2:]) / 2 + delta[:, :2] / 10 * size
        half = (delta[:, 2:] / 5).clamp(max=math.log(1000 / 16)).exp() * size / 2
        boxes.append(torch.cat([centre - half, centre + half], 1))
        scores.append(values)
        labels.append(label)
    boxes, scores, labels = torch.cat(boxes), torch.cat(scores), torch.cat(labels)
    boxes = torch.stack([boxes[:, 0::2].clamp(0, 192), boxes[:, 1::2].clamp(0, 160)], 2).flatten(1)
    # Suppression within a class; the order of scores decides.
    kept = []
    order = scores.argsort(descending=True)
    apart = boxes + labels[:, None] * 1000.0
    while len(order) and len(kept) < 100:
        kept.append(order[0])
        order = order[1:][overlaps(apart[order[:1]], apart[order[1:]])[0] <= 0.4]
    return [(boxes[k], scores[k], labels[k]) for k in kept]


# --- Work -----------------------------------------------------------------------------------------


def pretraining(space, classes, size, batch, layout):
    net = Classifier(space, classes).to(memory_format=FORMATS[layout]).train()
    normed = [p for p in net.parameters() if p.ndim == 1]
    decayed = [p for p in net.parameters() if p.ndim > 1]
    groups = [{"params": decayed, "weight_decay": 4e-5}, {"params": normed, "weight_decay": 0}]
    optimizer = torch.optim.SGD(groups, lr=0.01, momentum=0.9)
    images = torch.randn(batch, 3, size, size).contiguous(memory_format=FORMATS[layout])
    labels = torch.arange(batch) % classes

    def step(path):
        loss = F.cross_entropy(net(images, path), labels, label_smoothing=0.1)
        loss.item()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def made_objects(count, seed):
    generator = torch.Generator().manual_seed(seed)
    uniform = lambda *shape: torch.rand(*shape, generator=generator)
    objects = []
    for _ in range(count):
        size = 12 + 60 * uniform(4, 2)
        corner = uniform(4, 2) * (torch.tensor([192.0, 160.0]) - size)
        labels = torch.randint(CLASSES, (4,), generator=generator)
        objects.append((torch.cat([corner, corner + size], 1), labels))
    return objects


def detection(layout):
    net = Detector().to(memory_format=FORMATS[layout]).train()
    parameters = list(net.parameters())
    normed = [p for p in parameters if p.ndim == 1]
    decayed = [p for p in parameters if p.ndim > 1]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": normed, "weight_decay": 0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-4)
    images = torch.randn(16, 3, 160, 192).contiguous(memory_format=FORMATS[layout])
    objects = made_objects(16, 0)

    def step(path):
        loss = retinanet_loss(net(images, path), objects)
        loss.item()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 10)
        optimizer.step()

    return step


def candidate(layout):
    """As DetNAS does it: the whole detector in training mode renews the statistics."""
    net = Detector().to(memory_format=FORMATS[layout])
    made = lambda count: [
        torch.randn(8, 3, 160, 192).contiguous(memory_format=FORMATS[layout])
        for _ in range(count // 8)
    ]
    calibration, validation = made(32), made(56)

    @torch.no_grad()
    def score(path):
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None
        net.train()
        for images in calibration:
            net(images, path)
        net.eval()
        for images in validation:
            outputs = net(images, path)
            for image in range(len(images)):
                detect(outputs, image)

    return score


def read_coco(truth, results):
    try:
        from pycocotools.coco import COCO
    except ImportError as error:
        return f"pycocotools cannot be imported ({error})"
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(truth)
        return truth, truth.loadRes(results)


def coco(data):
    if isinstance(data, str):
        raise LookupError(data)
    from pycocotools.cocoeval import COCOeval

    truth, results = data

    def evaluate(_):
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval(truth, results, "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()

    return evaluate


class Peer:
    def __init__(self, batch):
        self.batch, self.coco = batch, "no data"
        self.name, self.work = None, {}

    def made(self, name, layout):
        if name != self.name:
            self.name, self.work = name, {}
        if layout not in self.work:
            torch.manual_seed(0)
            if name == "pretrain":
                work = pretraining("detnas-300m", 1000, 224, self.batch, layout)
            elif name == "pretrain-mini":
                work = pretraining("detnas-mini", 10, 96, 32, layout)
            elif name == "detection":
                work = detection(layout)
            elif name == "candidate":
                work = candidate(layout)
            elif name == "coco":
                work = coco(self.coco)
            else:
                raise LookupError(f"there is no measurement {name}")
            self.work[layout] = work
        return self.work[layout]

    def answer(self, line):
        order, *words = line.split()
        if order == "about":
            return f"ok {torch.__version__}"
        if order == "coco":
            self.coco = read_coco(*line.rstrip("\n").split("\t")[1:])
            return "ok"
        if order != "run":
            return f"none there is no order {order}"
        name, layout, *paths = words
        try:
            work = self.made(name, layout)
        except LookupError as error:
            return f"none {error}"
        paths = [[int(letter) for letter in path.split(",")] for path in paths] or [None]
        start = time.perf_counter()
        for path in paths:
            work(path)
        return f"ok {(time.perf_counter() - start) * 1000 / len(paths):.6f}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    peer = Peer(options.batch)
    for line in sys.stdin:
        if line.strip():
            print(peer.answer(line), flush=True)


if __name__ == "__main__":
    main()
