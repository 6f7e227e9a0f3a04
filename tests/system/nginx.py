"""A real nginx with the configuration that is shipped, its addresses and limits apart."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from tests.crash.harness import ROOT

SHIPPED = ROOT / "deploy" / "nginx.conf"


class Nginx:
    """Round robin over the upstreams, on a port of its own. `start` before use, `stop` whatever happened."""

    def __init__(self, folder: Path, port: int, upstreams: Sequence[int]) -> None:
        folder.mkdir()
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "nginx.conf").write_text(_configuration(folder, port, upstreams))

    def start(self) -> None:
        """Returns when it answers."""
        program = os.environ.get("NGINX") or shutil.which("nginx")
        assert program, "no nginx: install it, or run `make test-system`, which does"
        with (self._folder / "nginx.log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, "-p", str(self._folder), "-c", str(self._folder / "nginx.conf"), "-g", "daemon off;"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + 20
        while not self._answers():
            assert self._process.poll() is None, f"nginx ended by itself:\n{self.said()}"
            assert time.monotonic() < end, f"nginx does not answer:\n{self.said()}"
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)

    def said(self) -> str:
        return (self._folder / "nginx.log").read_text(errors="replace")

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/ready", trust_env=False, timeout=5).status_code == 200
        except httpx.TransportError:
            return False


def _configuration(folder: Path, port: int, upstreams: Sequence[int]) -> str:
    """The shipped one, for this machine; every replacement must find what it replaces."""
    text = SHIPPED.read_text()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    for old, new in (
        ("pid /run/nginx.pid;", f"pid {folder}/nginx.pid;"),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("rate=100r/s", "rate=10000r/s"),
        ("access_log off;", f"access_log off;\n{temporary}"),
    ):
        assert old in text, f"{SHIPPED.name} has no {old!r} any more"
        text = text.replace(old, new)
    servers = re.findall(r"server gateway-\d:8003 ", text)
    assert len(servers) >= len(upstreams)
    for shipped, upstream in zip(servers, upstreams, strict=False):
        text = text.replace(shipped, f"server 127.0.0.1:{upstream} ")
    return text
