"""statistics.py - figures of a run that need the texts: accepted, copied, judged wrongly."""
import difflib

from data.files import mean
from data.results.attempts import add_shares
from data.tiny import world_truth


def thinned(losses):
    """The losses of a training's steps as a curve of at most 40 points [step, loss], each the mean
    of a few steps in a row."""
    points = min(40, len(losses))
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
    (data/tiny/world_truth.py). counts: of attempts, "unfinished", and of the others those that the
    world calls "same", "other" or "wrong"; and for the judge ("steps") and for one that looks at
    the final number alone ("number") how many it accepted and refused, and how many of these
    against the world: "false_accepts", "false_rejects", and their shares.
    """
    if task.title != "tiny-gsm8k":
        return {}
    by_source = {}
    for attempt in attempts:
        source = attempt["source"]
        if source not in by_source:
            by_source[source] = {"unfinished": 0, "same": 0, "other": 0, "wrong": 0}
            for judged in ("steps", "number"):
                by_source[source][judged] = {"accepted": 0, "false_accepts": 0,
                                             "refused": 0, "false_rejects": 0}
        counts = by_source[source]
        if attempt["finish_reason"] != "end":
            counts["unfinished"] += 1
            continue
        example = examples[attempt["id"]]
        text = attempt["text"]
        truth = world_truth.compare(example.extra["voice"], text, example.question)
        counts[truth] += 1
        for judged, judged_as in (("steps", source), ("number", f"{source}_number")):
            if accept(example, text, judged_as).ok:
                counts[judged]["accepted"] += 1
                counts[judged]["false_accepts"] += truth == "wrong"
            else:
                counts[judged]["refused"] += 1
                counts[judged]["false_rejects"] += truth != "wrong"
    add_shares(by_source)
    return by_source
