"""calibration.py - is the teaching world fit for a comparison? Looked at on the base model alone, before any method has run.

    python data/tiny/pretrain.py --check         # prints each criterion, the measured value, and yes or no; exit code 1 if one is no

The criteria were written down before the world was (README.md has them with their reasons); none looks at a tuned model.
"""
import math
import time
from collections import Counter
from pathlib import Path

import model
import pretrain
import s3ft
import world
import world_truth
from data import TINY, UserError
from data.benchmarks import multiple_choice
from data.tasks import load_task
from data.files import read_json
from data.run.figure2 import log_probabilities
from data.run.progress import Progress

TABLE3 = {"own": 49.5, "paraphrase": 42.1, "gold": 8.4}                          # of the paper, GSM8K
ITEMS = {"gsm8k": 600, "mbpp": 374, "nq": 400}                                   # training items looked at
NEW_TOKENS = {"gsm8k": 96, "mbpp": 128, "nq": 48}
SAME = 84                                                                        # items whose log-probabilities are taken, as in Figure 2


def percent(n, of):
    return 100 * n / max(1, of)


def attempts_of(lm, tokenizer, task, examples, source, max_new_tokens):
    if not examples:
        return {}
    jobs = s3ft.make_jobs(task, tokenizer, examples, source)
    bar = Progress(f"{task.title}: {source}", len(examples))
    attempts = s3ft.answers(lm, tokenizer, task, jobs, max_new_tokens, progress=bar)
    return {attempt["id"]: attempt for attempt in attempts}


def look(lm, tokenizer, name, folder=TINY):
    """One task: what becomes the target of each training item, by kind -> a dict of figures."""
    task = load_task(name, folder)
    examples = task.load("train")[:ITEMS[name]]
    own = attempts_of(lm, tokenizer, task, examples, "own", NEW_TOKENS[name])
    accepted = lambda e, a: a["finish_reason"] == "end" and task.accept(e, a["text"], a["source"]).ok
    right = {e.id for e in examples if accepted(e, own[e.id])}
    failed = [e for e in examples if e.id not in right]
    rewritten = attempts_of(lm, tokenizer, task, failed, "paraphrase", NEW_TOKENS[name])
    retold = {e.id for e in failed if accepted(e, rewritten[e.id])}
    kinds = {}
    for e in examples:
        row = kinds.setdefault(e.extra["kind"], [0, 0, 0, 0])                    # items, own right, rewrites accepted, rewrites faithful
        row[0] += 1
        row[1] += e.id in right
        row[2] += e.id in retold
    found = {"task": task, "examples": examples, "own": own, "rewritten": rewritten, "right": len(right), "retold": len(retold),
             "failed": len(failed), "items": len(examples), "kinds": kinds}
    if name == "gsm8k":
        truth = {e.id: world_truth.compare(e.extra["voice"], rewritten[e.id]["text"], e.question) for e in failed}
        found["truth"] = Counter(truth.values())
        for e in failed:
            kinds[e.extra["kind"]][3] += truth[e.id] == "same"
    return found


def perplexities(lm, tokenizer, found):
    """exp of the mean negative log-probability per token after the question alone, on the same items: {"own", "paraphrase", "gold"}."""
    task = found["task"]
    first = [e for e in found["examples"] if found["own"][e.id]["finish_reason"] == "end"][:SAME]
    rewritten = found["rewritten"] | attempts_of(lm, tokenizer, task, [e for e in first if e.id not in found["rewritten"]], "paraphrase", NEW_TOKENS["gsm8k"])
    triples = [(e, {"own": found["own"][e.id], "paraphrase": rewritten[e.id]}) for e in first if rewritten[e.id]["finish_reason"] == "end"]
    sources = ("own", "paraphrase", "gold")
    targets = []
    for e, attempts in triples:
        choices = [s3ft.Choice(e, source, attempts.get(source)) for source in sources]
        targets.append([s3ft.make_target(tokenizer, task, choice) for choice in choices])
    rows = log_probabilities(lm, targets)
    return {source: math.exp(-sum(r[source][0] for r in rows) / sum(r[source][1] for r in rows)) for source in ("own", "paraphrase", "gold")}


def check(folder=TINY):
    """Print every criterion with its value -> how many are missed."""
    began = time.time()
    made = read_json(Path(folder) / "world.json")
    if made.get("world") != pretrain.fingerprint():
        raise UserError(f"the weights in {folder} come from another world ({made.get('world')}, not {pretrain.fingerprint()}); pre-train anew")
    lm, tokenizer = model.load(folder)
    lm = lm.to(model.precision(next(lm.parameters()).device, "sample")[0])
    rows = []                                                                    # (what, wanted, value, met)

    def between(what, value, low, high, digits=1):
        rows.append((what, f"{low:g} to {high:g}", f"{value:.{digits}f}", low <= value <= high))

    for name in ("gsm8k", "mbpp", "nq"):
        found = look(lm, tokenizer, name)
        title, n = found["task"].title, found["items"]
        shares = {"own": percent(found["right"], n), "paraphrase": percent(found["retold"], n)}
        shares["gold"] = 100 - sum(shares.values())
        if name == "gsm8k":
            for source, share in shares.items():
                between(f"{title}: share of {source}, %", share, max(0, TABLE3[source] - 10), TABLE3[source] + 10)
            half = sum(k[0] for k in found["kinds"].values() if 20 <= percent(k[1], k[0]) <= 80)
            between(f"{title}: items of kinds that are 20 to 80 % right, %", percent(half, n), 50, 100)
            between(f"{title}: rewrites of failed items that are faithful, %", percent(found["truth"]["same"], found["failed"]), 70, 100)
            for source, value in perplexities(lm, tokenizer, found).items():
                between(f"{title}: perplexity per token, {source}", value, *{"own": (1.1, 1.4), "paraphrase": (1.4, 2.2), "gold": (3, 6)}[source], 2)
        else:
            between(f"{title}: base model right, %", shares["own"], 20, 70)
            for source, share in shares.items():
                between(f"{title}: share of {source}, % (occurs)", share, 1, 100)
        print(f"\n{title}, {n} training items by kind: own answers right, rewrites of the others accepted" + (" (faithful)" if name == "gsm8k" else ""))
        for kind, (items, own, retold, faithful) in sorted(found["kinds"].items(), key=lambda k: -percent(k[1][1], k[1][0])):
            print(f"  {kind:16s} {items:4d} items  {percent(own, items):5.1f} %   {percent(retold, items - own):5.1f} %"
                  + (f" ({percent(faithful, items - own):.1f} %)" if name == "gsm8k" else ""))
    for name, items in multiple_choice.load(world.BENCHMARKS, str(folder)).items():
        bar = Progress(name, sum(len(i.endings) for i in items))
        result = multiple_choice.result(name, items, multiple_choice.loglikelihoods(lm, tokenizer, items, bar)[0])
        between(f"{name}: right, % (of {len(items)}; chance {100 * result['chance']:.0f})", 100 * result["accuracy"], 55, 85)
    print(f"\n{'criterion':72s} {'wanted':>12s} {'measured':>9s}")
    for what, wanted, value, met in rows:
        print(f"{what:72s} {wanted:>12s} {value:>9s}  {'yes' if met else 'NO'}")
    missed = sum(not met for *_, met in rows)
    print(f"{len(rows) - missed} of {len(rows)} criteria are met ({(time.time() - began) / 60:.1f} min)")
    return missed
