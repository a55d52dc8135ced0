"""Makes the .pth files of CheckpointImportTests.swift: small networks with the names of three code bases, random
weights, and what each network answers.

torch 2.13.0; run in this folder: python make_networks.py
"""

import json

import torch
from torch import nn

STEM, STAGES, LAST, CLASSES = 4, [(8, 1), (12, 2), (16, 1), (24, 1)], 16, 5
KERNELS = [3, 5, 7, 3]
XCEPTION = 3
torch.manual_seed(190310979)


def conv(inputs, outputs, kernel=1, stride=1, groups=1, bias=False):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias)


def branch(operation, inputs, outputs, middle, stride):
    """The main branch as (convolution, followed by ReLU) pairs."""
    kernel = KERNELS[operation]
    if operation != XCEPTION:
        return [
            (conv(inputs, middle), True),
            (conv(middle, middle, kernel, stride, middle), False),
            (conv(middle, outputs), True),
        ]
    return [
        (conv(inputs, inputs, 3, stride, inputs), False),
        (conv(inputs, middle), True),
        (conv(middle, middle, 3, 1, middle), False),
        (conv(middle, middle), True),
        (conv(middle, middle, 3, 1, middle), False),
        (conv(middle, outputs), True),
    ]


def projection(operation, inputs, outputs):
    return [(conv(inputs, inputs, KERNELS[operation], 2, inputs), False), (conv(inputs, outputs), True)]


def numbered(pairs):
    """A list of layers whose names are their places, as OneShot and torchvision have it."""
    layers = []
    for layer, relu in pairs:
        layers += [layer, nn.BatchNorm2d(layer.out_channels)] + [nn.ReLU()] * relu
    return nn.Sequential(*layers)


def told(pairs, name, suffixes):
    """Parts of up to two convolutions, named as in DetNAS; the last ReLU is the caller's."""
    parts, current = [], None
    for (layer, _), suffix in zip(pairs, suffixes):
        isDepthwise = layer.groups > 1
        if isDepthwise or current is None or suffix != previous:
            current = nn.Sequential()
            parts.append(current)
        previous = suffix
        full = f"interstellar{name}{suffix}" + ("_s" if isDepthwise else "")
        norm = f"{full}_bn" if isDepthwise else f"bn{name}{suffix}"
        current.add_module(full, layer)
        current.add_module(norm, nn.BatchNorm2d(layer.out_channels))
        if not isDepthwise:
            current.add_module(f"relu{name}{suffix}", nn.ReLU())
    return parts


def halves(x, method):
    if method == 2:
        return x[:, 0::2], x[:, 1::2]
    x = torch.stack(x.chunk(2, 1), 2).flatten(1, 2)
    return x.chunk(2, 1)


class OneShotBlock(nn.Module):
    def __init__(self, operation, inputs, outputs, stride, place, method):
        super().__init__()
        self.method = method
        own = inputs if stride == 2 else inputs // 2
        made = outputs - own
        self.branch_main = numbered(branch(operation, own, made, outputs // 2, stride))
        self.branch_proj = numbered(projection(operation, inputs, inputs)) if stride == 2 else None

    def forward(self, x):
        if self.branch_proj is None:
            kept, x = halves(x, self.method)
        else:
            kept = self.branch_proj(x)
        return torch.cat([kept, self.branch_main(x)], 1)


class DetNASBlock(nn.Module):
    WORDS = ["shufflenet_3x3", "shufflenet_5x5", "shufflenet_7x7", "xception_3x3"]

    def __init__(self, operation, inputs, outputs, stride, place, method):
        super().__init__()
        self.method = method
        own = inputs if stride == 2 else inputs // 2
        main = branch(operation, own, outputs - own, outputs // 2, stride)
        letters = "aabbcc" if operation == XCEPTION else "abb"
        suffixes = [f"_branch2{letter}" for letter in letters]
        self.conv = nn.Sequential(*told(main, f"{place}_{self.WORDS[operation]}", suffixes))
        self.proj_conv = (
            told(projection(operation, inputs, inputs), f"{place}_proj", ["", ""])[0] if stride == 2 else None
        )

    def forward(self, x):
        if self.proj_conv is None:
            kept, x = halves(x, self.method)
        else:
            kept = self.proj_conv(x)
        return torch.cat([kept, self.conv(x)], 1)


class TorchvisionBlock(nn.Module):
    def __init__(self, operation, inputs, outputs, stride, place, method):
        super().__init__()
        half = outputs // 2
        self.branch1 = numbered(projection(operation, inputs, half)) if stride == 2 else nn.Sequential()
        self.branch2 = numbered(branch(operation, inputs if stride == 2 else half, half, half, stride))
        self.stride = stride

    def forward(self, x):
        kept, x = (self.branch1(x), x) if self.stride == 2 else x.chunk(2, 1)
        x = torch.cat([kept, self.branch2(x)], 1)
        return torch.stack(x.chunk(2, 1), 2).flatten(1, 2)


class Network(nn.Module):
    """Names of `scheme`; a genome builds one path, none builds all choices."""

    def __init__(self, scheme, block, method, genome=None):
        super().__init__()
        self.scheme, self.places = scheme, []
        inputs, stages = STEM, []
        for stage, (outputs, count) in enumerate(STAGES):
            blocks = []
            for index in range(count):
                place = f"{stage + 1}{chr(ord('a') + index)}"
                number = len(self.places)
                self.places.append((stage, index))

                def make(operation):
                    return block(operation, inputs, outputs, 2 if index == 0 else 1, place, method)

                blocks.append(
                    nn.ModuleList([make(o) for o in range(4)]) if genome is None else make(genome[number])
                )
                inputs = outputs
            stages.append(blocks)
        if scheme == "torchvision":
            for stage, blocks in enumerate(stages):
                self.add_module(f"stage{stage + 1}", nn.Sequential(*blocks))
            self.conv1 = numbered([(conv(3, STEM, 3, 2), True)])
            self.conv5 = numbered([(conv(inputs, LAST), True)])
            self.fc = nn.Linear(LAST, CLASSES)
        elif scheme == "oneshot":
            self.first_conv = numbered([(conv(3, STEM, 3, 2), True)])
            self.features = nn.Sequential(*sum(stages, []))
            self.conv_last = numbered([(conv(inputs, LAST), True)])
            self.classifier = nn.Sequential(nn.Linear(LAST, CLASSES, bias=False))
        else:
            self.first_conv = nn.ModuleDict({"conv": conv(3, STEM, 3, 2, bias=True), "bn": nn.BatchNorm2d(STEM)})
            self.features = nn.Sequential(*sum(stages, []))
            self.last_conv = nn.ModuleDict({"conv": conv(inputs, LAST, bias=True), "bn": nn.BatchNorm2d(LAST)})
            self.fc = nn.ModuleDict({"fc": nn.Linear(LAST, CLASSES)})
        for name, tensor in list(self.named_parameters()) + list(self.named_buffers()):
            if name.endswith("num_batches_tracked"):
                tensor.fill_(7)
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif tensor.dim() == 1:
                tensor.data.uniform_(-1, 1)
            else:
                tensor.data.normal_(0, tensor[0].numel() ** -0.5)

    def forward(self, x, path=None):
        def norm(pair, x):
            return pair["bn"](pair["conv"](x)).relu()

        is_detnas = self.scheme == "detnas"
        is_torchvision = self.scheme == "torchvision"
        x = self.conv1(x) if is_torchvision else norm(self.first_conv, x) if is_detnas else self.first_conv(x)
        for number, (stage, index) in enumerate(self.places):
            block = getattr(self, f"stage{stage + 1}")[index] if is_torchvision else self.features[number]
            x = block(x) if path is None else block[path[number]](x)
        x = self.conv5(x) if is_torchvision else norm(self.last_conv, x) if is_detnas else self.conv_last(x)
        x = x.mean([2, 3])
        return self.fc(x) if is_torchvision else self.fc["fc"](x) if is_detnas else self.classifier(x)


def image():
    """The pixels that the tests feed: a function of their place."""
    channel, y, x = torch.meshgrid(*(torch.arange(size) for size in (3, 64, 64)), indexing="ij")
    return ((7919 * channel + 104 * y + 31 * x) % 256 / 255).unsqueeze(0)


GENOME = [2, 3, 3, 1, 0]
PATHS = [[3, 2, 1, 0, 1], [0, 1, 2, 3, 3]]
answers = {}


@torch.no_grad()
def save(name, network, paths, wrap, legacy):
    network.eval()
    state = network.state_dict()
    torch.save(wrap(state), f"{name}.pth", _use_new_zipfile_serialization=not legacy)
    network.double()
    answers[name] = [
        {"genome": path or GENOME, "logits": network(image().double(), path)[0].tolist()} for path in paths
    ]


def parallel(state):
    return {"epoch": 3, "state_dict": {f"module.{key}": value for key, value in state.items()}}


with torch.no_grad():
    for legacy in (False, True):
        end = "_legacy" if legacy else ""
        save(f"oneshot_subnet{end}", Network("oneshot", OneShotBlock, 2, GENOME), [None], dict, legacy)
        save(f"detnas_subnet{end}", Network("detnas", DetNASBlock, 2, GENOME), [None], parallel, legacy)
    save("oneshot_supernet", Network("oneshot", OneShotBlock, 2), PATHS, dict, False)
    save("detnas_supernet", Network("detnas", DetNASBlock, 1), PATHS, parallel, False)
    save("torchvision_subnet", Network("torchvision", TorchvisionBlock, 1, [0] * 5), [None], dict, False)
answers["torchvision_subnet"][0]["genome"] = [0] * 5
with open("networks.json", "w") as file:
    json.dump(answers, file, indent=None)
    file.write("\n")
