"""Makes region_parity.json: what plain PyTorch operations give for RoIAlign and for Faster R-CNN, and the gradients.

    python make_region_parity.py        (torch 2.13.0; about a minute)

Written from the descriptions (Faster R-CNN, arXiv:1506.01497; FPN, arXiv:1612.03144; Mask R-CNN, arXiv:1703.06870); shares
nothing with the Swift side but the names of parameters. Samples are as large as what they are taken from, so nothing is
random. `edge` is what a side has beyond x2 - x1: 0, or 1 in the legacy convention.
"""

import json
import math
import pathlib

import torch
from torch import nn
from torch.nn import functional as F

from make_parity import Head as RetinaNetHead
from make_parity import fill, gradients, made, probed, running, stored

CLASSES, CHANNELS = 3, 8
OBJECTS = [
    [([4, 6, 30.5, 28.25], 0), ([20.25, 17.5, 58, 60.75], 2), ([41.5, 3.75, 52.25, 14.5], 1)],
    [],
    [([10.5, 12.25, 40.75, 33], 1)],
]
SIZES = [(64, 64), (60.5, 50), (64, 40)]
ANCHORS = [8, 16, 32, 64, 128]
RATIOS = [0.5, 1, 2]


# --- Boxes ----------------------------------------------------------------------------------------


def sides(box, edge):
    return box[2] - box[0] + edge, box[3] - box[1] + edge


def iou(a, b, edge):
    w = min(a[2], b[2]) - max(a[0], b[0]) + edge
    h = min(a[3], b[3]) - max(a[1], b[1]) + edge
    if w <= 0 or h <= 0:
        return 0.0
    area = lambda box: sides(box, edge)[0] * sides(box, edge)[1]
    return w * h / (area(a) + area(b) - w * h)


def encode(box, anchor, weights, edge):
    (aw, ah), (bw, bh) = sides(anchor, edge), sides(box, edge)
    return [
        weights[0] * ((box[0] + bw / 2) - (anchor[0] + aw / 2)) / aw,
        weights[1] * ((box[1] + bh / 2) - (anchor[1] + ah / 2)) / ah,
        weights[2] * math.log(bw / aw),
        weights[3] * math.log(bh / ah),
    ]


def decode(offsets, anchor, weights, edge, size):
    w, h = sides(anchor, edge)
    cx, cy = anchor[0] + w / 2 + offsets[0] / weights[0] * w, anchor[1] + h / 2 + offsets[1] / weights[1] * h
    w *= math.exp(min(offsets[2] / weights[2], math.log(1000 / 16)))
    h *= math.exp(min(offsets[3] / weights[3], math.log(1000 / 16)))
    clip = lambda v, top: min(max(v, 0.0), top - edge)
    return [
        clip(cx - w / 2, size[0]),
        clip(cy - h / 2, size[1]),
        clip(cx + w / 2 - edge, size[0]),
        clip(cy + h / 2 - edge, size[1]),
    ]


def suppress(found, threshold, limit, edge):
    """`found` are rows of score, label, box; the kept ones, best first."""
    kept = []
    for row in sorted(found, key=lambda row: -row[0]):
        if len(kept) == limit:
            break
        if all(other[1] != row[1] or iou(other[2], row[2], edge) <= threshold for other in kept):
            kept.append(row)
    return kept


def anchors_of(height, width, stride, base, edge, octaves=1):
    boxes = []
    for y in range(height):
        for x in range(width):
            for ratio, size in [(r, base * 2 ** (step / octaves)) for r in RATIOS for step in range(octaves)]:
                if edge:
                    w = round(math.sqrt(stride * stride / ratio))
                    h = round(w * ratio)
                    w, h = w * size / stride, h * size / stride
                    cx, cy = x * stride + (stride - 1) / 2, y * stride + (stride - 1) / 2
                else:
                    w, h = size / math.sqrt(ratio), size * math.sqrt(ratio)
                    cx, cy = (x + 0.5) * stride, (y + 0.5) * stride
                boxes.append([cx - (w - edge) / 2, cy - (h - edge) / 2, cx + (w - edge) / 2, cy + (h - edge) / 2])
    return boxes


# --- RoIAlign -------------------------------------------------------------------------------------


def sample(image, ys, xs):
    """Bilinear values of [c, h, w] at all pairs of `ys` and `xs`; zero further than one cell outside."""
    _, height, width = image.shape

    def taps(at, cells):
        outside = (at < -1) | (at > cells)
        at = at.clamp(min=0)
        low = at.floor().clamp(max=cells - 1).long()
        high = (low + 1).clamp(max=cells - 1)
        share = torch.where(low == cells - 1, torch.zeros_like(at), at - low)
        return low, high, share, ~outside

    yl, yh, ys, yin = taps(ys, height)
    xl, xh, xs, xin = taps(xs, width)
    ys, xs = ys[:, None], xs[None, :]
    pick = lambda y, x: image[:, y][:, :, x]
    value = (
        pick(yl, xl) * (1 - ys) * (1 - xs) + pick(yl, xh) * (1 - ys) * xs
        + pick(yh, xl) * ys * (1 - xs) + pick(yh, xh) * ys * xs
    )
    return value * (yin[:, None] & xin[None, :])


def roi_align(x, regions, scale, size, samples, aligned):
    out = []
    for image, *box in regions:
        shift = 0.5 if aligned else 0
        x1, y1, x2, y2 = (v * scale - shift for v in box)
        w, h = x2 - x1, y2 - y1
        if not aligned:
            w, h = max(w, 1.0), max(h, 1.0)

        def points(start, length, cells):
            count = samples or min(max(math.ceil(length / size), 1), cells)
            steps = [(b + (s + 0.5) / count) * length / size for b in range(size) for s in range(count)]
            return torch.tensor([start + step for step in steps], dtype=torch.float64), count

        ys, rows = points(y1, h, x.shape[2])
        xs, columns = points(x1, w, x.shape[3])
        values = sample(x[int(image)], ys, xs)
        out.append(values.reshape(-1, size, rows, size, columns).mean((2, 4)))
    return torch.stack(out)


REGIONS = [
    [0, 3, 5, 40.5, 33],
    [1, -20, -9, 30, 18],
    [1, 50, 40, 80, 90],
    [0, 10, 10, 10.5, 10.25],
    [1, 0, 0, 64, 48],
    [0, 120, 130, 150, 150],
]


def align_case(samples, aligned):
    x = made("map", [2, 5, 12, 16]).requires_grad_()
    y = roi_align(x, REGIONS, 0.25, 3, samples, aligned)
    probed([y]).backward()
    return {"output": stored(y), "gradient map": stored(x.grad)}


# --- Faster R-CNN ---------------------------------------------------------------------------------


class Proposals(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.logits = nn.Conv2d(CHANNELS, len(RATIOS), 1)
        self.offsets = nn.Conv2d(CHANNELS, 4 * len(RATIOS), 1)


class Region(nn.Module):
    def __init__(self, norm, outputs, size):
        super().__init__()
        for index in range(2):
            conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
            conv.norm = {"group": lambda: nn.GroupNorm(2, CHANNELS), "batch": lambda: nn.BatchNorm2d(CHANNELS)}[norm]()
            setattr(self, f"conv{index}", conv)
        self.layer0 = nn.Linear(CHANNELS * size * size, 16)
        self.scores = nn.Linear(16, CLASSES + 1)
        self.offsets = nn.Linear(16, 4 * outputs)

    def forward(self, pooled):
        for conv in [self.conv0, self.conv1]:
            pooled = conv.norm(F.conv2d(pooled, conv.weight, conv.bias, padding=1)).relu()
        features = self.layer0(pooled.flatten(1)).relu()
        return self.scores(features), self.offsets(features)


class Head(nn.Module):
    def __init__(self, norm, outputs, size):
        super().__init__()
        self.proposals = Proposals()
        self.regions = Region(norm, outputs, size)


def first_stage(head, levels, edge):
    """For each level: logits [n, a], offsets [n, a, 4], anchors."""
    result = []
    for index, level in enumerate(levels):
        features = head.proposals.shared(level).relu()
        n, _, h, w = level.shape
        result.append((
            head.proposals.logits(features).permute(0, 2, 3, 1).reshape(n, -1),
            head.proposals.offsets(features).permute(0, 2, 3, 1).reshape(n, -1, 4),
            anchors_of(h, w, 4 * 2**index, ANCHORS[index], edge),
        ))
    return result


def proposal_loss(outputs, objects, edge):
    logits = torch.cat([o[0] for o in outputs], 1)
    offsets = torch.cat([o[1] for o in outputs], 1)
    anchors = sum([o[2] for o in outputs], [])
    scores = boxes = 0
    count = positives = 0
    for image, found in enumerate(objects):
        inside = [
            a for a, box in enumerate(anchors)
            if box[0] >= 0 and box[1] >= 0 and box[2] + edge <= SIZES[image][0] and box[3] + edge <= SIZES[image][1]
        ]
        table = {a: [iou(anchors[a], box, edge) for box, _ in found] for a in inside}
        best_of = [max(row[o] for row in table.values()) for o in range(len(found))]
        for a in inside:
            row = table[a]
            best = max(row, default=0.0)
            owner = row.index(best) if best > 0 else -1
            label = owner if best >= 0.6 else -1 if best < 0.3 else -2
            if any(0 < v == best_of[o] for o, v in enumerate(row)):
                label = owner
            if label == -2:
                continue
            count += 1
            target = 1.0 if label >= 0 else 0.0
            scores = scores + F.binary_cross_entropy_with_logits(
                logits[image, a], torch.tensor(target, dtype=torch.float64)
            )
            if label >= 0:
                positives += 1
                wanted = torch.tensor(encode(found[label][0], anchors[a], [1] * 4, edge), dtype=torch.float64)
                boxes = boxes + F.smooth_l1_loss(offsets[image, a], wanted, reduction="sum", beta=1 / 9)
    return scores / count, boxes / count, positives


def propose(outputs, edge, before, after, limit):
    """For each image rows of box, best first."""
    result = []
    for image, size in enumerate(SIZES):
        rows = []
        for level, (logits, offsets, anchors) in enumerate(outputs):
            order = sorted(range(len(anchors)), key=lambda a: -logits[image, a].item())[:before]
            found = []
            for a in order:
                box = decode(offsets[image, a].tolist(), anchors[a], [1] * 4, edge, size)
                if min(sides(box, edge)) > 0:
                    found.append((logits[image, a].sigmoid().item(), 0, box))
            rows += suppress(found, 0.7, after, edge)
        result.append([row[2] for row in sorted(rows, key=lambda row: -row[0])[:limit]])
    return result


def pool(levels, regions, edge, rule):
    """Pooled maps and the regions in the same order: by level."""
    by_level = [[] for _ in range(4)]
    for region in regions:
        w, h = sides(region[1:5], edge)
        level = math.floor(4 + math.log2(math.sqrt(w * h) / 32 + 1e-6))
        by_level[min(max(level, 2), 5) - 2].append(region)
    pooled = [
        roi_align(levels[i], [r[:5] for r in members], 1 / (4 * 2**i), *rule)
        for i, members in enumerate(by_level) if members
    ]
    return torch.cat(pooled), sum(by_level, [])


def faster_case(edge, norm, outputs, rule):
    head = fill(Head(norm, outputs, rule[0])).train()
    sizes = [16, 8, 4, 2, 1]
    levels = [made(f"level{i}", [3, CHANNELS, s, s]).requires_grad_() for i, s in enumerate(sizes)]
    objects = [[([b[0], b[1], b[2] - edge, b[3] - edge], label) for b, label in image] for image in OBJECTS]
    outs = first_stage(head, levels, edge)
    score_loss, box_loss, positives = proposal_loss(outs, objects, edge)
    with torch.no_grad():
        proposals = propose(outs, edge, 40, 12, 25)
    regions = []
    for image, found in enumerate(objects):
        for box in proposals[image] + [box for box, _ in found]:
            overlaps = [iou(box, other, edge) for other, _ in found]
            best = max(overlaps, default=0.0)
            owner = overlaps.index(best) if best >= 0.3 else None
            regions.append([image, *box, owner])
    pooled, ordered = pool(levels, regions, edge, rule)
    logits, offsets = head.regions(pooled)
    labels = [CLASSES if r[5] is None else objects[r[0]][r[5]][1] for r in ordered]
    region_scores = F.cross_entropy(logits, torch.tensor(labels))
    region_boxes = 0
    for row, region in enumerate(ordered):
        if region[5] is None:
            continue
        at = 0 if outputs == 1 else labels[row]
        wanted = encode(objects[region[0]][region[5]][0], region[1:5], [10, 10, 5, 5], edge)
        region_boxes = region_boxes + F.smooth_l1_loss(
            offsets[row, 4 * at : 4 * at + 4], torch.tensor(wanted, dtype=torch.float64), reduction="sum"
        )
    region_boxes = region_boxes / len(ordered)
    total = score_loss + box_loss + region_scores + region_boxes
    total.backward()
    case = {
        "lossRpnCls": stored(score_loss), "lossRpnBox": stored(box_loss),
        "lossCls": stored(region_scores), "lossBox": stored(region_boxes),
        "count positives": stored(torch.tensor([float(positives)])),
        "count regions": stored(torch.tensor([float(len(ordered))])),
        "count region positives": stored(torch.tensor([float(sum(r[5] is not None for r in ordered))])),
    }
    case |= {f"proposals {i}": stored(torch.tensor(p)) for i, p in enumerate(proposals)}
    case |= {f"gradient level{i}": stored(level.grad) for i, level in enumerate(levels)}
    case |= gradients(head) | running(head)

    head.eval()
    with torch.no_grad():
        outs = first_stage(head, levels, edge)
        proposals = propose(outs, edge, 30, 10, 20)
        pooled, ordered = pool(levels, [[i, *b] for i, p in enumerate(proposals) for b in p], edge, rule)
        logits, offsets = head.regions(pooled)
        p = logits.softmax(1)
    for image, size in enumerate(SIZES):
        found = []
        for row, region in enumerate(ordered):
            if region[0] != image:
                continue
            for label in range(CLASSES):
                if p[row, label] <= 0.2:
                    continue
                at = 0 if outputs == 1 else label
                box = decode(offsets[row, 4 * at : 4 * at + 4].tolist(), region[1:5], [10, 10, 5, 5], edge, size)
                if min(sides(box, edge)) > 0:
                    found.append((p[row, label].item(), label, box))
        rows = [
            [box[0], box[1], box[2] + edge, box[3] + edge, score, label]
            for score, label, box in suppress(found, 0.5, 15, edge)
        ]
        case[f"detections {image}"] = stored(torch.tensor(rows))
    return case


def pyramid_case():
    """P2 to P6 with batch norms after convolutions without bias; P6 is every second cell of P5."""
    widths = [8, 12, 16, 20]
    net = nn.Module()
    for level in range(2, 6):
        for name, inputs, kernel in [("lateral", widths[level - 2], 1), ("output", CHANNELS, 3)]:
            conv = nn.Conv2d(inputs, CHANNELS, kernel, padding=kernel // 2, bias=False)
            conv.norm = nn.BatchNorm2d(CHANNELS)
            setattr(net, f"{name}{level}", conv)
    fill(net).train()
    stages = [made(f"stage{i}", [4, w, 32 >> i, 64 >> i]).requires_grad_() for i, w in enumerate(widths)]
    merged = None
    levels = []
    for level in range(5, 1, -1):
        lateral, output = getattr(net, f"lateral{level}"), getattr(net, f"output{level}")
        value = lateral.norm(lateral(stages[level - 2]))
        merged = value if merged is None else value + F.interpolate(merged, scale_factor=2)
        levels.insert(0, output.norm(output(merged)))
    levels.append(levels[-1][:, :, ::2, ::2])
    probed(levels).backward()
    case = {f"level {i}": stored(level) for i, level in enumerate(levels)}
    case |= {f"gradient stage{i}": stored(stage.grad) for i, stage in enumerate(stages)}
    return case | gradients(net, 40) | running(net, 40)


def retinanet_case():
    """mmdetection's losses in the legacy convention: L1 of offsets without weights, both sums over positives."""
    head = fill(RetinaNetHead(CHANNELS, 2, 2, CLASSES, ANCHORS, 2, RATIOS, 3))
    sizes = [8, 4, 2, 1, 1]
    levels = [made(f"level{i}", [3, CHANNELS, s, s]).requires_grad_() for i, s in enumerate(sizes)]
    logits, deltas, _ = head(levels)
    logits, deltas = torch.cat(logits, 1), torch.cat(deltas, 1)
    anchors = sum([anchors_of(s, s, 8 * 2**i, ANCHORS[i], 1, 2) for i, s in enumerate(sizes)], [])
    focal = boxes = 0
    positives = 0
    for image, found in enumerate(OBJECTS):
        found = [([b[0], b[1], b[2] - 1, b[3] - 1], label) for b, label in found]
        table = [[iou(anchor, box, 1) for box, _ in found] for anchor in anchors]
        best_of = [max(row[o] for row in table) for o in range(len(found))]
        for a, row in enumerate(table):
            best = max(row, default=0.0)
            owner = row.index(best) if best > 0 else -1
            label = owner if best >= 0.5 else -1 if best < 0.4 else -2
            if any(0 < v == best_of[o] for o, v in enumerate(row)):
                label = owner
            if label == -2:
                continue
            target = torch.zeros(CLASSES, dtype=torch.float64)
            if label >= 0:
                positives += 1
                target[found[label][1]] = 1
                wanted = torch.tensor(encode(found[label][0], anchors[a], [1] * 4, 1), dtype=torch.float64)
                boxes = boxes + (deltas[image, a] - wanted).abs().sum()
            p = logits[image, a].sigmoid()
            p_t = torch.where(target > 0, p, 1 - p)
            alpha = torch.where(target > 0, 0.25, 0.75)
            focal = focal - (alpha * (1 - p_t) ** 2 * p_t.log()).sum()
    (focal / positives + boxes / positives).backward()
    case = {"lossCls": stored(focal / positives), "lossBox": stored(boxes / positives)}
    case |= {f"gradient level{i}": stored(level.grad) for i, level in enumerate(levels)}
    return case | gradients(head)


if __name__ == "__main__":
    torch.manual_seed(0)
    cases = {f"align {samples} {aligned}": align_case(samples, aligned) for samples in [0, 2] for aligned in [False, True]}
    cases["faster modern"] = faster_case(0, "group", CLASSES, (3, 2, True))
    cases["faster legacy"] = faster_case(1, "batch", CLASSES + 1, (3, 0, False))
    cases["faster shared"] = faster_case(0, "group", 1, (2, 1, True))
    cases["pyramid"] = pyramid_case()
    cases["retinanet mmdetection"] = retinanet_case()
    path = pathlib.Path(__file__).with_name("region_parity.json")
    path.write_text(json.dumps(cases, separators=(",", ":")).replace('"},"', '"},\n"') + "\n")
