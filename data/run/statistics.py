"""statistics.py - figures of a run that need the texts: accepted, copied, judged wrongly."""
import difflib

from data.files import mean
from data.tiny import world_truth


def thinned(losses, most=40):
    """The losses of a training's steps as a curve of at most `most` points [step, loss].

    Each point is the mean of a few steps in a row.
    """
    points = min(most, len(losses))
    cuts = [i * len(losses) // points for i in range(points + 1)] if points else []
    curve = []
    for start, end in zip(cuts, cuts[1:]):
        middle = (start + 1 + end) / 2           # steps are counted from 1
        curve.append([middle, round(mean(losses[start:end]), 4)])
    return curve


def copies(attempts, task, examples, accept):
    """Do rewrites merely copy? Of the accepted paraphrases, compared with their gold answers:

    "accepted": how many; "equal": the share equal to the gold but for white space (code: and
    comments); "renamed" (code only): but for the names of variables too; "similarity": the mean of
    difflib's ratio, 0 to 1.
    """
    pairs = []                   # (paraphrase, gold)
    renamed = []                 # code: are the two equal but for names?
    for attempt in attempts:
        if attempt["source"] != "paraphrase" or attempt["finish_reason"] != "end":
            continue
        example = examples[attempt["id"]]
        verdict = accept(example, attempt["text"], "paraphrase")
        if not verdict.ok:
            continue
        if hasattr(task, "alike"):
            pair, without_names = task.alike(example, verdict)
            renamed.append(without_names[0] == without_names[1])
            pairs.append(pair)
        else:
            pairs.append((" ".join(attempt["text"].split()), " ".join(attempt["gold"].split())))
    counts = {"accepted": len(pairs), "equal": mean(a == b for a, b in pairs)}
    if renamed:
        counts["renamed"] = mean(renamed)
    matchers = [difflib.SequenceMatcher(None, a, b, autojunk=False) for a, b in pairs]
    counts["similarity"] = mean(matcher.ratio() for matcher in matchers)
    return counts


def judge_errors(attempts, task, examples, accept):
    """How often does the judge err? -> {"own" | "paraphrase": counts}, {} for most tasks.

    It can be known of tiny-gsm8k alone, whose world has a solution to each problem
    (data/tiny/world_truth.py). The counts of a source:

        "unfinished"              attempts that nobody judges
        "same", "other", "wrong"  what the world says of the rest
        "steps"                   the judge, and
        "number"                  one that looks at the final number alone, each with

            "accepted", "false_accepts" (of these, wrong in the world), "false_accept_share"
            "refused", "false_rejects" (of these, right in the world), "false_reject_share"
    """
    if task.title != "tiny-gsm8k":
        return {}
    by_source = {}
    for attempt in attempts:
        source = attempt["source"]
        row = by_source.setdefault(source, new_counts())
        if attempt["finish_reason"] != "end":
            row["unfinished"] += 1
            continue
        example = examples[attempt["id"]]
        text = attempt["text"]
        truth = world_truth.compare(example.extra["voice"], text, example.question)
        row[truth] += 1
        for judged, judged_as in (("steps", source), ("number", f"{source}_number")):
            if accept(example, text, judged_as).ok:
                row[judged]["accepted"] += 1
                row[judged]["false_accepts"] += truth == "wrong"
            else:
                row[judged]["refused"] += 1
                row[judged]["false_rejects"] += truth != "wrong"
    for row in by_source.values():
        for counts in (row["steps"], row["number"]):
            accepted = max(1, counts["accepted"])
            refused = max(1, counts["refused"])
            counts["false_accept_share"] = counts["false_accepts"] / accepted
            counts["false_reject_share"] = counts["false_rejects"] / refused
    return by_source


def new_counts():
    counts = {"unfinished": 0, "same": 0, "other": 0, "wrong": 0}
    for judged in ("steps", "number"):
        counts[judged] = {"accepted": 0, "false_accepts": 0, "refused": 0, "false_rejects": 0}
    return counts
