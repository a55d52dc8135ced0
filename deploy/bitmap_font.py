"""Makes Sources/Datasets/BitmapFont+Glyphs.swift from a PSF console font.

    apt-get download fonts-spleen && dpkg -x fonts-spleen_*.deb spleen
    python3 deploy/bitmap_font.py spleen/usr/share/consolefonts/spleen-8x16.psfu.gz \
        spleen/usr/share/doc/fonts-spleen/copyright > Sources/Datasets/BitmapFont+Glyphs.swift

Written with version 1.9.1-1 of Debian's package.
"""

import base64
import gzip
import struct
import sys

font = gzip.open(sys.argv[1]).read()
magic, mode, size = struct.unpack("<HBB", font[:4])
assert magic == 0x0436 and mode & 2 and size == 16
count = 512 if mode & 1 else 256
glyphs = [font[4 + i * size:4 + (i + 1) * size] for i in range(count)]
of = {}
index = 0
table = font[4 + count * size:]
isSequence = False  # of several scalars, after 0xFFFE
for (unit,) in struct.iter_unpack("<H", table):
    if unit == 0xFFFF:
        index, isSequence = index + 1, False
    elif unit == 0xFFFE:
        isSequence = True
    elif not isSequence:
        of.setdefault(chr(unit), index)
wanted = [chr(c) for c in [*range(0x20, 0x7F), *range(0xA1, 0x100)]]
absent = [c for c in wanted if c not in of]
assert not absent, absent
text = base64.b64encode(b"".join(glyphs[of[c]] for c in wanted)).decode()

licence = open(sys.argv[2]).read().split("Files: debian/*")[0].split("Copyright: ")[1]
holder, _, terms = licence.partition("\n")
print("// The letters of `BitmapFont`; written by deploy/bitmap_font.py from Spleen 8x16, whose terms are these:")
print(f"//\n// Copyright (c) {holder}")
for line in terms.strip().split("\n")[1:]:
    line = line.strip()
    print("//" if line in (".", "") else f"// {line}")
print("\nextension BitmapFont {")
print("    /// U+0020 to U+007E, then U+00A1 to U+00FF: 16 bytes each, a row a byte, the leftmost pixel its highest bit.")
print('    static let base64 = """')
lines = [f"        {text[start:start + 100]}" for start in range(0, len(text), 100)]
print("\\\n".join(lines) + '\n        """\n}')
