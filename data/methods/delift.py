"""delift.py - train on the examples that help others most.

DELIFT (Agarwal et al. 2024, arXiv 2411.04425) asks how much example j helps with example i when j
stands before it in the prompt: the distance of the model from i's gold, alone minus with j. Then
three tenths of the examples are chosen, so that each example gets as much help as possible from
its best helper among them (facility location, greedily). They report that up to 70 % can be left
out without loss.

Seam: examples. Control: `delift_random`, as many of the same candidates, drawn at random.

Otherwise than the paper: every candidate is tried before every one (itself too; what does not fit
the context is cut off at its beginning), n * n readings. So at most the first 200 training
questions are candidates, and 60 are trained on where other rows have all. The readings take half an
hour on one core of a slow processor.
"""
import math
import random

from data.methods.method import Method

CANDIDATES = 200
SHARE = 0.3


def most_useful(targets, logprobs):
    """Ids of the examples that cover the gains best. targets: all golds. logprobs: of base."""
    candidates = targets[:CANDIDATES]
    n = len(candidates)
    pairs = [(i.prompt_ids, i.ids) for i in candidates]
    for j in candidates:
        pairs += [(j.prompt_ids + j.ids + i.prompt_ids, i.ids) for i in candidates]
    distances = [distance(its_logprobs) for its_logprobs in logprobs(pairs)]
    alone = distances[:n]
    gains = []                           # gains[j][i]: how much j helps with i
    for j in range(n):
        with_j = distances[n * (j + 1):n * (j + 2)]
        gains.append([before - after for before, after in zip(alone, with_j)])
    return [candidates[j].id for j in cover(gains, math.ceil(SHARE * n))]


def distance(logprobs):
    """How far a model is from a gold: root of the mean of (1 - p)^2 over its tokens."""
    squares = [(1 - math.exp(logprob)) ** 2 for logprob in logprobs]
    return math.sqrt(sum(squares) / max(1, len(squares)))


def cover(gains, count):
    """Greedy facility location -> `count` rows j, such that the sum over i of the best gain that
    any of them brings is large. Each time the row that adds most is taken, of equal ones the first.
    """
    best = [0.0] * len(gains)            # the best gain for each i so far
    taken = []
    while len(taken) < count:
        added = {}
        for j, row in enumerate(gains):
            if j not in taken:
                added[j] = sum(max(0.0, gain - known) for gain, known in zip(row, best))
        most = max(added, key=added.get)
        taken.append(most)
        best = [max(known, gain) for known, gain in zip(best, gains[most])]
    return taken


def any_examples(targets, logprobs):
    """As many of the same candidates, drawn at random."""
    ids = [target.id for target in targets[:CANDIDATES]]
    return random.Random("delift").sample(ids, math.ceil(SHARE * len(ids)))


METHODS = {
    "delift": Method(("gold",), examples=most_useful),
    "delift_random": Method(("gold",), examples=any_examples),
}
