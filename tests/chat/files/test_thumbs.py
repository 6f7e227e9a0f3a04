"""Thumbnails of every kind of pixel look like their pictures, and cost little memory."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from malgil.chat.files.thumbs import picture_of
from tests.chat.files.matter import picture

ROOT = Path(__file__).parents[3]
PEAK = """
import sys
from malgil.chat.files.thumbs import picture_of
from PIL import Image
import io
written = io.BytesIO()
Image.new("RGB", (7900, 5000), "red").save(written, sys.argv[1])
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")
assert picture_of(written, sys.argv[2]).thumb
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) // 1024)
"""


def drawn(mode: str, kind: str, **more: Any) -> io.BytesIO:
    with Image.open(io.BytesIO(picture(size=(1000, 800)))) as image:
        written = io.BytesIO()
        image.convert(mode).save(written, kind, **more)
    return written


@pytest.mark.parametrize(("mode", "kind"), [
    ("RGB", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("P", "GIF"), ("RGB", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "WEBP"),
    ("L", "PNG"), ("LA", "PNG"), ("1", "PNG"), ("I;16", "PNG"), ("L", "JPEG"),
])
def test_the_thumbnail_looks_like_the_picture(mode: str, kind: str) -> None:
    found = picture_of(drawn(mode, kind), f"image/{kind.lower()}")
    assert (found.width, found.height) == (1000, 800)
    assert found.thumb is not None
    with Image.open(io.BytesIO(found.thumb)) as thumb:
        assert thumb.size == (320, 256)
        first, last = (thumb.convert("RGB").getpixel(place) for place in ((20, 20), (300, 240)))
    if mode in ("RGB", "RGBA", "P", "CMYK"):
        assert (first[0] > 200, first[2] < 60, last[0] < 60, last[2] > 200) == (True,) * 4


@pytest.mark.parametrize(("mode", "transparent"), [("P", 0), ("RGB", (255, 0, 0))])
def test_a_colour_that_stands_for_nothing(mode: str, transparent: Any) -> None:
    """The red quarter of it; in a palette, where it stands first."""
    image = Image.new("P", (1000, 800), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(0, (0, 0, 500, 400))
    written = io.BytesIO()
    image.convert(mode).save(written, "PNG", transparency=transparent)
    thumb = picture_of(written, "image/png").thumb
    assert thumb is not None
    with Image.open(io.BytesIO(thumb)) as small:
        assert [small.convert("RGBA").getpixel(place)[3] for place in ((20, 20), (300, 240))] == [0, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_it_stands_upright_however_the_camera_was_held(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = picture_of(io.BytesIO(picture(kind, (1000, 800), exif=exif)), f"image/{kind.lower()}")
    assert (found.width, found.height) == ((800, 1000) if orientation >= 5 else (1000, 800))
    assert found.thumb is not None
    with Image.open(io.BytesIO(found.thumb)) as thumb:
        width, height = thumb.size
        assert (width, height) == ((256, 320) if orientation >= 5 else (320, 256))
        corners = [(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)]
        red = [thumb.convert("RGB").getpixel(corner)[0] > 128 for corner in corners]
    assert red.index(True) == {1: 0, 5: 0, 2: 1, 6: 1, 3: 2, 7: 2, 4: 3, 8: 3}[orientation]


@pytest.mark.parametrize(("kind", "most"), [("JPEG", 100), ("PNG", 260)])
def test_forty_megapixels_are_held_once_at_most(kind: str, most: int) -> None:
    command = [sys.executable, "-c", PEAK, kind, f"image/{kind.lower()}"]
    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)
    assert int(done.stdout) < most
