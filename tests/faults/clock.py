"""A clock that is set while a stage runs."""

import shutil
import subprocess
from pathlib import Path

from tests.faults.fleet import Fleet
from tests.faults.suffering import HIT, Account, CannotInject, running, say

CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <sys/time.h>
static long offset(void) {
    const char *path = getenv("CLOCK_OFFSET_FILE");
    long value = 0;
    FILE *file = path ? fopen(path, "r") : NULL;
    if (file) { if (fscanf(file, "%ld", &value) != 1) value = 0; fclose(file); }
    return value;
}
int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, at);
    if (!result && id == CLOCK_REALTIME) at->tv_sec += offset();
    return result;
}
int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec; at->tv_usec = now.tv_nsec / 1000;
    return result;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


def clock_jump(fleet: Fleet, account: Account) -> None:
    """The wall clock leaps two days ahead while a stage runs, then three days back before the next command."""
    library, offset = _clock_library(fleet)
    fleet.environment |= {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(offset)}
    with running(fleet) as process:
        offset.write_text(str(2 * 86400))
        account.lies += fleet.lies()
        fleet.stage_processes()[HIT].kill()
        account.happened = say(fleet.end(process))
        account.lies += fleet.lies()
    offset.write_text(str(-86400))


def _clock_library(fleet: Fleet) -> tuple[Path, Path]:
    compiler = shutil.which("cc")
    if compiler is None:
        raise CannotInject("there is no C compiler to build the false clock with")
    folder = fleet.root.parent / "clock"
    folder.mkdir()
    (folder / "clock.c").write_text(CLOCK)
    (folder / "offset").write_text("0")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(folder / "clock.so"), str(folder / "clock.c"), "-ldl"]
    subprocess.run(command, check=True)
    return folder / "clock.so", folder / "offset"
