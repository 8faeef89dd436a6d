"""Right solutions of lab 1 that are written otherwise than the project's own."""
import torch


def trained_on__loop(own, paraphrase):
    for source, verdict in (("own", own), ("paraphrase", paraphrase)):
        if verdict is not None and verdict["ok"] is True:
            return source
    return "gold"


def trained_on__nested(own, paraphrase):
    source = "gold"
    if paraphrase is not None:
        if paraphrase["ok"]:
            source = "paraphrase"
    if own is not None:
        if own["ok"]:
            source = "own"
    return source


def tokens_in_loss__loop(target):
    count = 0
    for i in range(1, len(target["weights"])):
        if target["weights"][i] > 0:
            count += 1
    return count


def tokens_in_loss__those_left_over(target):
    weights = list(target["weights"])
    weights[0] = 0
    return len(weights) - weights.count(0)


def surprise__tensor(logprobs):
    return -torch.tensor(logprobs).mean().item()


def surprise__loop(logprobs):
    total = 0
    n = 0
    for logprob in logprobs:
        total = total + abs(logprob)
        n = n + 1
    return total / n
