#!/usr/bin/env python3
"""Records docs/images/demo.svg: an answer streams in, the server is killed with kill -9, the answer goes on.

    .venv/bin/python scripts/record_demo.py [FILE]

Everything in the picture happened: three terminals of a real tmux with a real `malgil serve` and `malgil chat`, looked
at some twenty times a second. Needs tmux. Times are real but for the wait before the first start and pauses at the end.
"""

import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PORT = "8713"
QUESTION = "주문 상태 확인"
HOLD = 5.0
TICK = 0.05
CELL, LINE, PAD, BAR = 7.8, 18, 12, 26
INK = {"": "#d7dae0", "90": "#7f8694"}
BACK, FRAME, TITLE, PAGE = "#16191f", "#2a2f3a", "#9aa2b1", "#0d0f13"
FONT = "ui-monospace,'SF Mono',Menlo,Consolas,'Noto Sans Mono CJK KR','D2Coding',monospace"


@dataclass(frozen=True)
class Pane:
    """A terminal and where it stands in the picture, in cells."""

    name: str
    title: str
    column: int
    row: float
    width: int
    height: int


@dataclass
class Shown:
    """One row of a pane and when it looked so, in seconds; `end` None: still at the end."""

    pane: Pane
    row: int
    text: str
    begin: float
    end: float | None = None


@dataclass
class Film:
    """What was seen so far."""

    begun: float
    rows: list[Shown] = field(default_factory=list)
    last: dict[tuple[str, int], Shown] = field(default_factory=dict)

    @property
    def now(self) -> float:
        return time.monotonic() - self.begun

    def look(self, pane: Pane, lines: list[str]) -> None:
        now = self.now
        for row, text in enumerate(lines):
            before = self.last.get((pane.name, row))
            if before is not None and before.text == text:
                continue
            if before is not None:
                before.end = now
            shown = self.last[pane.name, row] = Shown(pane, row, text, now)
            if text:
                self.rows.append(shown)


SERVER = Pane("server", "the server", 0, 0, 102, 10)
KILLER = Pane("killer", "a third terminal", 0, 13.4, 102, 2)
CHAT = Pane("chat", "malgil chat", 0, 18.8, 102, 17)
PANES = (SERVER, KILLER, CHAT)


class Stage:
    """A private tmux with one session a pane, so that each has the size we want."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = str(folder / "tmux")
        program = Path(sys.executable).with_name("malgil")
        (folder / "bin").mkdir()
        (folder / "bin" / "malgil").symlink_to(program)
        self._environment = {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder), "HISTFILE": "/dev/null",
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color", "SERVICE_PORT": PORT, "LOG_LEVEL": "WARNING",
        }

    def open(self, pane: Pane) -> None:
        self._tmux("-f", "/dev/null", "-u", "new-session", "-d", "-s", pane.name, "-x", str(pane.width),
                   "-y", str(pane.height), "-c", str(self._folder), "env PS1='$ ' bash --norc --noprofile")
        self._tmux("set-option", "-t", pane.name, "status", "off")

    def type(self, pane: Pane, text: str, watch: Callable[[], None]) -> None:
        """Type as a person does, and press Enter."""
        for letter in text:
            self._tmux("send-keys", "-t", pane.name, "-l", letter)
            watch()
        self._tmux("send-keys", "-t", pane.name, "Enter")

    def lines(self, pane: Pane) -> list[str]:
        """What stands in the pane. A colour that goes on in the next line is written there again."""
        found, ink = [], ""
        for line in self._tmux("capture-pane", "-e", "-p", "-t", pane.name).splitlines():
            found.append(ink + line if line else line)
            ink = (re.findall(r"\x1b\[[\d;]*m", line) or [ink])[-1]
        return found

    def close(self) -> None:
        """Ctrl-C for the server, which stops its database too; when it has gone, the terminals."""
        self._tmux("send-keys", "-t", SERVER.name, "C-c")
        deadline = time.monotonic() + 60
        while self._tmux("display", "-p", "-t", SERVER.name, "#{pane_current_command}").strip() != "bash":
            if time.monotonic() > deadline:
                raise SystemExit("the server does not stop")
            time.sleep(TICK)
        self._tmux("kill-server")

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, *arguments], env=self._environment, capture_output=True, text=True, check=True
        )
        return done.stdout


@contextmanager
def stage() -> Iterator[Stage]:
    """A stage in a folder of its own; server and database are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="malgil-demo-", ignore_cleanup_errors=True) as name:
        opened = Stage(Path(name))
        for pane in PANES:
            opened.open(pane)
        try:
            yield opened
        finally:
            opened.close()


def record(opened: Stage) -> tuple[Film, float]:
    """Play the scene; the film and its length in seconds."""
    film = Film(time.monotonic())

    def watch() -> None:
        for pane in PANES:
            film.look(pane, opened.lines(pane))
        time.sleep(TICK)

    def until(pane: Pane, words: str, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not re.search(words, plain("\n".join(opened.lines(pane))), re.DOTALL):
            if time.monotonic() > end:
                raise SystemExit(f"nothing like {words!r} in {pane.title}:\n" + "\n".join(opened.lines(pane)))
            watch()

    def wait(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            watch()

    opened.type(SERVER, "STREAM_DELAY_MS=150 malgil serve", watch)
    until(SERVER, r"  Stop: .*\n")
    film = Film(time.monotonic())  # the picture begins here
    opened.type(CHAT, f"malgil chat --url http://127.0.0.1:{PORT}", watch)
    until(CHAT, "session")
    wait(0.5)
    opened.type(CHAT, QUESTION, watch)
    until(CHAT, r"agent: .{70}")
    opened.type(KILLER, 'kill -9 "$(cat .malgil/lock)"', watch)
    until(SERVER, "Killed")
    wait(0.8)
    opened.type(SERVER, "STREAM_DELAY_MS=150 malgil serve", watch)
    until(CHAT, r"reconnecting.*\n.*\S")
    while film.now - film.rows[-1].begin < HOLD:  # until nothing moves any more
        watch()
    return film, film.now


STYLED = re.compile(r"\x1b\[([\d;]*)m|\x1b[()][A-Z0-9]|[\x0e\x0f]")


def plain(text: str) -> str:
    return STYLED.sub("", text)


def cells(letter: str) -> int:
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def runs(text: str) -> Iterator[tuple[int, str, str]]:
    """(column, colour, text) of pieces that have one colour and letters of one width."""
    column, ink, begin, piece = 0, INK[""], 0, ""
    for part in re.split(r"(\x1b\[[\d;]*m)", text):
        style = STYLED.fullmatch(part)
        for letter in "" if style else part:
            if piece and (cells(letter) != cells(piece[0])):
                yield begin, ink, piece
                begin, piece = column, ""
            piece += letter
            column += cells(letter)
        if style:
            if piece:
                yield begin, ink, piece
            begin, piece, ink = column, "", INK.get(style[1] or "", INK[""])
    if piece:
        yield begin, ink, piece


def drawn(shown: Shown) -> str:
    """The row as SVG text. Each piece is given its length, so that columns stand whatever the viewer's font."""
    left, top = corner(shown.pane)
    y = top + BAR + PAD + (shown.row + 0.75) * LINE
    pieces = []
    for column, ink, text in runs(shown.text):
        body = text.rstrip()
        if body:
            length = sum(map(cells, body)) * CELL
            pieces.append(
                f'<text x="{left + PAD + column * CELL:.1f}" y="{y:.1f}" fill="{ink}" textLength="{length:.1f}" '
                f'lengthAdjust="spacingAndGlyphs" xml:space="preserve">{html.escape(body)}</text>'
            )
    return "".join(pieces)


def corner(pane: Pane) -> tuple[float, float]:
    return PAD + pane.column * CELL, PAD + pane.row * LINE


def window(pane: Pane) -> str:
    left, top = corner(pane)
    width, height = pane.width * CELL + 2 * PAD, BAR + pane.height * LINE + 2 * PAD
    dots = "".join(f'<circle cx="{left + 16 + 14 * n}" cy="{top + 13}" r="4" fill="{FRAME}"/>' for n in range(3))
    return (
        f'<rect x="{left}" y="{top}" width="{width:.1f}" height="{height}" rx="8" fill="{BACK}" stroke="{FRAME}"/>'
        f'{dots}<text x="{left + 64}" y="{top + 17}" fill="{TITLE}" font-size="12">{pane.title}</text>'
    )


def animated(film: Film, length: float) -> str:
    """The film as one SVG that plays for ever; a viewer that does not move shows its end."""
    rules, rows = [], []
    for number, shown in enumerate(film.rows):
        begin, end = 100 * shown.begin / length, 100 * (shown.end or length) / length
        hidden = "" if shown.begin < TICK else "0%{visibility:hidden}"
        after = "" if shown.end is None else f"{end:.3f}%{{visibility:hidden}}"
        rules.append(f"@keyframes k{number}{{{hidden}{begin:.3f}%{{visibility:visible}}{after}}}")
        resting = "visible" if shown.end is None else "hidden"
        style = f"visibility:{resting};animation:k{number} {length:.2f}s step-end infinite"
        rows.append(f'<g style="{style}">{drawn(shown)}</g>')
    right = max(corner(pane)[0] + pane.width * CELL for pane in PANES) + 3 * PAD
    bottom = max(corner(pane)[1] + BAR + pane.height * LINE for pane in PANES) + 3 * PAD
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right:.0f} {bottom:.0f}" font-family="{FONT}" '
        f'font-size="13"><title>malgil chat survives kill -9 of the server</title><style>{"".join(rules)}</style>'
        f'<rect width="100%" height="100%" rx="10" fill="{PAGE}"/>{"".join(map(window, PANES))}{"".join(rows)}</svg>\n'
    )


def main() -> None:
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images/demo.svg")
    if shutil.which("tmux") is None:
        raise SystemExit("the picture is taken with tmux, and there is none: apt install tmux")
    with stage() as opened:
        film, length = record(opened)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(animated(film, length), encoding="utf-8")
    print(f"{target}: {length:.1f} s, {len(film.rows)} rows, {target.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
