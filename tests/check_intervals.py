"""Do the 95 % intervals hold what they promise? Simulated comparisons whose truth is known.

    python tests/check_intervals.py [--rounds 2000]

Two methods of true accuracy 66 and 70 % are trained with several seeds. A seed moves each method's own accuracy
(standard deviation of the difference 0.7, 1.5 or 3 points) and draws its own 1,000 items, which both methods answer
(answers to one item agree more often than not). The interval is the one that intervals.difference gives. Counted: how
often it holds the true difference. Exit code 1 if a t interval (three seeds or more) is outside 93 to 97 %. Intervals
of one or two seeds speak of the items alone, so they miss what the seeds add: printed, not judged.
"""
import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from data.report import intervals

A, B, ITEMS = 0.70, 0.66, 1000


def cells(rng, seeds, sd, items=ITEMS):
    """One simulated comparison: for each of two methods its cells, one a seed, as results.json has them."""
    pair = ([], [])
    for seed in range(seeds):
        gap = rng.normal(A - B, sd)
        hard = rng.random(items)                     # one number an item: both methods find it as hard
        for group, p in zip(pair, (B + gap, B)):
            # Half of what decides is the item, half chance.
            right = np.where(rng.random(items) < 0.5, hard, rng.random(items)) < p
            test = {"right": right.astype(float), "accuracy": right.mean(), "ids": str(seed)}
            group.append({"test": test, "benchmarks": {}, "seed": seed})
    return pair


def coverage(rng, seeds, sd, rounds, items=ITEMS):
    """Share of simulated comparisons whose interval holds the truth."""
    count = 0
    for _ in range(rounds):
        _, low, high = intervals.difference(*cells(rng, seeds, sd, items))
        count += low <= A - B <= high
    return count / rounds


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=2000)
    options = p.parse_args()
    rng = np.random.default_rng(0)
    all_hold = True
    print(f"{'seeds':>5}  {'sd of seeds, points':>20}  {'interval':20}  covers the truth, %")
    for seeds in (1, 2, 3, 6, 10):
        for sd in (0.007, 0.015, 0.03):
            kind, note, rounds = "t over seeds", "", options.rounds
            if seeds < 3:                            # the bootstrap is slow
                kind, note, rounds = "bootstrap over items", "   leaves the seeds out", options.rounds // 5
            share = coverage(rng, seeds, sd, rounds)
            if seeds >= 3 and not 0.93 <= share <= 0.97:
                all_hold = False
            print(f"{seeds:5}  {100 * sd:20.1f}  {kind:20}  {100 * share:.1f}{note}", flush=True)
    sys.exit(not all_hold)


if __name__ == "__main__":
    main()
