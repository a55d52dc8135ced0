"""Makes parity.json: what PyTorch gives for the networks of `Detectors`, and the gradients.

    python make_parity.py        (torch 2.13.0; a few seconds)

The networks are written here from their description (ShuffleNetV2, arXiv:1807.11164; DetNAS,
arXiv:1903.10979; FPN, arXiv:1612.03144; RetinaNet, arXiv:1708.02002) and share nothing with the Swift
ones but the names of parameters. Inputs and parameters are a formula of (name, index), so only results
are stored. Everything is computed in float64 from float32 inputs.
"""

import json
import math
import pathlib

import torch
from torch import nn
from torch.nn import functional as F

MASK = (1 << 64) - 1


def unit(name, count):
    """`count` numbers in [0, 1): FNV-1a of the name, then SplitMix64."""
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = ((key ^ byte) * 0x100000001B3) & MASK
    numbers = []
    for index in range(count):
        z = (key + (index + 1) * 0x9E3779B97F4A7C15) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        numbers.append(((z ^ (z >> 31)) >> 11) * 2.0**-53)
    return numbers


def made(name, shape):
    """A tensor that is a function of its name: its last word says of what kind it is."""
    count = math.prod(shape)
    u = unit(name, count)
    if name.endswith(("norm.weight", "running_var")):
        values = [0.5 + x for x in u]
    elif name.endswith(("bias", "running_mean")):
        values = [x - 0.5 for x in u]
    elif name.endswith("weight"):
        bound = 1.5 * math.sqrt(3 / math.prod(shape[1:]))
        values = [(2 * x - 1) * bound for x in u]
    else:
        values = [2 * x - 1 for x in u]
    return torch.tensor(values, dtype=torch.float32).reshape(shape).double()


def fill(module):
    for name, value in list(module.named_parameters()) + list(module.named_buffers()):
        if not name.endswith("num_batches_tracked"):
            value.data.copy_(made(name, list(value.shape)))
    return module.double()


def stored(tensor, limit=120):
    """Every k-th value (k odd), and the sum of all magnitudes; rounding about 0 is taken off."""
    values = tensor.detach().double().reshape(-1)
    values = torch.where(values.abs() < 1e-12, 0, values)
    step = 1 if len(values) <= limit else -(-len(values) // limit) | 1
    return {
        "count": len(values),
        "magnitude": float(f"{values.abs().sum().item():.9g}"),
        "step": step,
        "values": [float(f"{v:.7g}") for v in values[::step].tolist()],
    }


# --- The backbone ---------------------------------------------------------------------------------


class ConvNorm(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride=1, groups=1, relu=True):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.relu = relu

    def forward(self, x):
        x = self.norm(self.conv(x))
        return x.relu() if self.relu else x


def depthwise(channels, kernel, stride):
    return ConvNorm(channels, channels, kernel, stride, groups=channels, relu=False)


class ShuffleBlock(nn.Module):
    def __init__(self, inputs, outputs, stride, operation, method, variant="official"):
        super().__init__()
        kernel = {"shuffle_5x5": 5, "shuffle_7x7": 7}.get(operation, 3)
        middle = outputs // 2
        self.stride, self.method = stride, method
        if stride == 1:
            taken, given = inputs // 2, outputs // 2
        else:
            taken = inputs
            given = outputs - inputs if variant == "official" else outputs // 2
            self.projection = nn.Sequential(
                depthwise(inputs, kernel, 2), ConvNorm(inputs, outputs - given, 1)
            )
        if operation == "shuffle_xception":
            layers = [
                depthwise(taken, 3, stride),
                ConvNorm(taken, middle, 1),
                depthwise(middle, 3, 1),
                ConvNorm(middle, middle, 1),
                depthwise(middle, 3, 1),
                ConvNorm(middle, given, 1),
            ]
        else:
            layers = [
                ConvNorm(taken, middle, 1),
                depthwise(middle, kernel, stride),
                ConvNorm(middle, given, 1),
            ]
        self.main = nn.Sequential(*layers)

    def forward(self, x):
        if self.stride == 2:
            return torch.cat([self.projection(x), self.main(x)], 1)
        half = x.shape[1] // 2
        if self.method == 1:
            order = [c for i in range(half) for c in (i, half + i)]
            identity, main = order[:half], order[half:]
        else:
            identity, main = list(range(0, 2 * half, 2)), list(range(1, 2 * half, 2))
        return torch.cat([x[:, identity], self.main(x[:, main])], 1)


class Supernet(nn.Module):
    def __init__(self, stem, stages, path, method):
        super().__init__()
        self.stem = ConvNorm(3, stem, 3, 2)
        self.blocks = nn.ModuleList()
        self.ends = []
        inputs = stem
        for width, count in stages:
            for index in range(count):
                operation = path[len(self.blocks)]
                block = ShuffleBlock(inputs, width, 1 if index else 2, operation, method)
                self.blocks.append(nn.ModuleDict({operation: block}))
                inputs = width
            self.ends.append(len(self.blocks) - 1)

    def forward(self, x):
        x = self.stem(x)
        stages = []
        for index, block in enumerate(self.blocks):
            for operation in block.values():
                x = operation(x)
            if index in self.ends:
                stages.append(x)
        return stages


class Classifier(nn.Module):
    def __init__(self, backbone, width, last, classes):
        super().__init__()
        self.backbone = backbone
        self.last = ConvNorm(width, last, 1)
        self.linear = nn.Linear(last, classes)

    def forward(self, x):
        return self.linear(self.last(self.backbone(x)[-1]).mean((2, 3)))


# --- Pyramid and head -----------------------------------------------------------------------------


class Pyramid(nn.Module):
    def __init__(self, widths, channels, first, last):
        super().__init__()
        self.first, self.last = first, last
        for level in range(first, min(last, 5) + 1):
            setattr(self, f"lateral{level}", nn.Conv2d(widths[level - 2], channels, 1))
        for level in range(first, last + 1):
            stride = 1 if level <= 5 else 2
            setattr(self, f"output{level}", nn.Conv2d(channels, channels, 3, stride, 1))

    def forward(self, stages):
        top, merged = min(self.last, 5), {}
        for level in range(top, self.first - 1, -1):
            merged[level] = getattr(self, f"lateral{level}")(stages[level - 2])
            if level < top:
                merged[level] = merged[level] + F.interpolate(merged[level + 1], scale_factor=2)
        levels = [getattr(self, f"output{k}")(merged[k]) for k in range(self.first, top + 1)]
        if self.last >= 6:
            levels.append(self.output6(levels[-1]))
        if self.last >= 7:
            levels.append(self.output7(levels[-1].relu()))
        return levels


class Tower(nn.Sequential):
    def __init__(self, channels, count, groups):
        super().__init__()
        for index in range(count):
            layer = nn.Module()
            layer.conv = nn.Conv2d(channels, channels, 3, padding=1)
            if groups:
                layer.norm = nn.GroupNorm(groups, channels)
            self.add_module(str(index), layer)

    def forward(self, x):
        for layer in self:
            x = layer.conv(x)
            x = (layer.norm(x) if hasattr(layer, "norm") else x).relu()
        return x


class Head(nn.Module):
    """Two towers; anchors of a cell ratio by ratio, within a ratio octave step by octave step."""

    def __init__(self, channels, towers, groups, classes, sizes, octaves, ratios, first):
        super().__init__()
        self.classes, self.sizes, self.first = classes, sizes, first
        self.octaves, self.ratios = octaves, ratios
        cell = octaves * len(ratios)
        self.class_tower = Tower(channels, towers, groups)
        self.box_tower = Tower(channels, towers, groups)
        self.scores = nn.Conv2d(channels, cell * classes, 3, padding=1)
        self.offsets = nn.Conv2d(channels, cell * 4, 3, padding=1)

    def forward(self, levels):
        logits, deltas, anchors = [], [], []
        for index, level in enumerate(levels):
            n, _, h, w = level.shape
            scores = self.scores(self.class_tower(level)).permute(0, 2, 3, 1)
            offsets = self.offsets(self.box_tower(level)).permute(0, 2, 3, 1)
            logits.append(scores.reshape(n, -1, self.classes))
            deltas.append(offsets.reshape(n, -1, 4))
            stride = 2 ** (self.first + index)
            anchors.append(grid(h, w, stride, self.sizes[index], self.octaves, self.ratios))
        return logits, deltas, anchors


def grid(height, width, stride, size, octaves, ratios):
    boxes = []
    for y in range(height):
        for x in range(width):
            for ratio in ratios:
                for step in range(octaves):
                    area = (size * 2 ** (step / octaves)) ** 2
                    w = math.sqrt(area / ratio)
                    h = w * ratio
                    cx, cy = (x + 0.5) * stride, (y + 0.5) * stride
                    boxes.append([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])
    return boxes


def iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])
    return w * h / (area(a) + area(b) - w * h)


def match(anchors, objects, foreground, background):
    """-1 background, -2 ignored, else the object; and how many only an object's own best gave."""
    table = [[iou(anchor, box) for box in objects] for anchor in anchors]
    best_of = [max(row[o] for row in table) for o in range(len(objects))]
    result, kept = [], 0
    for row in table:
        best = max(row, default=0.0)
        known = row.index(best) if best > 0 else -1
        label = known if best >= foreground else -1 if best < background else -2
        if label < 0 and any(0 < v == best_of[o] for o, v in enumerate(row)):
            label, kept = known, kept + 1
        result.append(label)
    return result, kept


def encode(box, anchor):
    aw, ah, bw, bh = anchor[2] - anchor[0], anchor[3] - anchor[1], box[2] - box[0], box[3] - box[1]
    return [
        10 * ((box[0] + box[2]) / 2 - (anchor[0] + anchor[2]) / 2) / aw,
        10 * ((box[1] + box[3]) / 2 - (anchor[1] + anchor[3]) / 2) / ah,
        5 * math.log(bw / aw),
        5 * math.log(bh / ah),
    ]


def retinanet_loss(outputs, images, counts):
    """Focal loss over positives + images, smooth L1 (beta 0.11) over 4 x positives."""
    logits, deltas, anchors = outputs
    logits, deltas, anchors = torch.cat(logits, 1), torch.cat(deltas, 1), sum(anchors, [])
    focal = box_loss = 0
    positives = 0
    for image, objects in enumerate(images):
        matches, kept = match(anchors, [box for box, _ in objects], 0.5, 0.4)
        counts["ignored"] += matches.count(-2)
        counts["kept"] += kept
        for anchor, found in enumerate(matches):
            if found == -2:
                continue
            target = torch.zeros(logits.shape[2], dtype=torch.float64)
            if found >= 0:
                positives += 1
                box, label = objects[found]
                target[label] = 1
                wanted = torch.tensor(encode(box, anchors[anchor]), dtype=torch.float64)
                distance = (deltas[image, anchor] - wanted).abs()
                small = distance < 0.11
                box_loss = box_loss + torch.where(
                    small, distance**2 / 0.22, distance - 0.055
                ).sum()
            p = logits[image, anchor].sigmoid()
            p_t = torch.where(target > 0, p, 1 - p)
            alpha = torch.where(target > 0, 0.25, 0.75)
            focal = focal - (alpha * (1 - p_t) ** 2 * p_t.log()).sum()
    counts["positives"] = positives
    return focal / (positives + len(images)), box_loss / max(1, 4 * positives)


def detections(outputs, image, size, score, per_level, overlap, limit):
    """Rows of x1 y1 x2 y2 score label, best first."""
    logits, deltas, anchors = outputs
    candidates = []
    for level_logits, level_deltas, level_anchors in zip(logits, deltas, anchors):
        p = level_logits[image].sigmoid()
        above = [(p[a, c].item(), a, c) for a, c in torch.nonzero(p > score).tolist()]
        for value, a, c in sorted(above, key=lambda found: -found[0])[:per_level]:
            x1, y1, x2, y2 = level_anchors[a]
            dx, dy, dw, dh = level_deltas[image, a].tolist()
            w, h = x2 - x1, y2 - y1
            cx, cy = x1 + w / 2 + dx / 10 * w, y1 + h / 2 + dy / 10 * h
            w *= math.exp(min(dw / 5, math.log(1000 / 16)))
            h *= math.exp(min(dh / 5, math.log(1000 / 16)))
            clip = lambda v, top: min(max(v, 0.0), top)
            box = [
                clip(cx - w / 2, size[0]),
                clip(cy - h / 2, size[1]),
                clip(cx + w / 2, size[0]),
                clip(cy + h / 2, size[1]),
            ]
            if box[2] > box[0] and box[3] > box[1]:
                candidates.append((value, box, c))
    kept = []
    for value, box, label in sorted(candidates, key=lambda found: -found[0]):
        if len(kept) == limit:
            break
        if all(other[5] != label or iou(other[:4], box) <= overlap for other in kept):
            kept.append(box + [value, label])
    return kept


# --- Cases ----------------------------------------------------------------------------------------

OPERATIONS = ["shuffle_3x3", "shuffle_5x5", "shuffle_7x7", "shuffle_xception"]


def gradients(module, limit=120):
    return {
        f"gradient {name}": stored(value.grad, limit)
        for name, value in module.named_parameters()
        if value.grad is not None
    }


def running(module, limit=120):
    return {
        name: stored(value, limit) for name, value in module.named_buffers() if "running" in name
    }


def probed(tensors):
    """A scalar that depends on every element differently."""
    return sum((t * made(f"probe{i}", list(t.shape))).sum() for i, t in enumerate(tensors))


def block_case(operation, stride, method, variant):
    inputs, outputs, side = (8, 8, 6) if stride == 1 else (4, 12, 7)
    case = {}
    for mode in ["training", "evaluation"]:
        block = fill(ShuffleBlock(inputs, outputs, stride, operation, method, variant))
        block.train(mode == "training")
        x = made("input", [2, inputs, side, side]).requires_grad_()
        y = block(x)
        probed([y]).backward()
        results = {"output": stored(y), "gradient input": stored(x.grad)} | gradients(block)
        if mode == "training":
            results |= running(block)
        case |= {f"{mode} {name}": value for name, value in results.items()}
    return case


PATH = ["shuffle_7x7", "shuffle_xception", "shuffle_xception", "shuffle_5x5", "shuffle_3x3", "shuffle_7x7"]
STAGES = [(16, 2), (24, 1), (32, 2), (48, 1)]


def supernet_case(method):
    # Where gradients nearly cancel, float32 is no measure: PyTorch's own differs from float64 by up to 3e-5.
    # These two inputs are the best conditioned of 60 (6e-6).
    name = {1: "input0", 2: "input4"}[method]
    case = {}
    for mode in ["training", "evaluation"]:
        net = fill(Supernet(8, STAGES, PATH, method))
        net.train(mode == "training")
        x = made(name, [2, 3, 64, 96]).requires_grad_()
        stages = net(x)
        probed(stages).backward()
        results = {f"stage {i}": stored(s) for i, s in enumerate(stages)}
        results |= {"gradient input": stored(x.grad)} | gradients(net, 40)
        if mode == "training":
            results |= running(net, 40)
        case |= {f"{mode} {name}": value for name, value in results.items()}
    return case


def classifier_case():
    case = {}
    for mode in ["training", "evaluation"]:
        net = fill(Classifier(Supernet(8, STAGES, PATH, 1), 48, 20, 5))
        net.train(mode == "training")
        logits = net(made("input", [3, 3, 64, 96]))
        loss = F.cross_entropy(logits, torch.tensor([4, 0, 2]), label_smoothing=0.1)
        results = {"logits": stored(logits), "loss": stored(loss)}
        loss.backward()
        # The backbone's own gradients are the supernet case's.
        results |= {k: v for k, v in gradients(net).items() if "backbone" not in k}
        case |= {f"{mode} {name}": value for name, value in results.items()}
    return case


def pyramid_case(first, last):
    widths = [8, 12, 16, 20]
    net = fill(Pyramid(widths, 8, first, last))
    stages = [
        made(f"stage{i}", [1, width, 32 >> i, 64 >> i]).requires_grad_()
        for i, width in enumerate(widths)
    ]
    levels = net(stages)
    probed(levels).backward()
    case = {f"level {first + i}": stored(level) for i, level in enumerate(levels)}
    for i, stage in enumerate(stages):
        if stage.grad is not None:
            case[f"gradient stage {i}"] = stored(stage.grad)
    return case | gradients(net)


def head(groups):
    return fill(Head(8, 2, groups, 3, [8, 16, 32, 64, 128], 2, [0.5, 1, 2], 3))


def level_inputs(images):
    sides = [8, 4, 2, 1, 1]
    return [
        made(f"level{i}", [images, 8, side, side]).requires_grad_() for i, side in enumerate(sides)
    ]


IMAGES = [
    [((4.0, 6.0, 30.5, 28.25), 0), ((20.25, 17.5, 58.0, 60.75), 2), ((40.5, 2.75, 44.25, 7.5), 1)],
    [],
    [((10.5, 12.25, 40.75, 33.0), 1)],
]


def loss_case(groups):
    net, levels = head(groups), level_inputs(3)
    counts = {"ignored": 0, "kept": 0, "positives": 0}
    outputs = net(levels)
    focal, box = retinanet_loss(outputs, IMAGES, counts)
    (focal + box).backward()
    case = {"lossCls": stored(focal), "lossBox": stored(box)}
    case["gradient levels"] = stored(torch.cat([level.grad.reshape(-1) for level in levels]), 400)
    for name, value in counts.items():
        case[f"count {name}"] = stored(torch.tensor([float(value)]))
    return case | gradients(net)


def detect_case():
    net, levels = head(2), level_inputs(2)
    outputs = net(levels)
    case = {}
    for image, size in enumerate([(64.0, 64.0), (60.5, 50.0)]):
        rows = detections(outputs, image, size, 0.4, 50, 0.4, 40)
        case[f"image {image}"] = stored(torch.tensor(rows, dtype=torch.float64), 10_000)
    return case


def main():
    cases = {}
    for operation in OPERATIONS:
        for stride in [1, 2]:
            for method in [1, 2]:
                name = f"block {operation} stride {stride} method {method}"
                cases[name] = block_case(operation, stride, method, "official")
    cases["block mmrazor"] = block_case("shuffle_5x5", 2, 1, "mmrazor")
    for method in [1, 2]:
        cases[f"supernet method {method}"] = supernet_case(method)
    cases["classifier"] = classifier_case()
    cases["pyramid 3 to 7"] = pyramid_case(3, 7)
    cases["pyramid 2 to 4"] = pyramid_case(2, 4)
    cases["anchors"] = {
        "boxes": stored(torch.tensor(grid(2, 3, 16, 64.0, 3, [0.5, 1, 2]), dtype=torch.float64))
    }
    cases["retinanet group norm"] = loss_case(2)
    cases["retinanet no norm"] = loss_case(None)
    cases["detect"] = detect_case()
    target = pathlib.Path(__file__).with_name("parity.json")
    lines = [f"{json.dumps(name)}: {json.dumps(case, separators=(',', ':'))}" for name, case in cases.items()]
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(torch.__version__, target.stat().st_size, "bytes")
    for name in ["retinanet group norm", "detect"]:
        print(name, {k: (v["count"], v["values"][:2]) for k, v in cases[name].items() if "gradient" not in k})


if __name__ == "__main__":
    main()
