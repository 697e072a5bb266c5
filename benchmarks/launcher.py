"""Start a command from a small process, and tell what it took.

Linux counts as a process's own peak what the process that started it had in memory at that
moment (setmax_mm_hiwater_rss in the kernel's fs/exec.c), so whoever starts a command must be
smaller than that. This file is run by itself, with nothing imported that it can do without.

Arguments: the descriptor to write to, then the command. What it writes is one line: seconds from
start to end, seconds of processor time, KiB at the peak, and the exit status.
"""

import os
import sys
import time

if __name__ == "__main__":
    found, *command = sys.argv[1:]
    begin = time.perf_counter()
    # The figures are this process's to write, not the command's.
    os.set_inheritable(int(found), False)
    process = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - begin
    code = os.waitstatus_to_exitcode(status)
    line = f"{wall} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss} {code}\n"
    os.write(int(found), line.encode())
