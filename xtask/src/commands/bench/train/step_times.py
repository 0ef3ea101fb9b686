"""What every peer in Python begins with: its arguments, and the clock."""

import sys
import time

frames, batch, warm_up, steps, threads = map(int, sys.argv[1:6])
seconds = float(sys.argv[6])


def times(step):
    """Milliseconds of each step but those that warm up; fewer, but two, where time ends them."""
    end = time.perf_counter() + seconds
    for _ in range(warm_up):
        if time.perf_counter() < end:
            step()
    timed = []
    while len(timed) < steps and (len(timed) < 2 or time.perf_counter() < end):
        timed.append(step())
    return timed


