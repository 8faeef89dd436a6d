"""progress.py - how far the work is, how long it still takes, and how fast it was."""
import sys
import time

from tqdm import tqdm

from data.benchmarks import multiple_choice


class Progress:
    """Call it with the number of things newly done. On a terminal it draws a bar; elsewhere it
    prints a line at every ten per cent, but not within five seconds of the last."""

    def __init__(self, label, total):
        self.label = label
        self.total = total
        self.done = 0
        self.began = time.time()
        self.tenths_printed = 0
        self.last_printed = self.began
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
        if tenths > self.tenths_printed and now - self.last_printed > 5:
            self.tenths_printed = tenths
            self.last_printed = now
            left = (now - self.began) / self.done * (self.total - self.done)
            print(f"  {self.label}: {self.done} of {self.total}, {minutes(left)} to go",
                  file=sys.stderr, flush=True)


class Speeds:
    """Tokens and seconds of sampling, training and scoring, for the tokens per second of a run."""

    def __init__(self, tokenizer, context):
        self.tokenizer = tokenizer
        self.context = context
        self.totals = {"sampling": [0, 0.0], "training": [0, 0.0], "scoring": [0, 0.0]}

    def note(self, kind, tokens, seconds):
        self.totals[kind][0] += tokens
        self.totals[kind][1] += seconds

    def note_rows(self, jobs, rows):
        """Note rows that were made; of a KL nothing is noted."""
        seconds = sum(row["seconds"] for row in rows)
        if "ids" in rows[0]:
            self.note("sampling", sum(len(row["ids"]) + 1 for row in rows), seconds)
        elif "loglikelihoods" in rows[0]:
            tokens = multiple_choice.tokens(self.tokenizer, jobs, self.context)
            self.note("scoring", tokens, seconds)

    def note_training(self, targets, epochs, seconds):
        self.note("training", epochs * sum(len(target) for target in targets), seconds)

    def per_second(self):
        """{kind of work: tokens per second} of what was done."""
        return {kind: round(tokens / seconds)
                for kind, (tokens, seconds) in self.totals.items() if seconds > 0}


def minutes(seconds):
    """A duration as text: 12 s, 3.4 min or 5.6 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"
