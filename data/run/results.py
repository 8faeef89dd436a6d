"""results.py - what results.json says of a run: its cells, its attempts, and the run as a whole.

The functions get the run (data/run/run.py), which has its options, its attempts and its cells.
`row` stands for one cell here, a model that was trained and measured.
"""
import sys
import time

import torch

import judge
from data import TASKS, UserError, benchmarks
from data.results import cells, scores
from data.results.attempts import add_seeds, with_more_attempts
from data.files import digest, mean, write_json, write_jsonl
from data.run.folder import model_name
from data.run.statistics import asked_for, copies, judge_errors, thinned

FORMAT = 2                       # of results.json; data/report/report.py reads this one
FIGURE2 = 84                     # training items whose log-probabilities are taken, as in the paper
UNFINISHED = judge.Verdict(False, "unfinished", None, "cut off at the length limit, never a target")
TOO_LONG = judge.Verdict(False, "too long", None, "the prompt fills the model's context",
                         {"em": 0, "f1": 0, "recall": 0})

# The options that every cell is made with; results.json has them beside methods, rates and seeds.
SETTINGS = ("epochs", "batch", "limit", "test_limit", "new_items", "benchmarks", "benchmark_limit",
            "samples", "temperature", "max_new_tokens", "schedule", "lora", "lora_alpha",
            "lora_dropout", "lora_targets", "test_samples", "test_temperature", "all_asserts",
            "unsafe_code")


# ---------------------------------------------------------------- one cell

def beginning_of_row(run, name, method, lr, seed, weights, kl):
    """The first entries of a row: which cell it is, and its targets.

    lr: None for the base model, which has no targets.
    """
    row = {"folder": name, "method": method, "lr": lr, "epochs": None, "seed": seed,
           "targets": None, "target_tokens": None, "kl": kl}
    if lr is not None:
        row["epochs"] = run.options.epochs
        row["targets"] = len(weights.targets)
        row["target_tokens"] = sum(len(target.ids) for target in weights.targets)
    return row


def judged_split(run, examples, answers):
    """Judge the answers to the validation or test questions -> what the row says of them.

    answers: rows of answers.jsonl, one or several an example.
    """
    by_id = {e.id: e for e in examples}
    asked = [by_id[answer["id"]] for answer in answers]          # the example of each answer
    run.verdicts.prepare(asked, answers, None)
    verdicts = []
    for example, answer in zip(asked, answers):
        if answer["finish_reason"] == "too long":
            verdicts.append(TOO_LONG)
        else:
            verdicts.append(run.verdicts.score(example, answer["text"]))
    ids = [answer["id"] for answer in answers]
    split = scores.split_row(ids, [verdict.ok for verdict in verdicts])
    split["ids"] = digest([e.id for e in examples])
    split["cut_off"] = mean(answer["finish_reason"] != "end" for answer in answers)
    if hasattr(run.task, "summary"):
        split["summary"] = run.task.summary(asked, verdicts)
    return split


def training_of_row(weights, train):
    """What the row of a tuned model says of its training: losses, and where targets come from.

    train: the examples that the method could train on.
    """
    losses = weights.record["losses"]
    source_of = {target.id: target.source for target in weights.targets}
    sources = {}                     # {source: number of examples}
    for source in source_of.values():
        sources[source] = sources.get(source, 0) + 1
    return {"loss": losses[-1] if losses else None, "curve": thinned(losses), "sources": sources,
            "dropped": len(train) - len(source_of)}


def seconds_of_cell(run, questions, weights, measured, sources):
    """What this cell alone took: measuring, training, and the attempts that its method asked for.

    sources: those of the method's targets; None for the base model, which only is measured.
    """
    answers = [*measured["validation"], *measured["test"]]
    seconds = sum(answer["seconds"] for answer in answers)
    for name in questions.benchmarks:
        seconds += sum(row["seconds"] for row in measured["benchmarks"][name])
    if sources is None:
        return seconds
    seconds += weights.record["seconds"]
    source_of = {target.id: target.source for target in weights.targets}
    used = run.used[questions.seed]
    for kind, examples in asked_for(sources, questions.train, source_of).items():
        seconds += sum(attempt["seconds"] for e in examples for attempt in used[e.id, kind])
    return seconds


def check_cells(run, questions):
    """UserError where a cell of --results was measured on other items than this run draws.

    This happens when a file of questions has changed.
    """
    for record in run.done.values():
        if "cell" not in record:
            continue
        cell = record["cell"]
        mine = questions[cell["seed"]]
        drawn = {"test": digest([e.id for e in mine.test])}      # {set: fingerprint of its items}
        for name, ability in mine.benchmarks.items():
            drawn[name] = ability.content
        for name, ids in drawn.items():
            row = scores.measured(cell, name)
            if row and row["ids"] != ids:
                title = run.task.title if name == "test" else name
                raise UserError(f"{record['where']} was measured on other items of {title}; "
                                "take it out or give another --results")


# ---------------------------------------------------------------- the run as a whole

def about(run, questions):
    """What results.json says of the run as a whole, that is not made of its cells."""
    o = run.options
    task = run.task
    settings = {name: getattr(o, name) for name in SETTINGS}
    settings |= {"dtypes": run.dtypes, "judge": task.name}
    return {
        "task": task.title,
        "task_name": o.task if o.task in TASKS else None,
        "model": model_name(o),
        "commit": o.commit,
        "settings": settings,
        "notes": task.notes,
        "benchmark_notes": benchmarks.notes(questions.benchmarks),
        "versions": {"python": sys.version.split()[0], "torch": torch.__version__},
        "device": run.machine[1],
        "identity": run.identity,
        "do_not_fit": run.dropped,
    }


def attempts_of(run, seeds):
    """The attempts of these seeds, each one once: {(id, "own" or "paraphrase", sample): attempt}.

    Greedy attempts are the same for every seed.
    """
    attempts = {}
    for seed in seeds:
        for tries in run.used[seed].values():
            for attempt in tries:
                attempts[attempt["id"], attempt["source"], attempt["sample"]] = attempt
    return attempts


def count_attempts(run, questions):
    """Judge the attempts of some seeds.

    questions: {seed: s3ft.Questions}, of these seeds.
    -> (what results.json says of the attempts, lines of verdicts.jsonl).
    """
    examples = {e.id: e for mine in questions.values() for e in mine.train}
    attempts = attempts_of(run, questions)
    accept = run.verdicts.accept
    lines = []
    rules = {}                       # {kind: {rule: [accepted, all]}}
    for (id, kind, sample), attempt in attempts.items():
        verdict = UNFINISHED
        if attempt["finish_reason"] == "end":
            verdict = accept(examples[id], attempt["text"], kind)
        lines.append({"id": id, "source": kind, "sample": sample, "ok": verdict.ok,
                      "rule": verdict.rule, "extracted": verdict.extracted,
                      "reason": verdict.reason})
        count = rules.setdefault(kind, {}).setdefault(verdict.rule, [0, 0])
        count[0] += verdict.ok
        count[1] += 1
    counts = {
        "verdicts": rules,
        "copies": copies(attempts.values(), run.task, examples, accept),
        "judge_errors": judge_errors(attempts.values(), run.task, examples, accept),
    }
    return counts, lines


def figure2(run, examples, make):
    """Log-probabilities of own answer, paraphrase and gold, for Figure 2 -> {"items", "note"}.

    They are taken of the first training examples that have a finished own answer and a finished
    paraphrase. make(lm, pairs, progress): s3ft.log_probabilities of pairs
    (example, {"own": attempt, "paraphrase": attempt}).
    """
    used = run.used[run.options.seeds[0]]
    wanted = []
    for example in examples:
        if len(wanted) == FIGURE2:
            break
        pair = {}                    # of each kind the first finished attempt
        for kind in ("own", "paraphrase"):
            tries = used.get((example.id, kind), [])
            finished = [attempt for attempt in tries if attempt["finish_reason"] == "end"]
            if finished:
                pair[kind] = finished[0]
        if len(pair) == 2:
            ids = [attempt["ids"] for attempt in pair.values()]
            asked = digest(ids, run.task.gold(example))
            wanted.append((f"Figure 2 {example.id}", asked, (example, pair)))
    rows = run.base.rows("Figure 2", wanted, [], [run.method_code.log_probabilities], make)
    items = []
    for row in rows:
        items.append({name: value for name, value in row.items() if name != "seconds"})
    note = (f"{len(wanted)} training questions with a finished own answer and a finished "
            "paraphrase")
    if not all((example.id, "paraphrase") in used for example in examples):
        note += ("; paraphrases were only asked for where the own answer was refused: "
                 "--methods s3ft,sdft asks for all")
    return {"items": items, "note": note}


def items_asked(run, questions):
    """What was asked of the models.

    -> ({fingerprint of a set: ids of its items}, lines of items.jsonl).
    """
    task = run.task
    ids = {}
    lines = {}                       # {(set, id): line}: seeds share questions
    for mine in questions.values():
        for split, examples in (("validation", mine.validation), ("test", mine.test)):
            if examples:
                split_ids = [e.id for e in examples]
                ids[digest(split_ids)] = split_ids
            for e in examples:
                text = run.method_code.ask(task, e)[-1]["content"]
                lines[split, e.id] = {"set": split, "id": e.id, "text": text,
                                      "answer": task.gold(e)}
        for name, ability in mine.benchmarks.items():
            ids[ability.content] = [item.id for item in ability.items]
            for line in ability.item_lines(run.method_code.ask):
                lines[name, line["id"]] = line
    return ids, list(lines.values())


def write_results(run, questions):
    """Write what the run used, and results.json -> its content."""
    o = run.options
    first = questions[o.seeds[0]]
    ids, items = items_asked(run, questions)
    logprobs = run.logprobs
    counts, verdicts = count_attempts(run, questions)
    write_jsonl(run.out / "attempts.jsonl", attempts_of(run, run.used).values())
    write_jsonl(run.out / "verdicts.jsonl", verdicts)
    write_jsonl(run.out / "items.jsonl", items)
    if run.shared:
        counts, logprobs = share_attempts(run, questions, logprobs)
    results = {"format": FORMAT, **about(run, first)}
    results["settings"] |= {"methods": o.methods, "lr": o.lr, "seeds": o.seeds}
    speeds = {}
    for kind, (tokens, seconds) in run.seconds.items():
        if seconds > 0:
            speeds[kind] = round(tokens / seconds)
    minutes = (time.time() - run.began) / 60
    results |= {
        "cells": run.rows,
        **counts,
        "logprobs": logprobs,
        "items": ids,
        "fill": None,
        "times": {"minutes": round(minutes, 2), "tokens_per_second": speeds},
    }
    write_json(run.out / "results.json", results)
    return results


def share_attempts(run, questions, logprobs):
    """Write the counts of each seed's attempts to --results.

    The cells that were taken from there go into this folder's own list.
    -> (the counts of all seeds that are there, together; the log-probabilities of most items).
    """
    for row in run.rows:
        name = row["folder"]
        cells.append_new(run.out / "cells.jsonl", run.listed, name, run.done[name])
    for seed, mine in questions.items():
        if not run.used[seed]:
            continue
        made, _ = count_attempts(run, {seed: mine})
        made["logprobs"] = {"items": []}
        if seed == run.options.seeds[0]:
            made["logprobs"] = logprobs | {"items": rounded(logprobs["items"])}
        name = f"attempts-s{seed}"
        kept = run.done.get(name, {}).get("attempts")
        fuller = with_more_attempts(kept, made)
        if fuller != kept:
            key = cells.key(run.options, run.identity, "attempts", None)
            record = {"key": key, "made": run.made, "attempts": fuller}
            run.done[name] = cells.append(run.shared, name, record)
    all_seeds = [record["attempts"] for record in run.done.values() if "attempts" in record]
    candidates = [attempts["logprobs"] for attempts in all_seeds] + [logprobs]
    fullest = max(candidates, key=lambda one: len(one["items"]))
    return add_seeds(all_seeds), fullest


def rounded(items):
    """Items of Figure 2 with log-probabilities of 3 decimals, so that a line stays short."""
    short_items = []
    for item in items:
        short = {}
        for name, value in item.items():
            short[name] = value if name == "id" else [round(value[0], 3), value[1]]
        short_items.append(short)
    return short_items
