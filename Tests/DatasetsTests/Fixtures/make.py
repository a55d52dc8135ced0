"""Makes the pictures beside it and prints the numbers that the tests hold (Pillow 13.0.0, numpy).

Run in this folder. Pictures are tiny and smooth, so that a decoder's choices (IDCT, upsampling of
colour) change a level by a few at most.
"""

import numpy as np
from PIL import Image, ImageOps

Y, X = np.mgrid[0:36, 0:48].astype(float)
scene = np.stack(
    [5 * X, 6 * Y, 120 + 100 * np.sin(X / 9) * np.cos(Y / 7)], axis=-1
).clip(0, 255).astype(np.uint8)
rgb = Image.fromarray(scene)


def save(image, name, **options):
    image.save(name, **options)
    return Image.open(name)


def probe(name, image):
    a = np.asarray(image.convert("RGB")).astype(int)
    points = [(0, 0), (5, 40), (20, 7), (-1, -1)]
    print(name, a.shape[:2], [a[p].tolist() for p in points])


probe("rgb.jpg", save(rgb, "rgb.jpg", quality=95, subsampling=0))
probe("progressive.jpg", save(rgb, "progressive.jpg", quality=95, progressive=True))
probe("grey.jpg", save(rgb.convert("L"), "grey.jpg", quality=95))
probe("cmyk.jpg", save(rgb.convert("CMYK"), "cmyk.jpg", quality=95))

# Eight ways to store one picture: 4 x 3 blocks of plain colour, white at the upper left.
blocks = np.full((24, 32, 3), 60, np.uint8)
blocks[:8, :8] = 255
blocks[16:, 24:] = (200, 30, 30)
upright = Image.fromarray(blocks)
T = Image.Transpose
stored = {1: None, 2: T.FLIP_LEFT_RIGHT, 3: T.ROTATE_180, 4: T.FLIP_TOP_BOTTOM, 5: T.TRANSPOSE,
          6: T.ROTATE_90, 7: T.TRANSVERSE, 8: T.ROTATE_270}
for value, way in stored.items():
    exif = Image.Exif()
    exif[0x0112] = value
    image = upright if way is None else upright.transpose(way)
    image.save(f"exif{value}.jpg", quality=90, subsampling=0, exif=exif)
    seen = np.asarray(ImageOps.exif_transpose(Image.open(f"exif{value}.jpg"))).astype(int)
    assert np.abs(seen - blocks).max() < 12

probe("rgb.png", save(rgb, "rgb.png"))
probe("grey.png", save(rgb.convert("L"), "grey.png"))
probe("palette.png", save(rgb.quantize(16), "palette.png"))
alpha = rgb.copy()
alpha.putalpha(Image.fromarray((4 * X).clip(0, 255).astype(np.uint8)))
probe("alpha.png", save(alpha, "alpha.png"))
probe("la.png", save(alpha.convert("LA"), "la.png"))
bilevel = save(rgb.convert("1"), "bilevel.png")
probe("bilevel.png", bilevel)


def chunk(kind, data):
    import struct
    import zlib

    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(name, width, height, depth, colour, interlaced, rows):
    import struct
    import zlib

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    with open(name, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header))
        file.write(chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


# Pillow writes neither: 16 bits a channel, and Adam7.
wide = (scene.astype(np.uint16) * 257).astype(">u2")
png("deep.png", 48, 36, 16, 2, 0, b"".join(b"\0" + row.tobytes() for row in wide))
passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
          (0, 1, 1, 2)]
png("interlaced.png", 48, 36, 8, 2, 1, b"".join(
    b"\0" + row.tobytes() for x, y, dx, dy in passes for row in scene[y::dy, x::dx]))
probe("interlaced.png", Image.open("interlaced.png"))

# A header that promises 60000 x 60000 pixels, and nothing behind it.
png("bomb.png", 60000, 60000, 8, 2, 0, b"\0" * 100)

# Resizing: whole pictures and parts, smaller and larger.
for name, size, box in [("half", (24, 18), None), ("odd", (17, 29), None), ("tiny", (5, 4), None),
                        ("large", (70, 50), None), ("part", (12, 10), (7, 5, 40, 31))]:
    part = rgb if box is None else rgb.crop(box)
    part.resize(size, Image.Resampling.BILINEAR).save(f"resize_{name}.png")

# Evaluation: the short side to 20, then the centre 16 x 16, as torchvision does it.
small = rgb.resize((int(20 * 48 / 36), 20), Image.Resampling.BILINEAR)
left, top = round((small.width - 16) / 2), round((small.height - 16) / 2)
small.crop((left, top, left + 16, top + 16)).save("centre.png")


# Colour jitter, as torchvision's functional_tensor has it for floating point, on four pixels.
def blend(a, b, factor):
    return np.clip(factor * a + (1 - factor) * b, 0, 255)


def grey(a):
    return (a @ np.array([0.2989, 0.587, 0.114]))[:, None]


pixels = np.array([[10, 200, 30], [250, 240, 5], [0, 0, 0], [90, 60, 120]], float)
a = blend(pixels, 0, 1.3)
a = blend(a, grey(a), 0.7)
a = blend(a, grey(a).mean(), 1.25)
print("brightness 1.3, saturation 0.7, contrast 1.25:", np.round(a, 3).ravel().tolist())
