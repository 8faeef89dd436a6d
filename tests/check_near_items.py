"""Does the comparison on tiny-gsm8k rest on test questions that are like a training question?

    python tests/check_near_items.py [FILE]          # default data/tiny/results/gsm8k.jsonl; seconds

No test question is a training question, but the world's numbers are small: some test questions have the kind and all
the numbers, in order, of one of their seed's training questions, told with other names and things. The seeds' items
are drawn again from the world, and base, SFT and S3FT (at its own rate, over the seeds that both have) are compared on
these and on the rest apart.
"""
import re
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "data" / "tiny")]
import world
from data.report import gather
from data.report.intervals import group_of, t_interval
from data.report.rates import chosen_rates
from data.report.text import points
from data.results.scores import flags


def alike(question):
    """What two questions that are like each other share: the kind and the numbers."""
    return question["kind"], *re.findall(r"\d+", question["question"])


def main(file=ROOT / "data" / "tiny" / "results" / "gsm8k.jsonl"):
    results = gather.gather_cells([Path(file)])
    settings = results["settings"]
    rates = {"base": None} | chosen_rates(results)
    right = {}                                       # {method: {seed: right by item}}
    for method in ("base", "sft", "s3ft"):
        group = group_of(results, method, rates[method])
        right[method] = {cell["seed"]: flags(cell["test"]["right"]) for cell in group}
    seeds = sorted(set(right["sft"]) & set(right["s3ft"]))
    near = {}                                        # {seed: is the item like a training question?}
    for seed in seeds:
        items = world.new_items("gsm8k", seed, settings["limit"], settings["test_limit"])
        trained_on = {alike(q) for q in items["train"]}
        near[seed] = np.array([alike(q) in trained_on for q in items["test"]])
    share = 100 * np.mean([of_seed.mean() for of_seed in near.values()])
    print(f"{share:.0f} % of the test questions of {len(seeds)} seeds are like a training question")
    for name, wanted in (("these", True), ("the rest", False)):
        scores = {method: np.array([right[method][seed][near[seed] == wanted].mean() for seed in seeds])
                  for method in right}
        gap, half = t_interval(scores["s3ft"] - scores["sft"])
        base, sft, s3ft = (100 * of_method.mean() for of_method in scores.values())
        print(f"{name}: base {base:.1f}, SFT {sft:.1f}, S3FT {s3ft:.1f}; "
              f"S3FT - SFT {points((gap, gap - half, gap + half))}")


if __name__ == "__main__":
    main(*sys.argv[1:])
