"""rates.py - which learning rate each method gets: validation chooses it, by one rule for all."""
import math

import numpy as np

from data import UserError
from data.report.intervals import item_sets
from data.report.text import method_title


def validation_accuracy(results, method):
    """(accuracy on validation by rate, standard error of the best rate's) of one method.

    The accuracy is the mean over the seeds that have all of the method's rates; the standard error
    is over items. With one rate there is nothing to compare: ({rate: None}, None). UserError where
    no seed has all rates.
    """
    by_rate = {}
    for cell in results["cells"]:
        if cell["method"] == method:
            by_rate.setdefault(cell["lr"], []).append(cell)
    if len(by_rate) == 1:
        return dict.fromkeys(by_rate), None

    rates = sorted(by_rate)
    seeds = set.intersection(*({cell["seed"] for cell in cells} for cells in by_rate.values()))
    if not seeds:
        known = ", ".join(f"{lr:g}" for lr in rates)
        raise UserError(f"no seed has all rates of {method_title(method)} ({known}), so none can "
                        f"be chosen; run --methods {method} with all of them for one seed")
    scores = {}                             # {rate: validation of each seed}
    for lr in rates:
        scores[lr] = [cell["validation"] for cell in by_rate[lr] if cell["seed"] in seeds]
    accuracy = {lr: float(np.mean([row["accuracy"] for row in scores[lr]])) for lr in rates}
    best = max(accuracy, key=accuracy.get)
    right = np.concatenate(item_sets(scores[best]))         # seeds that share an item: their mean
    return accuracy, float(right.std()) / math.sqrt(len(right))


def chosen_rates(results):
    """{method: rate}: the smallest within one standard error of the method's best on validation."""
    chosen = {}
    for method in results["settings"]["methods"]:
        accuracy, error = validation_accuracy(results, method)
        chosen[method] = min(accuracy)
        if error is not None:
            good_enough = max(accuracy.values()) - error
            chosen[method] = min(lr for lr, score in accuracy.items() if score >= good_enough)
    return chosen
