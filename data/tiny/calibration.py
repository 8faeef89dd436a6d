"""calibration.py - is the teaching world fit for a comparison? Looked at on the base model alone,
before any method has run.

    python data/tiny/pretrain.py --check     # prints each criterion, the measured value, and yes or
                                             # no; exit code 1 if one is no

The criteria were written down before the world was (README.md has them with their reasons); none
looks at a tuned model.
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
from data.files import json_or_empty
from data.run.figure2 import log_probabilities
from data.run.progress import Progress

SHARES = {"own": 49.5, "paraphrase": 42.1, "gold": 8.4}      # of the paper's Table 3, GSM8K
PERPLEXITIES = {"own": (1.1, 1.4), "paraphrase": (1.4, 2.2), "gold": (3, 6)}     # wanted
ITEMS = {"gsm8k": 600, "mbpp": 374, "nq": 400}               # training items looked at
NEW_TOKENS = {"gsm8k": 96, "mbpp": 128, "nq": 48}
FIGURE2 = 84                     # items whose log-probabilities are taken, as in the paper


def percent(n, of):
    return 100 * n / max(1, of)


class Look:
    """One task: what becomes the target of each training item, in all and by kind."""

    def __init__(self, lm, tokenizer, name, folder=TINY):
        self.lm = lm
        self.tokenizer = tokenizer
        self.name = name
        self.task = load_task(name, folder)
        self.examples = self.task.load("train")[:ITEMS[name]]
        self.own = self.ask("own", self.examples)
        right = {e.id for e in self.examples if self.accepts(e, self.own[e.id])}
        failed = [e for e in self.examples if e.id not in right]
        self.rewritten = self.ask("paraphrase", failed)
        retold = {e.id for e in failed if self.accepts(e, self.rewritten[e.id])}
        faithful = set()             # of tiny-gsm8k: rewrites that have the world's own steps
        if name == "gsm8k":
            for e in failed:
                text = self.rewritten[e.id]["text"]
                if world_truth.compare(e.extra["voice"], text, e.question) == "same":
                    faithful.add(e.id)
        self.items = len(self.examples)
        self.right = len(right)
        self.retold = len(retold)
        self.failed = len(failed)
        self.faithful = len(faithful)
        self.kinds = {}              # {kind: Counter of items, right, retold, faithful}
        for e in self.examples:
            count = self.kinds.setdefault(e.extra["kind"], Counter())
            count["items"] += 1
            count["right"] += e.id in right
            count["retold"] += e.id in retold
            count["faithful"] += e.id in faithful

    def ask(self, source, examples):
        """{id: attempt}, greedy."""
        if not examples:
            return {}
        jobs = s3ft.make_jobs(self.task, self.tokenizer, examples, source)
        bar = Progress(f"{self.task.title}: {source}", len(examples))
        attempts = s3ft.answers(self.lm, self.tokenizer, self.task, jobs, NEW_TOKENS[self.name],
                                progress=bar)
        return {attempt["id"]: attempt for attempt in attempts}

    def accepts(self, example, attempt):
        if attempt["finish_reason"] != "end":
            return False
        return self.task.accept(example, attempt["text"], attempt["source"]).ok

    def perplexities(self):
        """exp of the mean negative log-probability per token after the question alone, on the same
        items: {"own", "paraphrase", "gold"}."""
        finished = [e for e in self.examples if self.own[e.id]["finish_reason"] == "end"]
        some = finished[:FIGURE2]
        missing = [e for e in some if e.id not in self.rewritten]
        rewritten = self.rewritten | self.ask("paraphrase", missing)
        pairs = []
        for e in some:
            if rewritten[e.id]["finish_reason"] == "end":
                pairs.append((e, {"own": self.own[e.id], "paraphrase": rewritten[e.id]}))
        groups = []
        for example, attempts in pairs:
            group = []
            for source in ("own", "paraphrase", "gold"):
                choice = s3ft.Choice(example, source, attempts.get(source))
                group.append(s3ft.make_target(self.tokenizer, self.task, choice))
            groups.append(group)
        rows = log_probabilities(self.lm, groups)
        perplexities = {}
        for source in ("own", "paraphrase", "gold"):
            total = sum(row[source][0] for row in rows)
            tokens = sum(row[source][1] for row in rows)
            perplexities[source] = math.exp(-total / tokens)
        return perplexities

    def print_kinds(self):
        with_faithful = self.name == "gsm8k"
        print(f"\n{self.task.title}, {self.items} training items by kind: own answers right, "
              f"rewrites of the others accepted{' (faithful)' if with_faithful else ''}")

        def right_of(kind):
            return percent(self.kinds[kind]["right"], self.kinds[kind]["items"])

        for kind in sorted(self.kinds, key=right_of, reverse=True):
            count = self.kinds[kind]
            failed = count["items"] - count["right"]
            line = (f"  {kind:16s} {count['items']:4d} items  {right_of(kind):5.1f} %   "
                    f"{percent(count['retold'], failed):5.1f} %")
            if with_faithful:
                line += f" ({percent(count['faithful'], failed):.1f} %)"
            print(line)


def criteria_of_task(look):
    """[(what, value, lowest, highest, digits), ..]"""
    title = look.task.title
    own = percent(look.right, look.items)
    paraphrase = percent(look.retold, look.items)
    shares = {"own": own, "paraphrase": paraphrase, "gold": 100 - (own + paraphrase)}
    criteria = []
    if look.name != "gsm8k":
        criteria.append((f"{title}: base model right, %", shares["own"], 20, 70, 1))
        for source, share in shares.items():
            criteria.append((f"{title}: share of {source}, % (occurs)", share, 1, 100, 1))
        return criteria
    for source, share in shares.items():
        low = max(0, SHARES[source] - 10)
        high = SHARES[source] + 10
        criteria.append((f"{title}: share of {source}, %", share, low, high, 1))
    half = 0                         # items of kinds that are half known
    for count in look.kinds.values():
        if 20 <= percent(count["right"], count["items"]) <= 80:
            half += count["items"]
    criteria.append((f"{title}: items of kinds that are 20 to 80 % right, %",
                     percent(half, look.items), 50, 100, 1))
    criteria.append((f"{title}: rewrites of failed items that are faithful, %",
                     percent(look.faithful, look.failed), 70, 100, 1))
    for source, value in look.perplexities().items():
        low, high = PERPLEXITIES[source]
        criteria.append((f"{title}: perplexity per token, {source}", value, low, high, 2))
    return criteria


def check(folder=TINY):
    """Print every criterion with its value -> how many are missed."""
    began = time.time()
    made_of = json_or_empty(Path(folder) / "world.json").get("world")
    if made_of != pretrain.fingerprint():
        raise UserError(f"the weights in {folder} come from another world ({made_of}, not "
                        f"{pretrain.fingerprint()}); pre-train anew")
    lm, tokenizer = model.load(folder)
    lm = lm.to(model.precision(next(lm.parameters()).device)[0])
    criteria = []
    for name in ("gsm8k", "mbpp", "nq"):
        look = Look(lm, tokenizer, name)
        criteria += criteria_of_task(look)
        look.print_kinds()
    for name in world.BENCHMARKS:
        items = multiple_choice.load(name, str(folder))
        bar = Progress(name, len(items))
        scores, _ = multiple_choice.loglikelihoods(lm, tokenizer, items, bar)
        result = multiple_choice.result(name, items, scores)
        what = f"{name}: right, % (of {len(items)}; chance {100 * result['chance']:.0f})"
        criteria.append((what, 100 * result["accuracy"], 55, 85, 1))

    print(f"\n{'criterion':72s} {'wanted':>12s} {'measured':>9s}")
    missed = 0
    for what, value, low, high, digits in criteria:
        is_met = low <= value <= high
        missed += not is_met
        wanted = f"{low:g} to {high:g}"
        print(f"{what:72s} {wanted:>12s} {value:9.{digits}f}  {'yes' if is_met else 'NO'}")
    print(f"{len(criteria) - missed} of {len(criteria)} criteria are met "
          f"({(time.time() - began) / 60:.1f} min)")
    return missed
