#!/usr/bin/env python3
"""Images of every format written by Pillow, with the pixels that Pillow reads, composited on white."""
import io
import json
import pathlib

import numpy as np
from PIL import Image, ImageOps

rng = np.random.default_rng(3)
W, H = 7, 5
rgb = Image.fromarray(rng.integers(0, 256, (H, W, 3), dtype=np.uint8))
gray = Image.fromarray(rng.integers(0, 256, (H, W), dtype=np.uint8))
deep = Image.fromarray(rng.integers(0, 65536, (H, W), dtype=np.uint16))
bits = Image.fromarray(rng.integers(0, 2, (H, W), dtype=np.uint8) * 255).convert("1")
alpha = rgb.convert("RGBA")
alpha.putalpha(Image.fromarray(rng.integers(0, 2, (H, W), dtype=np.uint8) * 255))
palette = rgb.quantize(13)
cmyk = rgb.convert("CMYK")

def file(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()

files = {
    "bmp rgb": file(rgb, "BMP"), "bmp gray": file(gray, "BMP"), "bmp palette": file(palette, "BMP"),
    "bmp bits": file(bits, "BMP"), "bmp alpha": file(alpha, "BMP"),
    "gif palette": file(palette, "GIF"), "gif interlaced": file(gray, "GIF", interlace=1),
    "gif plain": file(gray, "GIF", interlace=0), "gif transparent": file(alpha, "GIF"),
    "gif animated": file(palette, "GIF", save_all=True, append_images=[gray.convert("P")]),
    "tiff rgb": file(rgb, "TIFF"), "tiff lzw": file(rgb, "TIFF", compression="tiff_lzw"),
    "tiff deflate": file(gray, "TIFF", compression="tiff_adobe_deflate"),
    "tiff packbits": file(rgb, "TIFF", compression="packbits"), "tiff deep": file(deep, "TIFF"),
    "tiff bits": file(bits, "TIFF"), "tiff group4": file(bits, "TIFF", compression="group4"),
    "tiff alpha": file(alpha, "TIFF"), "tiff cmyk": file(cmyk, "TIFF"),
    "tiff turned": file(rgb, "TIFF", tiffinfo={274: 6}),
    "tiff pages": file(rgb, "TIFF", save_all=True, append_images=[gray]),
    "pbm": file(bits, "PPM"), "pgm": file(gray, "PPM"), "ppm": file(rgb, "PPM"), "pgm deep": file(deep, "PPM"),
    "pgm plain": b"P2\n# plain\n3 2\n15\n0 15 7\n1 2 3\n", "ppm plain": b"P3 1 2 255\n1 2 3\n250 251 252\n",
    "pbm plain": b"P1\n3 2\n1 0 1\n0 1 0\n",
    "webp lossless": file(rgb, "WEBP", lossless=True), "webp alpha": file(alpha, "WEBP", lossless=True, exact=True),
    "webp animated": file(rgb, "WEBP", lossless=True, save_all=True, append_images=[gray.convert("RGB")]),
    "png deep": file(deep, "PNG"), "png palette": file(palette, "PNG"), "png alpha": file(alpha, "PNG"),
    "png bits": file(bits, "PNG"), "png transparent color": file(gray, "PNG", transparency=gray.getpixel((0, 0))),
}

def pixels(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        scale = 65535 if np.asarray(image).max() > 255 else 255
        values = (np.asarray(image).astype(np.int64) * 255 * 2 + scale) // (2 * scale)
        image = Image.fromarray(values.astype(np.uint8))
    if image.mode in ("RGBA", "LA", "P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    image = image.convert("RGB")
    return [image.width, image.height], image.tobytes().hex()

def case(name, data):
    size, rgb = pixels(data)
    return {"name": name, "file": data.hex(), "size": size, "rgb": rgb}


target = pathlib.Path(__file__).parents[2] / "crates/vision/tests/kinds.json"
target.write_text(json.dumps([case(name, data) for name, data in files.items()], indent=0) + "\n")
