"""Names the machine a figure was measured on, because a figure without one means nothing."""

import os
import platform

import psutil


def describe() -> str:
    """One line: processor, cores usable by this process, memory, Python."""
    processor = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        processor = names[0] if names else processor
    except OSError:
        pass  # not Linux: the platform's own word has to do
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory().total / 2**30
    return f"{processor}, {cores} cores, {memory:.0f} GiB, Python {platform.python_version()}"
