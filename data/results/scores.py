"""scores.py - what results.json says of one cell's answers: which are right, and the accuracy."""
import math

import numpy as np


def split_row(ids, right):
    """What results.json says of one cell's answers to a split. ids, right: one of each an answer.

    One answer to each item: {"right": "1101..", by item, "accuracy"}. Several answers to an item:
    "right" is the share of each item, and "pass_at" is {"1": pass@1, ..} by the unbiased estimator
    1 - C(n - c, k) / C(n, k), c right of n (Chen et al. 2021, arXiv 2107.03374).
    """
    by_item = {}
    for id, ok in zip(ids, right):
        by_item.setdefault(id, []).append(bool(ok))
    n = max(len(oks) for oks in by_item.values())
    if n == 1:
        bits = "".join("1" if ok else "0" for [ok] in by_item.values())
        return {"right": bits, "accuracy": sum(right) / len(right)}

    counts = [sum(oks) for oks in by_item.values()]
    ks = [k for k in (1, 2, 5, 10, 20, 50, 100, 200) if k < n] + [n]
    pass_at = {}
    for k in ks:
        estimates = [1 - math.comb(n - c, k) / math.comb(n, k) for c in counts]
        pass_at[str(k)] = sum(estimates) / len(counts)
    shares = [c / n for c in counts]
    return {"right": shares, "accuracy": pass_at["1"], "pass_at": pass_at}


def flags(right):
    """Right by item as an array of 0 and 1, or of shares where an item is worth a share."""
    return np.array([float(item) for item in right])


def measured(cell, name):
    """A cell's scores on the task's test ("test") or on a benchmark; None where it has none."""
    if name == "test":
        return cell["test"]
    return cell["benchmarks"].get(name)
