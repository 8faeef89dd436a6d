"""progress.py - how far it is, and how long it still takes."""
import sys
import time

from tqdm import tqdm

class Progress:
    """Call it with the number of things newly done. A bar on a terminal, else a line per ten per cent (and per five seconds)."""

    def __init__(self, label, total):
        self.label, self.total, self.done, self.began = label, total, 0, time.time()
        self.told, self.last = 0, self.began
        self.bar = tqdm(total=total, desc=label, leave=False, dynamic_ncols=True) if sys.stderr.isatty() else None

    def __call__(self, n=1):
        self.done += n
        now = time.time()
        if self.bar is not None:
            self.bar.update(n)
            if self.done >= self.total:
                self.bar.close()
        elif self.done < self.total and self.done * 10 // self.total > self.told and now - self.last > 5:
            self.told, self.last = self.done * 10 // self.total, now
            left = (now - self.began) / self.done * (self.total - self.done)
            print(f"  {self.label}: {self.done} of {self.total}, {minutes(left)} to go", file=sys.stderr, flush=True)


def minutes(seconds):
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
