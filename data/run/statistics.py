"""statistics.py - figures of a run that need the texts: what was accepted, copies, the judge's errors."""
import difflib

from data.files import mean
from data.tiny import world_truth


def asked_for(sources, examples, source_of):
    """{"own" or "paraphrase": examples} that a method asks for, when source_of {id: source} is what it ended with: an
    example is asked for until a source serves it."""
    asked = {}
    earlier = set()
    for source in sources:
        kind = source.removesuffix("_number")
        if kind in ("own", "paraphrase"):
            asked[kind] = [e for e in examples if source_of.get(e.id) not in earlier]
        earlier.add(source)
    return asked


def thinned(losses, most=40):
    """The losses of a training's steps as a curve of at most 40 points [step, loss], each the mean of a few steps in a row."""
    cuts = [i * len(losses) // most for i in range(most + 1)] if len(losses) > most else range(len(losses) + 1)
    return [[(a + 1 + b) / 2, round(mean(losses[a:b]), 4)] for a, b in zip(cuts, cuts[1:])]


def copies(attempts, task, examples, accept):
    """Do rewrites merely copy? Of the accepted paraphrases: how many, the share equal to the gold but for white space (code: and
    comments; `renamed`: and the names of variables), and the mean similarity to it (0 to 1, difflib)."""
    pairs, renamed = [], []
    for a in attempts:
        if a["source"] == "paraphrase" and a["finish_reason"] == "end":
            verdict = accept(examples[a["id"]], a["text"], "paraphrase")
            if verdict.ok and hasattr(task, "alike"):
                pair, other = task.alike(examples[a["id"]], verdict)
                renamed.append(other[0] == other[1])
                pairs.append(pair)
            elif verdict.ok:
                pairs.append((" ".join(a["text"].split()), " ".join(a["gold"].split())))
    return {"accepted": len(pairs), "equal": mean(a == b for a, b in pairs), **({"renamed": mean(renamed)} if renamed else {}),
            "similarity": mean(difflib.SequenceMatcher(None, a, b, autojunk=False).ratio() for a, b in pairs)}


def judge_errors(attempts, task, examples, accept):
    """How often does the judge err? Known of tiny-gsm8k alone, whose world has a solution to each problem (data/tiny/world_truth.py).

    -> {"own" | "paraphrase": {"unfinished": attempts that nobody judges, "same", "other", "wrong": what the world says of the rest,
    "steps" (the judge) and "number" (one that looks at the final number alone): {"accepted", "false_accepts": of these what the
    world calls wrong, "false_accept_share", "refused", "false_rejects": of these what it calls right, "false_reject_share"}}}
    """
    found = {}
    for a in attempts if task.title == "tiny-gsm8k" else ():
        e, zero = examples[a["id"]], {"accepted": 0, "false_accepts": 0, "refused": 0, "false_rejects": 0}
        row = found.setdefault(a["source"], {"unfinished": 0, "same": 0, "other": 0, "wrong": 0, "steps": dict(zero), "number": dict(zero)})
        if a["finish_reason"] != "end":
            row["unfinished"] += 1
            continue
        truth = world_truth.compare(e.extra["voice"], a["text"], e.question)
        row[truth] += 1
        for judged, source in (("steps", a["source"]), ("number", f"{a['source']}_number")):
            ok = accept(e, a["text"], source).ok
            row[judged]["accepted" if ok else "refused"] += 1
            row[judged]["false_accepts"] += ok and truth == "wrong"
            row[judged]["false_rejects"] += not ok and truth != "wrong"
    for row in found.values():
        for of in (row["steps"], row["number"]):
            of["false_accept_share"] = of["false_accepts"] / max(1, of["accepted"])
            of["false_reject_share"] = of["false_rejects"] / max(1, of["refused"])
    return found
