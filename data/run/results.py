"""results.py - what results.json says of a run: its cells, its attempts, and the run as a whole.

run: data.run.run.Run, which has its options, questions, attempts and cells.
"""
import time
from collections import Counter

import judge
from data import TASKS, UserError, benchmarks
from data.files import digest, mean, write_json, write_jsonl
from data.results import cells, scores
from data.results.attempts import add_seeds, with_more_attempts
from data.run import lab
from data.run.folder import model_name
from data.run.statistics import copies, judge_errors, thinned
from data.run.verdicts import Verdicts

FORMAT = 2                       # of results.json; data/report/read_runs.py reads this one
UNFINISHED = judge.Verdict(False, "unfinished", None, "cut off at the length limit, never a target")
TOO_LONG = judge.Verdict(False, "too long", None, "the prompt fills the model's context",
                         {"em": 0, "f1": 0, "recall": 0})

# The options that every cell is made with; results.json has them beside methods, rates and seeds.
SETTINGS = ("epochs", "batch", "limit", "test_limit", "new_items", "benchmarks", "benchmark_limit",
            "samples", "temperature", "max_new_tokens", "schedule", "lora", "lora_alpha",
            "lora_dropout", "lora_targets", "test_samples", "test_temperature", "all_asserts",
            "unsafe_code", "thinking")


# ---------------------------------------------------------------- one cell

def make_cell(run, name, method, lr, seed, weights, measured):
    """Judge what was measured -> a cell of results.json. Its answers are written in OUT/CELL.

    lr: None for the base model. measured: what s3ft.measure returned.
    """
    questions = run.questions[seed]
    cell = {"folder": name, "method": method, "lr": lr, "epochs": None, "seed": seed,
            "targets": None, "target_tokens": None, "kl": measured["kl"]}
    answers = []                     # of both splits, for one file
    for split, examples in (("validation", questions.validation), ("test", questions.test)):
        if examples:
            cell[split] = judged_split(run, examples, measured[split])
        answers += [{"split": split} | answer for answer in measured[split]]
    (run.out / name).mkdir(exist_ok=True)
    write_jsonl(run.out / name / "answers.jsonl", answers)
    seconds = sum(answer["seconds"] for answer in answers)      # that this cell alone took

    cell["benchmarks"] = {}
    for benchmark_name, benchmark in questions.benchmarks.items():
        rows = measured["benchmarks"][benchmark_name]
        seconds += sum(row["seconds"] for row in rows)
        verdicts = None
        if benchmark.task is not None:                   # its answers are judged too
            if benchmark_name not in run.judges:
                run.judges[benchmark_name] = Verdicts(benchmark.task, run.out)
            verdicts = run.judges[benchmark_name]
            verdicts.prepare(benchmark.items, rows, None)
            write_jsonl(run.out / name / f"{benchmark_name}.jsonl", rows)
        cell["benchmarks"][benchmark_name] = benchmark.result(rows, verdicts)

    if lr is not None:
        row = run.methods[method]
        losses = weights.record["losses"]
        source_of = {target.id: target.source for target in weights.targets}
        cell |= {"epochs": run.options.epochs, "targets": len(weights.targets),
                 "samples": row.samples, "temperature": row.temperature,
                 "target_tokens": sum(len(target.ids) for target in weights.targets),
                 "loss": losses[-1] if losses else None, "curve": thinned(losses),
                 "sources": Counter(source_of.values()),      # {source: number of examples}
                 "dropped": 0 if row.examples else len(questions.train) - len(source_of)}
        seconds += weights.record["seconds"] + run.attempt_seconds[method, seed]
    cell["times"] = {"minutes": round(seconds / 60, 2)}
    return cell


def judged_split(run, examples, answers):
    """Judge answers, one or several an example -> what the cell says of them."""
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


def check_cells(run):
    """UserError where a cell of --results was measured on other items than this run draws.

    This happens when a file of questions has changed.
    """
    for record in run.records.values():
        if "cell" not in record:
            continue
        cell = record["cell"]
        questions = run.questions[cell["seed"]]
        drawn = {"test": digest([e.id for e in questions.test])}     # {set: digest of its items}
        for name, benchmark in questions.benchmarks.items():
            drawn[name] = benchmark.content
        for name, ids in drawn.items():
            row = scores.measured(cell, name)
            if row and row["ids"] != ids:
                title = run.task.title if name == "test" else name
                raise UserError(f"{record['where']} was measured on other items of {title}; "
                                "take it out or give another --results")


# ---------------------------------------------------------------- the run as a whole

def about(run, seed):
    """What results.json says beside its cells."""
    o = run.options
    task = run.task
    machine = run.machine
    settings = {name: getattr(o, name) for name in SETTINGS}
    settings |= {"dtypes": [str(machine.sample_dtype), str(machine.train_dtype)],
                 "judge": task.name}
    return {
        "task": task.title,
        "task_name": o.task if o.task in TASKS else None,
        "model": model_name(o),
        "commit": o.commit,
        "settings": settings,
        "notes": task.notes,
        "benchmark_notes": benchmarks.notes(run.questions[seed].benchmarks),
        "versions": {name: run.made[name] for name in ("python", "torch")},
        "device": machine.device.type,
        "identity": run.identity,
        "do_not_fit": run.do_not_fit,
    }


def attempts_of(run, seeds):
    """The attempts of these seeds, each one once: {(id, kind, settings, sample): attempt}.

    Greedy attempts are the same for every seed.
    """
    attempts = {}
    for seed in seeds:
        for tries in run.used[seed].values():
            for attempt in tries:
                settings = (attempt["settings"]["samples"], attempt["settings"]["temperature"])
                key = (attempt["id"], attempt["source"], settings, attempt["sample"])
                attempts[key] = attempt
    return attempts


def count_attempts(run, seeds):
    """Judge them -> (what results.json says of the attempts, lines of verdicts.jsonl).

    Counted are those that were sampled as the options say, unless there are none.
    """
    examples = {e.id: e for seed in seeds for e in run.questions[seed].train}
    attempts = attempts_of(run, seeds)
    as_options_say = [one for one in attempts.values() if run.as_options_say(one)]
    counted = as_options_say or list(attempts.values())
    accept = run.verdicts.accept
    lines = []
    rules = {}                       # {kind: {rule: [accepted, all]}}
    for (id, kind, _, sample), attempt in attempts.items():
        verdict = UNFINISHED
        if attempt["finish_reason"] == "end":
            verdict = accept(examples[id], attempt["text"], kind)
        lines.append({"id": id, "source": kind, "sample": sample, "ok": verdict.ok,
                      "rule": verdict.rule, "extracted": verdict.extracted,
                      "reason": verdict.reason})
        if as_options_say and not run.as_options_say(attempt):
            continue
        count = rules.setdefault(kind, {}).setdefault(verdict.rule, [0, 0])
        count[0] += verdict.ok
        count[1] += 1
    counts = {
        "verdicts": rules,
        "copies": copies(counted, run.task, examples, accept),
        "judge_errors": judge_errors(counted, run.task, examples, accept),
    }
    return counts, lines


def items_asked(run):
    """-> ({fingerprint of a set: ids of its items}, lines of items.jsonl)."""
    task = run.task
    ids = {}
    lines = {}                       # {(set, id): line}: seeds share questions
    for questions in run.questions.values():
        for split, examples in (("validation", questions.validation), ("test", questions.test)):
            if examples:
                split_ids = [e.id for e in examples]
                ids[digest(split_ids)] = split_ids
            for e in examples:
                text = run.ask(task, e)[-1]["content"]
                lines[split, e.id] = {"set": split, "id": e.id, "text": text,
                                      "answer": task.gold(e)}
        for name, benchmark in questions.benchmarks.items():
            ids[benchmark.content] = [item.id for item in benchmark.items]
            for line in benchmark.item_lines(run.ask):
                lines[name, line["id"]] = line
    return ids, list(lines.values())


def write_results(run):
    """Write what the run used, and results.json -> its content."""
    o = run.options
    ids, items = items_asked(run)
    counts, verdicts = count_attempts(run, o.seeds)
    logprobs = run.logprobs
    write_jsonl(run.out / "attempts.jsonl", attempts_of(run, o.seeds).values())
    write_jsonl(run.out / "verdicts.jsonl", verdicts)
    write_jsonl(run.out / "items.jsonl", items)
    if run.shared:
        counts, logprobs = share_all(run)
    results = {"format": FORMAT, **about(run, o.seeds[0])}
    rates = sorted({lr for row in run.methods.values() for lr in row.rates})
    results["settings"] |= {"methods": o.methods, "lr": rates, "seeds": o.seeds}
    minutes = round((time.time() - run.began) / 60, 2)
    results |= {"cells": run.all_cells(), **counts, "logprobs": logprobs, "items": ids,
                "times": {"minutes": minutes, "tokens_per_second": run.speeds.per_second()}}
    if o.lab:
        results["lab"] = lab.note(run.base.shipped)
    write_json(run.out / "results.json", results)
    return results


def share_attempts(run, seed):
    """Write the counts of a seed's attempts to --results, where it has fewer. Done as soon as they
    are there: a later run would not ask for the attempts of a finished cell again."""
    if not run.used[seed]:
        return
    made, _ = count_attempts(run, [seed])
    made["logprobs"] = {"items": []}
    if run.logprobs and seed == run.options.seeds[0]:
        made["logprobs"] = run.logprobs
    name = f"attempts-s{seed}"
    kept = run.records.get(name, {}).get("attempts")
    fuller = with_more_attempts(kept, made)
    if fuller != kept:
        key = cells.cell_key(run.options, run.world, "attempts", None)
        record = {"key": key, "made": run.made, "attempts": fuller}
        run.records[name] = cells.append(run.shared, name, record)


def share_all(run):
    """Write the counts of all attempts to --results, and their cells to this folder's list.
    -> (the counts of all seeds that are there, together; the log-probabilities of most items)."""
    for cell in run.all_cells():
        name = cell["folder"]
        cells.append_new(run.out / "cells.jsonl", run.listed, name, run.records[name])
    for seed in run.options.seeds:
        share_attempts(run, seed)
    all_seeds = [record["attempts"] for record in run.records.values() if "attempts" in record]
    candidates = [attempts["logprobs"] for attempts in all_seeds] + [run.logprobs]
    fullest = max(candidates, key=lambda one: len(one["items"]))
    return add_seeds(all_seeds), fullest
