"""Makes the checkpoints of PyTorchArchiveTests and SafeTensorsTests, each with a manifest.

torch 2.13.0, safetensors 0.8.0; run in this folder: python make_checkpoints.py
"""

import collections
import hashlib
import json

import torch
from safetensors.torch import save_file

generator = torch.Generator().manual_seed(20)


def random(*shape, dtype=torch.float32):
    return torch.randn(*shape, generator=generator).to(dtype)


def whole(*shape, dtype):
    return torch.randint(0, 100, shape, generator=generator).to(dtype)


base = random(4, 6)
views = collections.OrderedDict(
    [
        ("whole", base),
        ("transposed", base.t()),
        ("rows", base[1:3]),
        ("columns", base[:, 1::2]),
        ("permuted", random(2, 3, 4).permute(2, 0, 1)),
        ("channels_last", random(2, 3, 4, 5).to(memory_format=torch.channels_last)),
        ("expanded", random(3, 1).expand(3, 4)),
        ("element", base[2, 3]),
        ("empty", random(0, 3)),
        ("parameter", torch.nn.Parameter(random(5))),
    ]
)
types = collections.OrderedDict(
    [
        ("float64", random(3, dtype=torch.float64)),
        ("float32", random(3)),
        ("float16", random(3, 5, dtype=torch.float16).t()),
        ("bfloat16", random(3, 5, dtype=torch.bfloat16).t()),
        ("int64", whole(3, dtype=torch.int64)),
        ("int32", whole(3, dtype=torch.int32)),
        ("int16", whole(3, dtype=torch.int16)),
        ("int8", whole(3, dtype=torch.int8)),
        ("uint8", whole(3, dtype=torch.uint8)),
        ("bool", whole(3, 2, dtype=torch.uint8).bitwise_and(1).bool().t()),
        ("scalar", torch.tensor(-7)),
    ]
)
network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
for parameter in network.parameters():
    parameter.data = random(*parameter.shape)
optimizer = torch.optim.AdamW(network.parameters())
network(random(2, 1, 4, 4)).square().sum().backward()
optimizer.step()
training = {
    "epoch": 3,
    "loss": [1.5, 0.25],
    "device": torch.device("cpu"),
    "dtype": torch.float32,
    "size": torch.Size([1, 2]),
    "optimizer": optimizer.state_dict(),
    "state_dict": network.state_dict(),
}
nested = {"backbone": {"stem": {"weight": base}, 0: base[0]}, "note": "text", "head": {"bias": base[:, 0]}}


def manifest(name, tensors):
    entries = []
    for key, tensor in tensors.items():
        data = tensor.detach().contiguous().clone().flatten().view(torch.uint8)
        entries.append(
            {
                "name": key,
                "dtype": str(tensor.dtype).removeprefix("torch."),
                "shape": list(tensor.shape),
                "sha256": hashlib.sha256(bytes(data.tolist())).hexdigest(),
            }
        )
    with open(f"{name}.json", "w") as file:
        json.dump(entries, file, indent=0)
        file.write("\n")


def flatten(tree, path=()):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, path + (str(key),))
        elif isinstance(value, torch.Tensor):
            yield ".".join(path + (str(key),)), value


def save(name, value, tensors, **options):
    torch.save(value, f"{name}.pth", **options)
    manifest(name, tensors)


save("views", views, views)
save("views_legacy", views, views, _use_new_zipfile_serialization=False)
save("types", types, types, pickle_protocol=4)
save("types_legacy", types, types, _use_new_zipfile_serialization=False, pickle_protocol=3)
save("training", training, network.state_dict())
save("nested", nested, dict(flatten(nested)))

stored = {key: value.detach().contiguous().clone() for key, value in types.items()}
save_file(stored, "types.safetensors", metadata={"kind": "fixture", 'a "quoted" key': "ä\n\U0001f600"})
