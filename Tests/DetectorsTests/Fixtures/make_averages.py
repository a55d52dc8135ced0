"""Makes averages.json: the running statistics that the official recalibration gives, by PyTorch's own batch norms.

    python make_averages.py        (torch 2.13.0; a second)

All running means 0 and variances 1, then three batches of unequal size in training mode with momentum 0.1, without
gradients. The network and its inputs are make_parity.py's; the batches are called batch0, batch1 and batch2.
"""

import json
import pathlib

import torch
from torch import nn

from make_parity import PATH, STAGES, Supernet, fill, made, stored

net = nn.Module()
net.backbone = Supernet(8, STAGES, PATH, 1)
fill(net)
for module in net.modules():
    if isinstance(module, nn.BatchNorm2d):
        module.reset_running_stats()
        module.momentum = 0.1
net.train()
with torch.no_grad():
    for index, count in enumerate([4, 3, 2]):
        net.backbone(made(f"batch{index}", [count, 3, 64, 64]))
case = {
    name: stored(value)
    for name, value in net.named_buffers()
    if not name.endswith("num_batches_tracked")
}
path = pathlib.Path(__file__).with_name("averages.json")
path.write_text(json.dumps({"averages": case}, separators=(",", ":")) + "\n")
