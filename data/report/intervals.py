"""intervals.py - scores of groups of cells, differences between groups, and their 95 % intervals.

A group is a list of cells of results.json, of one method at one rate, one cell a seed.

- One or two seeds: Wilson's interval for a share, a paired bootstrap over items for a difference.
  What differs from seed to seed is left out.
- Three seeds or more: a t interval over seeds. Where all of them give the same number it would have
  no width, so the interval is one over items.
Items that two seeds share count once.
"""
import math

import numpy as np

from data.results.scores import flags, measured

# 97.5 % point of Student's t for 2, 3, .. 20 degrees of freedom
T975 = [
    4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201,
    2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
]


def wilson(right, n, z=1.96):
    """95 % interval (low, high) of a share, right of n (Wilson 1927)."""
    p = right / n
    scale = 1 + z * z / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def t_interval(values):
    """Mean and half width of the 95 % t interval over seeds, of which there are three or more."""
    n = len(values)
    if n - 3 < len(T975):
        t = T975[n - 3]
    else:                                   # the first terms of its series
        t = 1.96 + 2.37 / (n - 1) + 2.8 / (n - 1) ** 2
    deviation = float(np.std(values, ddof=1))
    return float(np.mean(values)), t * deviation / math.sqrt(n)


def differ(values):
    """Do the seeds' values differ, so that a t interval has some width?"""
    return max(values) - min(values) > 1e-9


def bootstrap(differences, shares, rounds=10_000, level=0.05):
    """Interval (low, high) of the mean of paired differences, by resampling items.

    differences: list of arrays, one an item set. Items are drawn within their set. The statistic is
    the sum of the sets' means, each times its share (all shares add up to 1).
    level: 0.05 for a 95 % interval.
    """
    rng = np.random.default_rng(0)
    means = np.zeros(rounds)
    for row, share in zip(differences, shares):
        row = np.asarray(row, dtype=float)
        # There are few different values, so a multinomial draw of their counts is the resampling.
        values, counts = np.unique(row, return_counts=True)
        drawn = rng.multinomial(len(row), counts / len(row), size=rounds)    # (rounds, values)
        means += drawn @ values / len(row) * share
    low, high = np.quantile(means, [level / 2, 1 - level / 2])
    return low, high


# ---------------------------------------------------------------- groups of cells

def group_of(results, method, lr):
    """The cells of a method at a rate."""
    return [cell for cell in results["cells"] if (cell["method"], cell["lr"]) == (method, lr)]


def paired(group, other):
    """The cells of two groups whose seed both have, in one order: two lists."""
    mine = {cell["seed"]: cell for cell in group}
    theirs = {cell["seed"]: cell for cell in other}
    common = [seed for seed in mine if seed in theirs]
    return [mine[seed] for seed in common], [theirs[seed] for seed in common]


def item_sets(scores):
    """Scores of several cells on one benchmark -> right by item, one array for each item set.

    Cells that were measured on the same items are averaged, item by item.
    """
    sets = {}
    for row in scores:
        sets.setdefault(row["ids"], []).append(flags(row["right"]))
    return [np.mean(same, axis=0) for same in sets.values()]


def accuracy(group, name="test"):
    """(accuracy, low, high) of a group on the test or a benchmark."""
    scores = [measured(cell, name) for cell in group]
    by_seed = [row["accuracy"] for row in scores]
    # The base model answers shared items alike for every seed: that is one measurement, not three.
    if len(by_seed) >= 3 and differ(by_seed):
        mean, half = t_interval(by_seed)
        return mean, max(0.0, mean - half), min(1.0, mean + half)
    right = np.concatenate(item_sets(scores))
    low, high = wilson(right.sum(), len(right))
    return float(np.mean(by_seed)), low, high


def difference(group, other, names=("test",), level=0.05):
    """(mean, low, high) of group minus other, over the seeds that both have.

    It is the mean over the named sets: the test or benchmarks. None without a set or a seed.
    level: of the bootstrap. A t interval is a 95 % one whatever it says.
    """
    group, other = paired(group, other)
    if not group or not names:
        return None
    gaps = []                               # of each set a list, one entry a seed
    for name in names:
        by_seed = []
        for mine, theirs in zip(group, other):
            a = measured(mine, name)
            b = measured(theirs, name)
            by_seed.append({"ids": a["ids"], "right": flags(a["right"]) - flags(b["right"])})
        gaps.append(by_seed)

    means = []                              # one a seed
    for i in range(len(group)):
        means.append(np.mean([by_seed[i]["right"].mean() for by_seed in gaps]))
    if len(means) >= 3 and differ(means):
        mean, half = t_interval(means)
        return mean, mean - half, mean + half
    rounds = min(100_000, round(500 / level))       # a wider interval needs more to be found
    sets = []
    shares = []                             # all names weigh alike, however many sets they have
    for by_seed in gaps:
        its_sets = item_sets(by_seed)
        sets += its_sets
        shares += [1 / len(names) / len(its_sets)] * len(its_sets)
    low, high = bootstrap(sets, shares, rounds, level)
    return float(np.mean(means)), low, high


def kind_of_interval(base, new_items=False):
    """What an interval of `difference` is, and what it leaves out, in words.

    base: the base model's cells. new_items: every seed drew its own items from the bundled world.
    """
    if len(base) < 3:
        text = ("paired bootstrap over items; what differs from seed to seed is left out: "
                "--seeds 3 shows it")
        different = {measured(cell, "test")["ids"] for cell in base}
        if len(different) == 2 and not new_items:
            text += "; items that both seeds drew count twice, so it may be too narrow"
        return text
    same = []                               # the sets that have the same items for every seed
    for name in ("test", *base[0]["benchmarks"]):
        scores = [measured(cell, name) for cell in base]
        if len({row["ids"] for row in scores}) == 1:
            same.append(name)
    if "test" in same:
        items = "all are measured on the same items"
    elif new_items:
        items = "each has training and test items of its own, drawn anew"
    else:
        items = "each draws its items from the same files, so they share some"
    text = f"t interval over {len(base)} seeds; {items}"
    if same and "test" not in same:
        text += f" (for all the same: {', '.join(same)})"
    return text


# ---------------------------------------------------------------- the mean drop

def drop_benchmarks(base):
    """Names of the multiple-choice benchmarks, over which the mean drop is taken."""
    return [name for name, row in base[0]["benchmarks"].items()
            if row["kind"] == "choice"]


def skills(base):
    """Names of the bundled model's small skills, which have no column in the table."""
    return [name for name, row in base[0]["benchmarks"].items() if row["kind"] == "skill"]


def table_benchmarks(base):
    """Names of the benchmarks that have a column in the table."""
    return [name for name in base[0]["benchmarks"] if name not in skills(base)]


def mean_drop(group, base):
    """(mean, low, high) of the accuracy lost, 0.04 for four points; None without a benchmark."""
    return difference(base, group, drop_benchmarks(base))
