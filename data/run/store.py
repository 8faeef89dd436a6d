"""store.py - everything expensive is a row: made once, found by its key, never replaced.

A row is an attempt, a test answer, the log-likelihoods of a benchmark item, a KL, a verdict on a
program. Its key is its name, a digest of what is asked, and a digest of all else that it is made
from. Rows whose key is there are read; the others are made, a chunk at a time, and appended:

    store.rows("own answers", wanted, made_from, make)

A line of the file is a chunk: rows that were made together. It is there whole or not at all. In
bf16 the other rows of a batch can change the last digit of a row, so half a chunk is never made
again alone.

    {"made from": {"the weights": "9c..", "the settings": "e1.."}, "seconds": 12.3,
     "rows": [["own train-1 0", "77.." (its prompt), {"ids": [..], ..}], ..], "digest": "5a.."}

A line that is cut off, edited by hand or of another version is left out, and its rows are made
again.
"""
import time

from data.files import append_sealed, digest, read_sealed
from data.run.progress import Progress

FORMAT = 1


class Store:
    """The rows in one file. read_only: new ones live in memory only."""

    def __init__(self, path, read_only=False):
        self.path = path
        self.read_only = read_only
        self.by_key = {}             # (name, digest of what is asked, digest of the rest) -> row
        self.made_before = {}        # name -> what its rows were made from, to say what changed
        self.borrowed = set()        # digests of what rows were borrowed for
        chunks, damaged = read_sealed(path, FORMAT)
        for _, chunk in chunks:
            self.take(chunk)
        if damaged:
            print(f"{path}: {len(damaged)} damaged or older lines are left out; "
                  "what was in them is made again", flush=True)

    def take(self, chunk):
        """Take the rows of a chunk into memory."""
        seconds = chunk["seconds"] / max(1, len(chunk["rows"]))
        rest = digest(chunk["made from"])
        for name, asked, row in chunk["rows"]:
            self.by_key[name, asked, rest] = row | {"seconds": seconds}
            parts = chunk["made from"] | {"the prompts": asked}
            self.made_before.setdefault(name, []).append(parts)

    def borrow(self, chunks, made_from):
        """Take the rows of chunks as if they had been made from this, but for what they say of it.

        Chunks that come with the project (data/run/lab.py) name their settings and nothing else.
        """
        if chunks and digest(made_from) not in self.borrowed:
            self.borrowed.add(digest(made_from))
            for chunk in chunks:
                self.take(chunk | {"made from": made_from | chunk["made from"]})

    def missing(self, wanted, made_from):
        """Those of `wanted` whose row is not there. wanted: [(name, digest of what is asked, job)].
        """
        rest = digest(made_from)
        return [item for item in wanted if (item[0], item[1], rest) not in self.by_key]

    def there(self, wanted, made_from):
        """The rows that are there, in the order of `wanted`."""
        rest = digest(made_from)
        keys = [(name, asked, rest) for name, asked, _ in wanted]
        return [self.by_key[key] for key in keys if key in self.by_key]

    def rows(self, label, wanted, made_from, make, chunk=300):
        """The rows of all that is wanted: those that are there, and the others made now.

        wanted: [(name, digest of what is asked, job)]. made_from: {part: digest} that all share.
        make(jobs, progress) -> one row (a dict) for each job, in their order.
        """
        missing = self.missing(wanted, made_from)
        progress = Progress(label, len(missing)) if missing else None
        for i in range(0, len(missing), chunk):
            some = missing[i:i + chunk]
            began = time.time()
            made = make([job for _, _, job in some], progress)
            rows = []
            for (name, asked, _), row in zip(some, made, strict=True):
                rows.append([name, asked, row])
            seconds = round(time.time() - began, 3)
            self.append({"made from": made_from, "seconds": seconds, "rows": rows})
        return self.there(wanted, made_from)

    def what_changed(self, missing, made_from):
        """"300 of 400 are made again, because the prompts changed"; "" if none was made before."""
        again = 0
        changed = []
        for name, asked, _ in missing:
            parts = made_from | {"the prompts": asked}
            before = self.made_before.get(name, [])
            if before:
                again += 1
                differences = [[p for p in parts if old.get(p) != parts[p]] for old in before]
                changed += min(differences, key=len)
        if not again:
            return ""
        why = " and ".join(dict.fromkeys(changed))
        return f"{again} of {len(missing)} are made again, because {why} changed"

    def append(self, chunk):
        """Write a chunk, whole or not at all, and take its rows into memory."""
        if not self.read_only:
            append_sealed(self.path, {"format": FORMAT} | chunk)
        self.take(chunk)
