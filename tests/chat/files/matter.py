"""Pictures and forms for the tests of files, some of them ill-willed."""

import io
import struct
import zlib
from typing import Any

import httpx
from PIL import Image

from malgil.chat.model import Session

RED, BLUE = (255, 0, 0), (0, 0, 255)


def picture(kind: str = "PNG", size: tuple[int, int] = (64, 48), **more: Any) -> bytes:
    """A picture whose upper left quarter is red, the rest blue."""
    image = Image.new("RGB", size, BLUE)
    image.paste(RED, (0, 0, size[0] // 2, size[1] // 2))
    written = io.BytesIO()
    image.save(written, kind, **more)
    return written.getvalue()


def turned_jpeg() -> bytes:
    """640 × 480 as it lies in the file; the camera was held upright (orientation 6), and says where it was."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "SECRET PLACE"
    return picture("JPEG", (640, 480), exif=exif, comment=b"SECRET COMMENT")


def animation() -> bytes:
    """A GIF: red first, then blue."""
    frames = [Image.new("RGB", (40, 40), colour) for colour in (RED, BLUE)]
    written = io.BytesIO()
    frames[0].save(written, "GIF", save_all=True, append_images=frames[1:])
    return written.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be so large, and is as far as it goes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1000 * (1 + (width + 7) // 8)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def path_of(session: Session) -> str:
    return f"/api/chat/sessions/{session.session_id}/files"


async def send(
    client: httpx.AsyncClient, session: Session, content: bytes, name: str = "a.bin", message: str | None = None,
    **headers: str,
) -> httpx.Response:
    """Upload the content, called so, and declared as something that it never is."""
    return await client.post(
        path_of(session), files={"file": (name, content, "application/x-declared")},
        data={} if message is None else {"message": message}, headers=headers,
    )


def form(*parts: tuple[str, bytes], boundary: str = "b", end: bool = True) -> tuple[bytes, dict[str, str]]:
    """A body by hand, of (headers, content), and the headers to send it with."""
    body = b"".join(f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n" for head, content in parts)
    return body + (f"--{boundary}--\r\n".encode() if end else b""), {
        "Content-Type": f"multipart/form-data; boundary={boundary}"
    }


def file_part(content: bytes, name: str = "a.txt") -> tuple[str, bytes]:
    return f'Content-Disposition: form-data; name="file"; filename="{name}"', content
