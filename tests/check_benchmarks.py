"""Does data/benchmarks/multiple_choice.py ask and score as lm-evaluation-harness 0.4.13?

Not part of the test suite: needs lm-eval, a model, the data.

    python tests/check_benchmarks.py MODEL DATA [--items 200] [--benchmarks mmlu,hellaswag]
                                     [--out scores.json --name HUB_NAME]
    python tests/check_benchmarks.py MODEL DATA --against scores.json    # our scores against that file, without lm-eval
    python tests/check_benchmarks.py MODEL --bundled [--items 100]    # the bundled sets; MODEL as model.save writes it

DATA holds the publishers' files in mmlu/, truthfulqa/, hellaswag/, winogrande/.
1. texts: contexts and continuations are the same for every item of every file; no model yet
2. on `multiple_choice.sample_by_subject(items, --items)`: log-likelihoods of every option within 1e-3 (fp32), the same
   picks and scores by item for every metric, mc2 within 1e-4, the same aggregates. A pick may differ where lm-eval's
   two best lie within 1e-3: counted as "tie"
--softmax float64 is for large vocabularies: torch's log_softmax in fp32, which lm-eval uses unless told otherwise, is
off by 3e-5 a token for the 152,000 tokens of Qwen (by ours in float64: lm-eval's sums over 60 tokens are off by 2e-3,
ours in fp32 by 3e-5). A table, exit code 1 on a difference. --out keeps ids and numbers only, benchmark by benchmark;
what FILE holds already stays.
"""
import argparse
import json
import math
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

import model
from data import TINY
from data.benchmarks import multiple_choice

PUBLIC = ("mmlu", "mmlu-0shot", "truthfulqa", "hellaswag", "winogrande")
NEAR, NEAR_SHARE = 1e-3, 1e-4
METRICS = {"truthfulqa": ("mc2", "mc1"), "hellaswag": ("acc_norm", "acc")}          # of the others: acc


def check_texts(name, items, folder, bundled=False):
    """How many items are not asked as lm-eval asks them; the first is printed by its id."""
    import lm_eval_reference as reference
    asked, bad = reference.requests(name, folder), []
    for item in items:
        pairs = list(zip(item.contexts, item.endings))
        if name == "truthfulqa":            # ours: mc1's list first, then what mc2's has more
            same = asked["mc1"][item.id] == pairs[:item.rivals] and sorted(asked["mc2"][item.id]) == sorted(pairs)
        else:
            same = asked[item.id] == pairs
        bad += [item.id] * (not same)
    missing = len(items) != len(asked.get("mc1", asked))
    print(f"{name:11} {len(items):6} items, asked otherwise than by lm-eval: {len(bad)} {' '.join(bad[:5])}"
          f"{'; not as many as there' * missing}", flush=True)
    return len(bad) + missing


def by_option(item, requests, values):
    """lm-eval's log-likelihoods in the order of our options."""
    told = {tuple(pair): value for pair, value in zip(requests, values)}
    return [told[pair] for pair in zip(item.contexts, item.endings)]


def theirs(lm, name, items, folder):
    """What --out keeps of a benchmark: ids, lm-eval's log-likelihoods in our order, its scores by item and in all."""
    import lm_eval_reference as reference
    found = reference.run(lm, name, folder, [i.id for i in items])
    assert found["ids"] == [i.id for i in items]
    lls = [by_option(i, asked, values) for i, asked, values in zip(items, found["requests"], found["loglikelihoods"])]
    return {"ids": found["ids"], "loglikelihoods": [[round(v, 5) for v in row] for row in lls],
            "items": {m: [round(float(v), 6) for v in values] for m, values in found["metrics"].items()},
            "scores": {m: round(float(v), 6) for m, v in found["scores"].items()}}


def ours(lm, tokenizer, name, items):
    """The same from data/benchmarks/multiple_choice.py."""
    scores, _ = multiple_choice.loglikelihoods(lm, tokenizer, items)
    result = multiple_choice.result(name, items, scores)
    by_item = {}
    for metric in METRICS.get(name, ("acc",)):
        picks = multiple_choice.picks(items, scores, metric)
        by_item[metric] = result["right"] if metric == "mc2" else [float(c == i.answer) for c, i in zip(picks, items)]
    return {"loglikelihoods": scores, "items": by_item,
            "scores": {result["metric"]: result["accuracy"]} | result["also"]}


def margin(item, values, metric):
    """How far apart lm-eval's two best options are."""
    values = np.array(values[:item.rivals or None])
    best = np.sort(values / [len(e) - 1 for e in item.endings] if metric == "acc_norm" else values)
    return best[-1] - best[-2]


def compare(name, items, us, them):
    """Print the benchmark's line -> how many things differ."""
    gaps = [max(abs(a - b) for a, b in zip(mine, other, strict=True))
            for mine, other in zip(us["loglikelihoods"], them["loglikelihoods"], strict=True)]
    bad, words = int(max(gaps) >= NEAR), []
    for metric in METRICS.get(name, ("acc",)):
        mine, other = us["items"][metric], them["items"][metric]
        if metric == "mc2":
            differ, tied = sum(abs(a - b) >= NEAR_SHARE for a, b in zip(mine, other)), 0
            words.append(f"mc2 by item within {max(abs(a - b) for a, b in zip(mine, other)):.1e}")
        else:
            my_picks = multiple_choice.picks(items, us["loglikelihoods"], metric)
            other_picks = multiple_choice.picks(items, them["loglikelihoods"], metric)
            pairs = zip(zip(my_picks, mine), zip(other_picks, other))
            apart = [i for i, (a, b) in enumerate(pairs) if a != b]
            tied = sum(margin(items[i], them["loglikelihoods"][i], metric) < NEAR for i in apart)
            differ = len(apart) - tied
            line = f"{metric}: {len(items) - len(apart)} the same picks"
            if tied:
                line += f", {tied} tie"
            if differ:
                line += f", {differ} DIFFER"
            words.append(line)
        a, b = us["scores"][metric], them["scores"][metric]
        wrong = not math.isclose(a, b, abs_tol=NEAR_SHARE if metric == "mc2" else tied / len(items) + 1e-6)
        words.append(f"{metric} {a:.4f} / {b:.4f}{' DIFFER' * wrong}")
        bad += differ + wrong
    options = sum(map(len, us["loglikelihoods"]))
    print(f"{name:11} {len(items):5} items {options:6} options; log-likelihoods within {max(gaps):.1e}"
          f"{' TOO FAR' * (max(gaps) >= NEAR)}; {'; '.join(words)}", flush=True)
    return bad


def write(path, whole):
    """A line for each benchmark."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(kept, separators=(',', ':'))}"
                       for name, kept in whole["benchmarks"].items())
    path.write_text(json.dumps(whole | {"benchmarks": 0})[:-2] + "{\n" + lines + "\n}}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data", nargs="?")
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--benchmarks", default=",".join(PUBLIC))
    parser.add_argument("--bundled", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--name", help="how the model is called in --out")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--softmax", help="in which dtype lm-eval takes it; default the model's")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--skip-texts", action="store_true")
    options = parser.parse_args()
    names = multiple_choice.BUNDLED if options.bundled else options.benchmarks.split(",")
    data = TINY if options.bundled else options.data
    sets = {name: multiple_choice.load(name, data) for name in names}
    bad, called = 0, options.name or Path(options.model).name
    if not options.skip_texts and not options.against:
        bad += sum(check_texts(name, sets[name], data) for name in names)
    lm, tokenizer = model.load(options.model, "cpu", getattr(torch, options.dtype))
    if options.bundled:                     # as users of lm-eval would get it
        folder = tempfile.mkdtemp()
        model.save(lm, tokenizer, folder)
        options.model = folder
    kept = json.loads(options.against.read_text())["benchmarks"] if options.against else {}
    other = None
    if not options.against:
        import lm_eval_reference as reference
        other = reference.hflm(options.model, options.dtype, options.batch_size, options.softmax)
    for name in names:
        items = multiple_choice.sample_by_subject(sets[name], options.items, name.partition("-")[0])
        if options.against:
            if name not in kept:
                continue
            wanted = set(kept[name]["ids"])
            items = [i for i in sets[name] if i.id in wanted]
        times = [time.perf_counter()]
        them = kept[name] if options.against else theirs(other, name, items, data)
        times.append(time.perf_counter())
        us = ours(lm, tokenizer, name, items)
        times.append(time.perf_counter())
        bad += compare(name, items, us, them)
        their_time = "" if options.against else f"lm-eval {times[1] - times[0]:.0f} s, "
        print(f"{'':11} {their_time}ours {times[2] - times[1]:.0f} s", flush=True)
        if options.out:
            whole = json.loads(options.out.read_text()) if options.out.exists() else {"benchmarks": {}}
            benchmarks = whole["benchmarks"] | {name: them | {"softmax": options.softmax or options.dtype}}
            write(options.out, {"model": called, "lm_eval": "0.4.13", "dtype": options.dtype,
                                "benchmarks": benchmarks})
    print("all the same" if not bad else f"{bad} differences")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
