"""What this was measured on."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil

from malgil.storage import postmaster

_PACKAGES = ("uvicorn", "uvloop", "httptools", "websockets", "asyncpg", "starlette", "fastapi", "pydantic")


def describe() -> dict[str, str]:
    """Cores, memory, CPU, system and versions, by name."""
    postgres = subprocess.run(
        [postmaster.binaries() / "postgres", "--version"], stdout=subprocess.PIPE, text=True, check=True
    )
    return {
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "CPU": _cpu(),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PostgreSQL": postgres.stdout.split()[-1],
        "packages": ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
