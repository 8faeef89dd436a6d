"""attempts.py - the statistics of attempts that a file of cells keeps, a line a seed.

    "verdicts"      {"own" or "paraphrase": {rule: [accepted, tried]}}
    "judge_errors"  {"own" or "paraphrase": counts}, see data/run/statistics.py
    "copies"        {"accepted": paraphrases, "equal": share, "similarity": mean, ..}
    "logprobs"      {"items": [..], "note": ..} of Figure 2
"""


def add_seeds(statistics):
    """Several seeds' statistics -> those of all together, as results.json has them."""
    errors = summed([one["judge_errors"] for one in statistics])
    add_shares(errors)                       # which cannot be added up
    copies = [one["copies"] for one in statistics if one["copies"]["accepted"]]
    means = {"accepted": sum(one["accepted"] for one in copies)}
    for name in copies[0] if copies else ():
        if name != "accepted":
            total = sum(one[name] * one["accepted"] for one in copies)
            means[name] = total / means["accepted"]
    verdicts = summed([one["verdicts"] for one in statistics])
    return {"verdicts": verdicts, "judge_errors": errors, "copies": means}


def add_shares(judge_errors):
    """Add the judge's two shares of errors to its counts, or set them anew, in place."""
    for row in judge_errors.values():
        for counts in (row["steps"], row["number"]):
            counts["false_accept_share"] = counts["false_accepts"] / max(1, counts["accepted"])
            counts["false_reject_share"] = counts["false_rejects"] / max(1, counts["refused"])


def summed(counts):
    """The sum of several numbers, or of dicts or lists of them, entry by entry."""
    if not counts or isinstance(counts[0], dict):
        names = dict.fromkeys(name for one in counts for name in one)
        return {name: summed([one[name] for one in counts if name in one]) for name in names}
    if isinstance(counts[0], list):
        return [sum(entry) for entry in zip(*counts)]
    return sum(counts)


def with_more_attempts(kept, made):
    """Of two statistics of one seed: of each kind of attempt those that count more of them.

    --methods sft samples none, and sdft no own answers. kept: None where there is none yet.
    """
    if kept is None:
        return made
    best = {}                        # {kind: the statistics with more attempts of it}
    for kind in ("own", "paraphrase"):
        tried = [sum(n for _, n in one["verdicts"].get(kind, {}).values()) for one in (kept, made)]
        best[kind] = made if tried[1] > tried[0] else kept
    merged = {"verdicts": {}, "judge_errors": {}, "copies": best["paraphrase"]["copies"]}
    for kind, statistics in best.items():
        for part in ("verdicts", "judge_errors"):
            if kind in statistics[part]:
                merged[part][kind] = statistics[part][kind]
    more_items = len(made["logprobs"]["items"]) > len(kept["logprobs"]["items"])
    merged["logprobs"] = (made if more_items else kept)["logprobs"]
    return merged
