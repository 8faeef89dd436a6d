"""Reformatted copies of the public benchmarks back into their publishers' layouts, which data/benchmarks/ reads.

    python tests/convert_benchmarks.py FOLDER OUT

FOLDER holds mmlu/{test,dev}/*.csv (with a header and answer indices 0-3), hellaswag/hellaswag_val.derived.jsonl
({ind, ctx, label, endings}, cleaned already), winogrande/winogrande.jsonl ({context_options, continuation, gold}) and
truthfulqa/mc_task.json (as it is). OUT gets mmlu/, hellaswag/, winogrande/ and truthfulqa/ for `--data OUT`.
"""
import csv
import json
import os
import shutil
import sys
from pathlib import Path


def jsonl(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def mmlu(source, out):
    for path in sorted(source.glob("*/*.csv")):
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        target = out / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([*row[:5], "ABCD"[int(row[5])]] for row in rows[1:])


def hellaswag(source, out):
    rows = []
    for row in jsonl(source / "hellaswag_val.derived.jsonl"):
        label, _, rest = row["ctx"].partition(": ")
        rows.append({"ind": row["ind"], "activity_label": label, "ctx_a": rest, "ctx_b": "", "ctx": rest,
                     "endings": row["endings"], "label": row["label"]})
    write(out / "hellaswag_val.jsonl", rows)


def winogrande(source, out):
    """The two contexts differ in the name at their end: what they have in common, a blank, the rest."""
    rows = []
    for n, row in enumerate(jsonl(source / "winogrande.jsonl")):
        one, two = row["context_options"]
        before = os.path.commonprefix([one, two])
        before = before[:before.rfind(" ") + 1]             # whole words
        rows.append({"qID": str(n), "sentence": f"{before}_ {row['continuation']}",
                     "option1": one[len(before):], "option2": two[len(before):],
                     "answer": str(row["gold"] + 1)})
        assert "_" not in before
    write(out / "dev.jsonl", rows)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, out = map(Path, sys.argv[1:])
    for name, convert in (("mmlu", mmlu), ("hellaswag", hellaswag), ("winogrande", winogrande)):
        convert(source / name, out / name)
    (out / "truthfulqa").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "truthfulqa" / "mc_task.json", out / "truthfulqa" / "mc_task.json")
