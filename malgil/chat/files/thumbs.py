"""Thumbnails. A module of its own, because Pillow costs 0.1 s that who sends no image need not pay."""

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

from PIL import Image, ImageOps, UnidentifiedImageError

from malgil.chat.files.errors import FileDamaged

SIDE: Final = 320
DECODED_MOST: Final = 40_000_000
"""Pixels that are decoded for a thumbnail; a larger picture (large cameras have up to 200 million) goes without."""
PIXELS_MOST: Final = 200_000_000
"""A picture of more is a bomb for whoever looks at it, and refused."""

FORMATS: Final = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/webp": "WEBP"}
_FAULTS: Final = (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, struct.error, MemoryError)
_ROTATION: Final = 0x0112
_TURNED: Final = (5, 6, 7, 8)
_SCALED: Final = ("L", "LA", "RGB", "RGBA", "CMYK")

# Ours are the limits above, on what a header claims; Pillow's own warns, and raises only at the double.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True, slots=True)
class Picture:
    """How large it is as it is shown, and its thumbnail without any of its metadata."""

    width: int
    height: int
    thumb: bytes | None


def picture_of(file: BinaryIO, media_type: str) -> Picture:
    """The first frame, turned as its camera was. Raises FileDamaged for what no viewer could show."""
    file.seek(0)
    try:
        with Image.open(file, formats=[FORMATS[media_type]]) as image:
            width, height = image.size
            if width * height > PIXELS_MOST:
                raise FileDamaged(f"A picture may have at most {PIXELS_MOST} pixels.", code="IMAGE_TOO_LARGE")
            thumb = _thumb(image) if width * height <= DECODED_MOST else None
            # The base's own: a PNG's would decode it to look behind the pixels too.
            turned = Image.Image.getexif(image).get(_ROTATION) in _TURNED
    except _FAULTS as e:
        raise FileDamaged("The picture is damaged or cut off.") from e
    return Picture(height, width, thumb) if turned else Picture(width, height, thumb)


def _thumb(image: Image.Image) -> bytes:
    """Made small first, a JPEG while it is decoded; what else is done to it then costs next to no memory."""
    colours = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode not in _SCALED or (colours == "RGBA" and image.mode not in ("RGBA", "LA")):
        image = image.convert(colours)  # a palette's numbers, or a colour that stands for nothing, have no between
    image.thumbnail((SIDE, SIDE))
    small = ImageOps.exif_transpose(image).convert(colours)
    written = io.BytesIO()
    # A new picture of the pixels alone: nothing of EXIF, colour profile or comments goes along.
    Image.frombytes(small.mode, small.size, small.tobytes()).save(written, "WEBP", quality=80, method=4)
    return written.getvalue()
