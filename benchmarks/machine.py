"""What the numbers were measured on."""

import os
import platform
import subprocess
from pathlib import Path

from infra.hosts.openbao.process import binary


def facts() -> str:
    """Cores, memory, load, system, Python, OpenBao: one line of each."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    said = subprocess.run([str(binary()), "version"], capture_output=True, text=True, check=True).stdout
    return "\n".join(
        (
            f"- {os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB of memory, load {load:.1f} at the beginning",
            f"- {platform.system()} {platform.release()}, Python {platform.python_version()}",
            f"- {' '.join(said.split()[:2])} (raft, file audit), on the same disk",
        )
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
