"""Ask the base model what a lab's run asks it, and keep the rows with the project: rows.jsonl.gz.

    python data/tiny/lab/ship.py            (ten minutes; the same machine writes the same bytes)

To be run again when the sizes in data/cli/lab.py, a prompt, the bundled files or a row in
SAMPLED_ROWS change. Asked are the questions of seed 0: all attempts greedily, and the attempts of
the page that students start from. data/run/lab.py says how a run uses them.
"""
import gzip
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2]))

import torch  # noqa: E402

import s3ft  # noqa: E402
from data import cli  # noqa: E402
from data.files import digest, sealed, write_atomic  # noqa: E402
from data.cli.ending import guard  # noqa: E402
from data.methods import PAGES  # noqa: E402
from data.methods.method import complete  # noqa: E402
from data.run import figure2  # noqa: E402
from data.run.folder import open_model, open_task  # noqa: E402
from data.run.run import Run  # noqa: E402
from data.run.selection import select  # noqa: E402
from data.run.store import FORMAT  # noqa: E402

SAMPLED_ROWS = ("mine", "mine_random")      # of data/methods: attempts at a temperature


def ask_base(run, task, options):
    """Let the base model make every row that a lab's run may ask for."""
    [questions] = run.questions.values()
    greedy = s3ft.Sampling(options.max_new_tokens)
    s3ft.measure(run, run.base, task, questions, None, greedy)
    attempts = {}                    # {(example id, kind): its attempt}, if it is finished
    for kind in ("own", "paraphrase"):
        for row in s3ft.texts_of(run, run.base, kind, task, questions.train, kind, greedy):
            if row["finish_reason"] == "end":
                attempts[row["id"], kind] = row
    wanted = []                      # as data/run/figure2.py wants them
    for example in questions.train:
        if (example.id, "own") not in attempts or (example.id, "paraphrase") not in attempts:
            continue
        targets = []
        for source in ("own", "paraphrase", "gold"):
            choice = s3ft.Choice(example, source, attempts.get((example.id, source)))
            targets.append(s3ft.make_target(run.tokenizer, task, choice))
        asked = digest([[target.prompt_ids, target.ids] for target in targets])
        wanted.append((f"Figure 2 {example.id}", asked, targets))
    for name in SAMPLED_ROWS:
        row = complete(name, PAGES[name], options)
        s3ft.targets_of(run, task, row, questions.train, questions.seed, options.max_new_tokens)
    log_probabilities = figure2.log_probabilities
    run.base.rows("Figure 2", wanted, [], [log_probabilities], log_probabilities)


def chunks_of(run):
    """The rows of the base model as chunks for `Store.borrow`, one for each of their settings."""
    by_settings = {}                 # {digest of settings: rows}
    for name, before in run.base.store.made_before.items():
        [parts] = before
        rest = {part: value for part, value in parts.items() if part != "the prompts"}
        row = dict(run.base.store.by_key[name, parts["the prompts"], digest(rest)])
        del row["seconds"]                                  # nobody waits for them again
        rows = by_settings.setdefault(parts["the settings"], [])
        rows.append([name, parts["the prompts"], row])
    chunks = []
    for settings, rows in by_settings.items():
        chunks.append({"format": FORMAT, "world": run.world, "versions": run.machine.versions(),
                       "made from": {"the settings": settings}, "seconds": 0, "rows": rows})
    return chunks


def main():
    with tempfile.TemporaryDirectory() as folder:
        rates = [str(lr) for lr in (1e-4, 1e-3)]            # two, so that validation is asked
        arguments = ["--lab", "--lr", *rates, "--benchmarks", "all", "--benchmark-limit", "250",
                     "--dtype", "float32", "--out", f"{folder}/run"]
        options = cli.parse(arguments, s3ft.METHODS, s3ft.SOURCES)
        task = open_task(options, s3ft.METHODS, s3ft.SAMPLED)
        base = open_model(options)
        selected = select(options, task, base, s3ft.ask, s3ft.rewrite)
        with Run(options, task, base, selected, {}, s3ft.ask, {"training": "", "cells": ""}) as run:
            run.begin()
            run.base.shipped = ()                           # those of last time are not read
            torch.set_num_threads(1)                        # others add up in another order
            ask_base(run, task, options)
            lines = [sealed(chunk) for chunk in chunks_of(run)]
    content = gzip.compress("".join(lines).encode(), 9, mtime=0)
    write_atomic(HERE / "rows.jsonl.gz", content)
    print(f"{HERE / 'rows.jsonl.gz'}: {len(content) / 1000:.0f} kB")


if __name__ == "__main__":
    sys.exit(guard(main))
