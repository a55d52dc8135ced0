"""Makes published.json: what published architectures and spaces cost, in exact integers.

    python3 published.py NUMBERS.json > published.json

NUMBERS.json holds the lists of integers that the authors of DetNAS, Single Path One-Shot and
MMRazor published, and counts of a separate program that reproduces all rows of the official
per-operation table. Only the integers that the tests compare are kept. "official" counts include
the bias of stem and last convolution, "mmrazor" ones do not.
"""
import json
import re
import sys

NAMES = {"small-300M": "detnas-300m", "large-1.3G": "detnas-1.3g", "large-3.8G": "detnas-3.8g"}
KEYS = ("backbone_macs", "backbone_params", "classifier_macs", "classifier_params")
VARIANTS = ("official", "mmrazor")

numbers = json.load(open(sys.argv[1]))
computed = numbers["computed"]
out = {
    "architectures": [
        {
            "name": name,
            "space": NAMES[a["space"]],
            "genome": a["encoding"],
            "operations": a["names"],
            "costs": {v: {k: a["computed_at_224"][v][k] for k in KEYS} for v in VARIANTS},
        }
        for name, a in numbers["archs"].items()
    ],
    "spaces": [
        {
            "space": NAMES[space],
            "block": v,
            "size": numbers["spaces"][space]["size"],
            "supernet": computed["supernet_params"][space][v],
            "statistics": {
                k: {x: computed["space_statistics"][space][v][k][x]
                    for x in ("min", "mean", "max", "argmin", "argmax")}
                for k in ("macs", "params")
            },
        }
        for space in NAMES
        for v in VARIANTS
    ],
    "table": {
        "stem": numbers["lookup_table_300M"]["stem"],
        "lastConvAndClassifier": numbers["lookup_table_300M"]["last_conv_plus_fc"],
        "rows": [
            {"operation": r["op"], "inputs": r["cin"], "outputs": r["cout"],
             "stride": r["stride"], "side": r["side_in"], "macs": r["macs"]}
            for r in numbers["lookup_table_300M"]["rows"]
        ],
    },
    "narrowLastConv": computed["three_point_eight_G_with_1024_last"],
    "sharesWithin": {
        "detnas-300m": {
            str(int(k[:-1]) * 1000000): v
            for k, v in computed["space_statistics"]["small-300M"]["official"]["macs"][
                "share_at_or_below"].items()
        }
    },
}
out["spaces"] = sorted(out["spaces"], key=lambda s: (s["space"], s["block"]))
text = json.dumps(out, indent=1)
# One line for each list of integers.
text = re.sub(r"\[[\s\d,]+\]", lambda m: re.sub(r"\s+", "", m.group()), text)
print(text)
