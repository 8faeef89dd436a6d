"""Does the comparison on tiny-gsm8k rest on test questions that are like a training question?

    python tests/check_near_items.py [FILE]          # default data/tiny/results/gsm8k.jsonl; seconds

No test question is a training question, but the world's numbers are small: some test questions have the kind and all the numbers, in
order, of one of their seed's training questions, told with other names and things. The seeds' items are drawn again from the
world, and base, SFT and S3FT (at its own rate, over the seeds that both have) are compared on these and on the rest apart.
"""
import re
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "data" / "tiny")]
import world
from data.report import gather
from data.report.intervals import t_interval
from data.report.rates import chosen_rates
from data.report.text import points
from data.results import scores


def alike(question):
    """What two questions that are like each other share: the kind and the numbers."""
    return question["kind"], *re.findall(r"\d+", question["question"])


def main(file=ROOT / "data" / "tiny" / "results" / "gsm8k.jsonl"):
    results = gather.gather([Path(file)])
    rates = {"base": None} | chosen_rates(results)
    of = results["settings"]
    right = {m: {c["seed"]: scores.flags(c["test"]["right"]) for c in results["cells"] if (c["method"], c["lr"]) == (m, rates[m])}
             for m in ("base", "sft", "s3ft")}
    seeds = sorted(set(right["sft"]) & set(right["s3ft"]))
    near = {}
    for seed in seeds:
        items = world.new_items("gsm8k", seed, of["limit"], of["test_limit"])
        shown = {alike(q) for q in items["train"]}
        near[seed] = np.array([alike(q) in shown for q in items["test"]])
    print(f"{100 * np.mean([n.mean() for n in near.values()]):.0f} % of the test questions of {len(seeds)} seeds are like a training question")
    for name, pick in (("these", lambda s: near[s]), ("the rest", lambda s: ~near[s])):
        mean = {m: 100 * np.mean([right[m][s][pick(s)].mean() for s in seeds]) for m in right}
        gap, half = t_interval([right["s3ft"][s][pick(s)].mean() - right["sft"][s][pick(s)].mean() for s in seeds])
        print(f"{name}: base {mean['base']:.1f}, SFT {mean['sft']:.1f}, S3FT {mean['s3ft']:.1f}; S3FT - SFT {points((gap, gap - half, gap + half))}")


if __name__ == "__main__":
    main(*sys.argv[1:])
