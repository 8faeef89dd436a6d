"""changed_items.py - the items that went from right to wrong or back, counted and shown.

Counts are made from results.json. Texts are read from the files beside it, if they are there:
items.jsonl, CELL/answers.jsonl and CELL/NAME.jsonl.
"""
import math
import textwrap

import numpy as np

from data.files import undamaged_rows
from data.report.text import clean, fence, markdown_table, md, method_title
from data.results.scores import flags, measured

MOST = 3                         # examples of a kind
LONGEST = 700                    # characters of a text that are shown


def changes(c, seed):
    """How many items changed, and examples: lines. c: data.report.report.Comparison

    Of one seed: each method's cell at its chosen rate against the base model's.
    """
    base = c.base[0]
    tuned = [cell for method, lr in c.rates.items() for cell in c.groups[method, lr]
             if cell["seed"] == seed]
    rows = [["method", "set", "items", "right to wrong", "wrong to right", "p"]]
    worse = {}                               # {(method, set): places of items, right to wrong}
    better = {}
    for cell in tuned:
        for name in ("test", *base["benchmarks"]):
            was_right = flags(measured(base, name)["right"]) > 0.5
            is_right = flags(measured(cell, name)["right"]) > 0.5
            key = (cell["method"], name)
            worse[key] = np.flatnonzero(was_right & ~is_right)
            better[key] = np.flatnonzero(~was_right & is_right)
            numbers = [len(was_right), len(worse[key]), len(better[key])]
            p = mcnemar(len(worse[key]), len(better[key]))
            title = c.results["task"] if name == "test" else name
            rows.append([method_title(cell["method"]), md(title), *map(str, numbers),
                         "<0.001" if p < 0.001 else f"{p:.3f}"])
    lines = markdown_table(rows)
    lines += ["", "p: McNemar's exact test, how often chance alone would split the changed items "
              "as unevenly. An item with a share as its score counts as right above one half."]

    items = {}                               # {(set, id): the item's row of items.jsonl}
    for run in c.results["runs"]:
        for row in undamaged_rows(run["folder"] / "items.jsonl", ("set", "id", "text", "answer")):
            items[row["set"], row["id"]] = row
    if not items:
        return [*lines, "", "The items' texts are not there (items.jsonl beside results.json), so "
                "no examples are shown."]
    answers = answer_texts([base, *tuned])
    for cell in tuned:
        for what, names in (("the task", ["test"]), ("benchmarks", list(base["benchmarks"]))):
            for changed, way in ((worse, "right before, wrong now"),
                                 (better, "wrong before, right now")):
                blocks = []
                for name, i in first_of_each(changed, cell["method"], names):
                    ids = c.results["items"].get(measured(base, name)["ids"])
                    if ids and (name, ids[i]) in items:          # of the last command
                        text = example(items[name, ids[i]], i, [base, cell], answers)
                        blocks += ["", *fence(text)]
                if blocks:
                    title = f"#### {method_title(cell['method'])}, {what}: {way}"
                    lines += ["", title, *blocks]
    return lines


def mcnemar(worse, better):
    """p of McNemar's exact test: two numbers of changed items, split by chance alone."""
    n = worse + better
    ways = sum(math.comb(n, k) for k in range(min(worse, better) + 1))
    return min(1.0, 2 * ways / 2 ** n)


def first_of_each(changed, method, names):
    """(set, place) of MOST items that changed, one of each set in turn.

    changed: {(method, set): places of the items that changed}
    """
    turns = []
    for name in names:
        for turn, i in enumerate(changed[method, name][:MOST]):
            turns.append((turn, name, i))
    return [(name, i) for _, name, i in sorted(turns)[:MOST]]


def answer_texts(cells):
    """{(a cell's folder, set, id): the cell's first answer}"""
    texts = {}
    for cell in cells:
        for row in undamaged_rows(cell["home"] / "answers.jsonl", ("split", "id", "text")):
            texts.setdefault((cell["home"], row["split"], row["id"]), row["text"])
        for name, scores in cell["benchmarks"].items():
            if scores["kind"] in ("task", "skill"):
                for row in undamaged_rows(cell["home"] / f"{name}.jsonl", ("id", "text")):
                    texts.setdefault((cell["home"], name, row["id"]), row["text"])
    return texts


def example(item, i, cells, answers):
    """One item with what base and the tuned model made of it: a text.

    item: its row of items.jsonl. i: its place in the set.
    """
    name = item["set"]
    options = item.get("options")
    parts = [("item", f"{name} {item['id']}")]           # (label, text)
    if options:                                          # multiple choice
        true = item.get("true") or [item["answer"]]
        if item["text"]:
            parts.append(("context", item["text"]))
        parts.append(("options", "\n".join(lettered(options, k) for k in range(len(options)))))
        parts.append(("right", "\n".join(lettered(options, k) for k in true)))
    else:
        parts += [("question", item["text"]), ("gold", item["answer"])]
    for cell in cells:
        scores = measured(cell, name)
        share = "" if isinstance(scores["right"], str) else f"{100 * scores['right'][i]:.0f} %"
        if options:
            text = lettered(options, int(scores["picks"].split()[i]))
            text += f"   ({share} of the probability on true answers)" if share else ""
        else:
            text = answers.get((cell["home"], name, item["id"]), "(not kept)")
            text += f"\n[the first answer; {share} of all are right]" if share else ""
        parts.append((method_title(cell["method"]), text))
    width = max(8, *(len(label) for label, _ in parts))
    return "\n".join(labelled(label, text, width) for label, text in parts)


def lettered(options, k):
    """0 -> "A  the first option" """
    return f"{chr(ord('A') + k)}  {options[k]}"


def labelled(label, text, width):
    """"label    text": long texts without their middle.

    Further lines stand under the text, so that none of them can pose as a label.
    """
    text = clean(text).strip("\n") or "(nothing)"
    if len(text) > LONGEST:
        start = text[:LONGEST // 2].rstrip()
        end = text[-LONGEST // 2:].lstrip()
        text = f"{start} [.. {len(text) - LONGEST:,} characters ..] {end}"
    lines = []
    for line in text.split("\n"):
        lines += textwrap.wrap(line, 120, drop_whitespace=False) or [""]
    return f"{label:{width}} " + ("\n" + " " * (width + 1)).join(lines)
