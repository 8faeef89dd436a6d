"""progress.py - how far the work is, and how long it still takes."""
import sys
import time

from tqdm import tqdm


class Progress:
    """Call it with the number of things newly done. On a terminal it draws a bar; elsewhere it
    prints a line at every ten per cent, but not within five seconds of the last."""

    def __init__(self, label, total):
        self.label = label
        self.total = total
        self.done = 0
        self.began = time.time()
        self.tenths_shown = 0
        self.last_shown = self.began
        self.bar = None
        if sys.stderr.isatty():
            self.bar = tqdm(total=total, desc=label, leave=False, dynamic_ncols=True)

    def __call__(self, n=1):
        self.done += n
        if self.bar is not None:
            self.bar.update(n)
            if self.done >= self.total:
                self.bar.close()
        elif self.done < self.total:
            self.print_line()

    def print_line(self):
        now = time.time()
        tenths = self.done * 10 // self.total
        if tenths > self.tenths_shown and now - self.last_shown > 5:
            self.tenths_shown = tenths
            self.last_shown = now
            left = (now - self.began) / self.done * (self.total - self.done)
            print(f"  {self.label}: {self.done} of {self.total}, {minutes(left)} to go",
                  file=sys.stderr, flush=True)


def minutes(seconds):
    """A duration as text: 12 s, 3.4 min or 5.6 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"
