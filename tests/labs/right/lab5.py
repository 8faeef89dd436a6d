"""Right solutions of lab 5 that are written otherwise than the project's own."""
import math

import torch
import torch.nn.functional as F


def cross_entropy__log_softmax(logits, wanted, weights):
    log_p = F.log_softmax(logits, dim=-1)
    of_wanted = log_p.gather(1, wanted.unsqueeze(1)).squeeze(1)
    return -(of_wanted * weights).sum()


def cross_entropy__logsumexp_in_a_loop(logits, wanted, weights):
    total = 0.0
    for row, token, weight in zip(logits, wanted, weights):
        total = total + weight * (torch.logsumexp(row, 0) - row[token])
    return total


def cross_entropy__dot(logits, wanted, weights):
    probs = logits.softmax(1)[torch.arange(len(wanted)), wanted]
    return -torch.dot(weights, probs.log())


def learning_rate__if_else(step, steps, top, schedule="linear"):
    warmup = steps // 20
    if warmup == 0:
        warmup = 1
    if step < warmup:
        return top * (step + 1) / warmup
    if schedule == "cosine":
        done = (step - warmup) / (steps - warmup)
        return top * 0.5 * (1 + math.cos(math.pi * done))
    return top * (1 - (step - warmup) / (steps - warmup))


def learning_rate__two_factors(step, steps, top, schedule="linear"):
    warmup = max(steps // 20, 1)
    rising = min(1.0, (step + 1) / warmup)
    falling = 1.0
    if step > warmup:
        falling = (steps - step) / (steps - warmup)
        if schedule == "cosine":
            falling = math.sin(falling * math.pi / 2) ** 2
    return rising * falling * top


def kl__by_torch(base_logits, tuned_logits):
    log_p = torch.log_softmax(base_logits, -1)
    log_q = torch.log_softmax(tuned_logits, -1)
    divergence = torch.nn.functional.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
    return float(divergence)


def kl__cross_entropy_minus_entropy(base_logits, tuned_logits):
    total = 0.0
    for base, tuned in zip(base_logits, tuned_logits):
        p = base.softmax(0)
        q = tuned.softmax(0)
        total += (-(p * q.log()).sum() + (p * p.log()).sum()).item()
    return total / len(base_logits)


def drop__two_means(base, tuned):
    def accuracy(of):
        return sum(sum(items) / len(items) for items in of.values()) / len(of)

    return 100 * (accuracy(base) - accuracy(tuned))


def drop__item_by_item(base, tuned):
    total = 0
    for name, items in base.items():
        lost = 0
        for before, after in zip(items, tuned[name]):
            lost += int(before) - int(after)
        total += lost / len(items) * 100
    return total / len(base)
