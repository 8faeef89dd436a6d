"""conclusions.py - what a run shows of each method, and what it does not: lines under the table.

A difference is shown where its 95 % interval leaves out zero. Each method is compared with the base
model too: one that only undoes what SFT spoilt has not learnt the task.
"""
from data.report.intervals import (
    difference, drop_benchmarks, item_sets, kind_of_interval, paired)
from data.report.text import control_of, method_title, points

FEWEST_ITEMS = 30                # below, intervals are no guide: of two items they have no width

# {(task against base, task against SFT): ..}, each 1: better, -1: worse, 0: not shown, None: no SFT
TASK = {
    (1, 1): "learns the task better than {sft}",
    (1, -1): "learns the task, but less well than {sft}",
    (1, 0): "learns the task (no difference from {sft} is shown)",
    (1, None): "learns the task",
    (-1, 1): "is worse at the task than base, but better than {sft}",
    (-1, -1): "is worse at the task than base and {sft}",
    (-1, 0): "is worse at the task than base (no difference from {sft} is shown)",
    (-1, None): "is worse at the task than base",
    (0, 1): "is better at the task than {sft}, but not shown to be better than base (it may only "
            "undo what {sft} spoilt)",
    (0, -1): "is worse at the task than {sft} (no difference from base is shown)",
    (0, 0): "is not shown to differ at the task from base or {sft}",
    (0, None): "is not shown to differ at the task from base",
}
# The same for the mean of the benchmarks, where -1 is to have forgotten.
BENCHMARKS = {
    (1, 1): "gains on the benchmarks, more than {sft}",
    (1, -1): "gains on the benchmarks, but less than {sft}",
    (1, 0): "gains on the benchmarks (no difference from {sft} is shown)",
    (1, None): "gains on the benchmarks",
    (-1, 1): "forgets, but less than {sft}",
    (-1, -1): "forgets more than {sft}",
    (-1, 0): "forgets (no difference from {sft} is shown)",
    (-1, None): "forgets",
    (0, 1): "forgets less than {sft}, if at all",
    (0, -1): "does worse on the benchmarks than {sft} (that it forgets is not shown)",
    (0, 0): "is not shown to forget",
    (0, None): "is not shown to forget",
}


def conclusions(groups, new_items=False):
    """The paired differences of S3FT and SFT, and of a method and its control (METHOD_random),
    and what is shown of every method: lines.

    groups: {method: its cells at its own rate}, with base; pooled runs may have several S3FT and
    SFT. new_items: every seed drew its own items from the bundled world.
    """
    base = groups["base"]
    methods = [method for method in groups if method != "base"]
    different = item_sets([cell["test"] for cell in base])      # seeds may share their items
    items = sum(len(right) for right in different)
    if methods and items < FEWEST_ITEMS:
        return [f"test items: {items}, too few to show anything, whatever the figures are; "
                f"take {FEWEST_ITEMS} or more"]
    lines = []
    sentences = []
    nothing_shown = []               # methods
    for method in methods:
        sfts = []                    # to compare it with
        for other in methods:
            seeds_in_common = paired(groups[method], groups[other])[0]
            if kind(other) == "sft" and kind(method) != "sft" and seeds_in_common:
                sfts.append(other)
        for sft in sfts:
            if kind(method) == "s3ft":
                lines += differences(groups, method, sft, new_items)
        control = control_of(method)
        if control in methods and paired(groups[method], groups[control])[0]:
            lines += differences(groups, method, control, new_items)
        for sft in sfts or [None]:
            on_task, on_benchmarks = outcomes(groups[method], base, groups.get(sft))
            text = TASK[on_task]
            if on_benchmarks:
                text += f"; it {BENCHMARKS[on_benchmarks]}"
            if any(on_task) or any(on_benchmarks):
                text = text.format(sft=method_title(sft or ""))
                sentences.append(f"Here {method_title(method)} {text}.")
            elif method not in nothing_shown:
                nothing_shown.append(method)
    if nothing_shown:
        titles = ", ".join(method_title(method) for method in nothing_shown)
        sentences.append(f"Of {titles} nothing is shown here: what differs may be chance.")
    return lines + sentences


def kind(method):
    """"sft (RUN)" -> "sft", where several runs have the method."""
    return method.partition(" ")[0]


def differences(groups, method, other, new_items):
    """S3FT - SFT, or a method - its control, at the task and on the benchmarks: lines."""
    title = f"{method_title(method)} - {method_title(other)}"
    of_both = paired(groups[method], groups[other])[0]           # the seeds that both have
    interval = kind_of_interval(paired(groups["base"], of_both)[0], new_items)
    gain = difference(groups[method], groups[other])
    lines = [f"{title}, task: {points(gain)} ({interval})"]
    kept = difference(groups[method], groups[other], drop_benchmarks(groups["base"]))
    if kept:
        lines.append(f"{title}, mean of the benchmarks: {points(kept)}")
    return lines


def outcomes(group, base, sft):
    """How a group of cells compares with base and with SFT (or None) -> a key of TASK and one of
    BENCHMARKS, () where too few items of benchmarks were measured."""
    on_task = (outcome(group, base, ["test"]), outcome(group, sft, ["test"]))
    names = drop_benchmarks(base)
    items = sum(len(base[0]["benchmarks"][name]["right"]) for name in names)
    if items < FEWEST_ITEMS:
        return on_task, ()
    return on_task, (outcome(group, base, names), outcome(group, sft, names))


def outcome(group, other, names):
    """1: the group is shown to be better than the other, -1: worse, 0: neither, None: no other."""
    if other is None:
        return None
    group, other = paired(group, other)
    _, low, high = difference(group, other, names)
    if low > 0:
        return 1
    return -1 if high < 0 else 0
