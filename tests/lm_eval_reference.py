"""lm-evaluation-harness 0.4.13 offline on the publishers' files: what it asks, what a model says, how it scores.

    from lm_eval_reference import hflm, requests, run
    # {"hellaswag-0": [(context, continuation), ...], ...}: no model is needed
    asked = requests("hellaswag", FOLDER)
    # log-likelihoods and lm-eval's own scores of these items
    found = run(hflm(MODEL), "mmlu", FOLDER, ids)

Needs lm-eval. Tasks are lm-eval's own YAML with its own functions. Only where the data come from is replaced: FOLDER's
files (see data/benchmarks/multiple_choice.py) in the columns of the hub's data sets, and one more, "id". Names and ids
are those of data/benchmarks/multiple_choice.py; the files are read here by other code.
"""
import csv
import json
import logging
import os
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

import datasets
import lm_eval
from lm_eval.api.metrics import aggregate_subtask_metrics
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks._yaml_loader import load_yaml

YAML = Path(lm_eval.__file__).parent / "tasks"
logging.getLogger("lm_eval").setLevel(logging.ERROR)
datasets.disable_progress_bars()


# ---------------------------------------------------------------- the publishers' files in the hub's columns

def csv_rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def mmlu_tables(folder):
    def table(path, subject):
        return [{"id": f"{subject}-{n}", "question": row[0], "subject": subject, "choices": row[1:5],
                 "answer": "ABCD".index(row[5])}
                for n, row in enumerate(csv_rows(path))]

    subjects = sorted(path.name.removesuffix("_test.csv") for path in (folder / "mmlu" / "test").glob("*.csv"))
    tables = {}
    for s in subjects:
        paths = {split: folder / "mmlu" / split / f"{s}_{split}.csv" for split in ("test", "dev")}
        tables[f"mmlu_{s}"] = {split: table(path, s) for split, path in paths.items()}
    return tables


def truthfulqa_table(folder):
    def targets(answers):
        return {"choices": list(answers), "labels": list(answers.values())}
    rows = json.loads((folder / "truthfulqa" / "mc_task.json").read_text(encoding="utf-8"))
    return [{"id": f"truthfulqa-{n}", "question": row["question"], "mc1_targets": targets(row["mc1_targets"]),
             "mc2_targets": targets(row["mc2_targets"])} for n, row in enumerate(rows)]


def lines_table(name, path, columns):
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    return [{"id": f"{name}-{n}"} | {c: row[c] for c in columns} for n, row in enumerate(rows)]


def hellaswag_table(folder):
    columns = ("ind", "activity_label", "ctx_a", "ctx_b", "ctx", "endings", "label")
    rows = lines_table("hellaswag", folder / "hellaswag" / "hellaswag_val.jsonl", columns)
    return [row | {"label": str(row["label"])} for row in rows]


def winogrande_table(folder):
    return lines_table("winogrande", folder / "winogrande" / "dev.jsonl", ("sentence", "option1", "option2", "answer"))


def bundled_table(name, folder):
    return lines_table(name, folder / "benchmarks" / f"{name}.jsonl", ("id", "context", "endings", "answer"))


# ---------------------------------------------------------------- tasks

def make(config, tables, shots=None):
    """lm-eval's task of this config on these tables {split: rows}; shots as its --num_fewshot does it."""
    splits = {split: datasets.Dataset.from_list(rows) for split, rows in tables.items()}
    without_tag = {k: v for k, v in config.items() if k != "tag"}
    task = ConfigurableTask(config=without_tag | {"custom_dataset": lambda **_: splits})
    its_shots = task.get_config("num_fewshot")
    if shots is None or its_shots == 0:
        shots = its_shots or 0
    task.set_config("num_fewshot", shots)
    task.set_fewshot_seed(1234)
    return task


def choice(name, rows):
    """A plain multiple_choice task for the bundled sets; a context for each option is given as winogrande does it."""
    config = {"task": name, "output_type": "multiple_choice", "test_split": "test", "target_delimiter": "",
              "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}]}
    if isinstance(rows[0]["context"], str):
        config |= {"doc_to_text": "context", "doc_to_choice": "endings", "doc_to_target": "answer"}
    else:
        config |= {"doc_to_text": lambda doc: doc["answer"], "doc_to_choice": "context",
                   "doc_to_target": lambda doc: doc["endings"][0]}
    return make(config, {"test": rows})


def tasks(name, folder, ids=None):
    """{lm-eval's name: task} of one of our names; ids: only these items (MMLU's shown examples stay whole)."""
    folder = Path(folder)

    def some(rows):
        return rows if ids is None else [row for row in rows if row["id"] in wanted]
    wanted = set(ids or ())
    if name.startswith("mmlu"):
        shots = 0 if name == "mmlu-0shot" else 5
        tables = {task: some(t["test"]) for task, t in mmlu_tables(folder).items()}
        dev = {task: t["dev"] for task, t in mmlu_tables(folder).items()}
        made = {}
        for task, rows in tables.items():
            if rows:
                config = load_yaml(YAML / "mmlu" / "default" / f"{task}.yaml")
                made[task] = make(config, {"test": rows, "dev": dev[task]}, shots)
        return made
    if name == "truthfulqa":
        rows = some(truthfulqa_table(folder))
        return {task: make(load_yaml(YAML / "truthfulqa" / f"{task}.yaml"), {"validation": rows})
                for task in ("truthfulqa_mc1", "truthfulqa_mc2")}
    if name in ("hellaswag", "winogrande"):
        rows = some({"hellaswag": hellaswag_table, "winogrande": winogrande_table}[name](folder))
        config = load_yaml(YAML / name / {"hellaswag": "hellaswag.yaml", "winogrande": "default.yaml"}[name])
        # train: has to be there, is not shown
        return {name: make(config, {"validation": rows, "train": rows[:1]})}
    return {name: choice(name, some(bundled_table(name, folder)))}


def requests(name, folder, ids=None):
    """{id: [(context, continuation), ...]} as lm-eval builds them; of truthfulqa {"mc1": .., "mc2": ..}."""
    found = {}
    for label, task in tasks(name, folder, ids).items():
        task.build_all_requests()
        asked = found.setdefault(label.removeprefix("truthfulqa_"), {}) if name == "truthfulqa" else found
        for instance in task.instances:
            asked.setdefault(instance.doc["id"], []).append(instance.args)
    return found


# ---------------------------------------------------------------- models and scores

def hflm(folder, dtype="float32", batch_size=8, softmax=None):
    return HFLM(pretrained=str(folder), device="cpu", dtype=dtype, batch_size=batch_size, softmax_dtype=softmax)


def run(lm, name, folder, ids=None, mc1_apart=False):
    """lm_eval.evaluate -> {"ids", "requests", "loglikelihoods", "metrics": {metric: by item}, "scores": {metric: all}}.

    truthfulqa: mc2's requests are run, and lm-eval's mc1 task scores from them (its requests are some of them);
    mc1_apart runs it by itself instead. Its metrics are called mc1 and mc2, both are "acc" in lm-eval.
    """
    these = tasks(name, folder, ids)
    one = these.pop("truthfulqa_mc1", None) if not mc1_apart else these.pop("truthfulqa_mc2") and None
    found = lm_eval.evaluate(lm, {"tasks": these, "groups": {}, "group_map": {}}, bootstrap_iters=0)
    samples = [sample for task in these for sample in found["samples"][task]]
    metrics = {metric: [sample[metric] for sample in samples] for metric in samples[0]["metrics"]}
    sizes = [len(found["samples"][task]) for task in these]
    scores = {}
    for metric in metrics:
        by_task = [found["results"][task][f"{metric},none"] for task in these]
        scores[metric] = aggregate_subtask_metrics(by_task, sizes)
    if name == "truthfulqa":
        label = "mc1" if mc1_apart else "mc2"
        metrics, scores = {label: metrics["acc"]}, {label: scores["acc"]}
    if one:
        one.build_all_requests()
        told = {}
        for sample in samples:
            for asked, response in zip(sample["arguments"], sample["filtered_resps"]):
                told[tuple(asked)] = response
        by_item = {}
        for instance in one.instances:
            by_item.setdefault(instance.doc["id"], (instance.doc, []))[1].append(told[tuple(instance.args)])
        metrics["mc1"] = [one.process_results(doc, said)["acc"] for doc, said in by_item.values()]
        scores["mc1"] = one.aggregation()["acc"](metrics["mc1"])
    return {"ids": [s["doc"]["id"] for s in samples], "requests": [s["arguments"] for s in samples],
            "loglikelihoods": [[value for value, _ in s["filtered_resps"]] for s in samples],
            "metrics": metrics, "scores": scores}
