"""Makes sizes.json: multiply-adds at image sizes that 32 does not divide, from PyTorch.

    python3 sizes.py > sizes.json            (torch 2.13.0; tensors on the meta device)

Every convolution is a real torch.nn.Conv2d that meets the real shapes; a multiply-add is counted
for each weight of a filter and each output element.
"""
import json
import random

import torch
from torch import nn

SPACES = {
    "detnas-mini": (16, [24, 48, 96, 160], [2, 3, 5, 2], 256),
    "detnas-300m": (16, [64, 160, 320, 640], [4, 4, 8, 4], 1024),
}


class Counter:
    def __init__(self):
        self.macs = 0
        self.params = 0

    def conv(self, x, out, kernel, stride=1, depthwise=False):
        groups = x.shape[1] if depthwise else 1
        layer = nn.Conv2d(x.shape[1], out, kernel, stride, kernel // 2, groups=groups, bias=False,
                          device="meta")
        y = layer(x)
        self.macs += y.numel() * layer.weight[0].numel()
        norm = nn.BatchNorm2d(out, device="meta")
        self.params += layer.weight.numel() + norm.weight.numel() + norm.bias.numel()
        return norm(y)

    def block(self, x, choice, out, stride):
        k = (3, 5, 7, 3)[choice]
        c = x.shape[1]
        if stride == 2:
            left = self.conv(self.conv(x, c, k, 2, True), c, 1)
            right, wanted = x, out - c
        else:
            left, right = x.chunk(2, 1)
            wanted = out // 2
        mid = out // 2
        if choice == 3:
            right = self.conv(right, right.shape[1], 3, stride, True)
            right = self.conv(right, mid, 1)
            right = self.conv(self.conv(right, mid, 3, 1, True), mid, 1)
            right = self.conv(self.conv(right, mid, 3, 1, True), wanted, 1)
        else:
            right = self.conv(self.conv(right, mid, 1), mid, k, stride, True)
            right = self.conv(right, wanted, 1)
        return torch.cat([left, right], 1)


rows = []
for name, (stem, widths, blocks, last) in SPACES.items():
    for height, width in [(224, 224), (225, 223), (160, 192), (193, 161), (33, 1), (800, 1333)]:
        genome = random.Random(height).choices(range(4), k=sum(blocks))
        counter = Counter()
        letters = iter(genome)
        x = counter.conv(torch.empty(2, 3, height, width, device="meta")[:1], stem, 3, 2)
        for out, count in zip(widths, blocks):
            for index in range(count):
                x = counter.block(x, next(letters), out, 2 if index == 0 else 1)
        macs, params = counter.macs, counter.params
        counter.conv(x, last, 1)
        linear = nn.Linear(last, 3, device="meta")
        rows.append({
            "space": name, "height": height, "width": width, "classes": 3,
            "genome": ",".join(map(str, genome)), "last": list(x.shape[2:]),
            "macs": macs, "params": params,
            "classifierMacs": counter.macs + linear.weight.numel(),
            "classifierParams": counter.params + linear.weight.numel() + linear.bias.numel(),
        })
print("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]")
