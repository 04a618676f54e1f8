# SPDX-License-Identifier: BSD-2-Clause
"""When to measure on a machine that others use, too.

A virtual machine has whole half minutes in which everything takes twice as long, and moments in
which the hypervisor runs somebody else. A trial waits for such a time to end, and is repeated when
it met one. What decides has nothing to do with the systems that are compared, so that none of them
is favoured.
"""

import json
import statistics
import subprocess
import time

# How slow the yardstick may be: times what it takes in the better quarter of the run's looks.
SLOW = 1.4
# What the hypervisor may take of a trial's time.
STEAL_PERCENT = 10
# How busy CPUs may be that a pinned trial does not use; with more, a stranger's work is measured.
STRANGER_PERCENT = 10

TRIES = 3
WAIT = 0.5  # seconds between looks
PATIENCE = 0.15  # share of the run's expected time that may be spent on waiting and repeating


class Quiet:
    """Runs trials in quiet times, within limits."""

    def __init__(self, load, run_seconds):
        self.load = load
        self.left = run_seconds * PATIENCE
        self.looks = []  # of each: microseconds of every CPU
        self.repeated = self.kept_noisy = 0
        for _ in range(8):
            self._look()

    def _look(self):
        """How slow the slowest CPU is."""
        out = subprocess.run([self.load, "yardstick"], check=True, capture_output=True).stdout
        self.looks.append(json.loads(out)["yardstick_us"])
        return max(took[-1] / statistics.quantiles(took)[0] if len(took) > 1 else 1.0
                   for took in zip(*self.looks))

    def _look_after(self):
        """The kernel may still be at work on what the trial has left; a slow time lasts longer."""
        slow = self._look()
        for _ in range(3):
            if slow < SLOW:
                break
            time.sleep(0.1)
            slow = self._look()
        return slow

    def run(self, attempt, lock, cpu=None, repeat=True):
        """Calls attempt() under the lock, in a quiet time if there is one; returns its result."""
        for number in range(TRIES):
            result = self._when_quiet(attempt, lock)
            if "failed" in result or not repeat or not _is_noisy(result, cpu):
                break
            if number + 1 == TRIES or self.left <= 0:
                self.kept_noisy += 1
                break
            self.left -= result["took"]
            self.repeated += 1
        return result

    def _when_quiet(self, attempt, lock):
        while True:
            with lock():
                begin = time.monotonic()
                slow = self._look()
                if slow < SLOW or self.left <= 0:
                    result = attempt()
                    result["yardstick"] = round(max(slow, self._look_after()), 3)
                    result["took"] = round(time.monotonic() - begin, 3)
                    return result
            time.sleep(WAIT)
            self.left -= WAIT


def _is_noisy(result, cpu):
    wall = result["seconds"] * 1e6
    strangers = [busy for i, busy in enumerate(result["busy_us"]) if cpu is not None and i != cpu]
    return (result["yardstick"] >= SLOW
            or 100 * sum(result["steal_us"]) / wall / len(result["steal_us"]) >= STEAL_PERCENT
            or 100 * sum(strangers) / wall >= STRANGER_PERCENT)
