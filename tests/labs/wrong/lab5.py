"""Wrong solutions of lab 5, as students write them. In quotes: words of the hint that they get."""
import math

import torch
import torch.nn.functional as F


def cross_entropy__without_minus(logits, wanted, weights):
    """one token: minus the log of its probability"""
    log_p = torch.log_softmax(logits, -1)
    return (weights * log_p[range(len(wanted)), wanted]).sum()


def cross_entropy__logits_as_probabilities(logits, wanted, weights):
    """logits are no probabilities yet"""
    return -(weights * logits[range(len(wanted)), wanted].log()).sum()


def cross_entropy__in_bits(logits, wanted, weights):
    """in nats"""
    loss = F.cross_entropy(logits, wanted, reduction="none") / math.log(2)
    return (weights * loss).sum()


def cross_entropy__mean(logits, wanted, weights):
    """the sum, not the mean"""
    return (weights * F.cross_entropy(logits, wanted, reduction="none")).mean()


def cross_entropy__mean_by_weight(logits, wanted, weights):
    """the sum, not the mean"""
    loss = F.cross_entropy(logits, wanted, reduction="none")
    return (weights * loss).sum() / weights.sum()


def cross_entropy__weights_ignored(logits, wanted, weights):
    """each token's loss times its own weight"""
    return F.cross_entropy(logits, wanted, reduction="sum")


def cross_entropy__weights_of_one_on_average(logits, wanted, weights):
    """and not divided by the weights"""
    loss = F.cross_entropy(logits, wanted, reduction="none")
    return (weights / weights.mean() * loss).sum()


def cross_entropy__weights_as_a_mask(logits, wanted, weights):
    """each token's loss times its own weight"""
    return F.cross_entropy(logits[weights > 0], wanted[weights > 0], reduction="sum")


def cross_entropy__plain_number(logits, wanted, weights):
    """the gradient flows back into the logits"""
    return (weights * F.cross_entropy(logits, wanted, reduction="none")).sum().item()


def cross_entropy__cut_from_the_gradient(logits, wanted, weights):
    """the gradient flows back into the logits"""
    return (weights * F.cross_entropy(logits.detach(), wanted, reduction="none")).sum()


def learning_rate__begins_at_zero(step, steps, top, schedule="linear"):
    """step 0 has one of them already"""
    warmup = max(1, steps // 20)
    left = (steps - step) / max(1, steps - warmup)
    return top * min(step / warmup, left)


def learning_rate__no_warm_up(step, steps, top, schedule="linear"):
    """it rises in even steps to the top"""
    return top * (steps - step) / steps


def learning_rate__a_tenth(step, steps, top, schedule="linear"):
    """over a twentieth of the steps"""
    warmup = max(1, steps // 10)
    left = (steps - step) / max(1, steps - warmup)
    return top * min((step + 1) / warmup, left)


def learning_rate__never_falls(step, steps, top, schedule="linear"):
    """it falls evenly from the top"""
    warmup = max(1, steps // 20)
    return top * min((step + 1) / warmup, 1)


def learning_rate__falls_from_step_zero(step, steps, top, schedule="linear"):
    """it falls evenly from the top"""
    warmup = max(1, steps // 20)
    if step < warmup:
        return top * (step + 1) / warmup
    return top * (steps - step) / steps


def learning_rate__zero_at_the_end(step, steps, top, schedule="linear"):
    """the last step still has a rate above 0"""
    warmup = max(1, steps // 20)
    if step < warmup:
        return top * (step + 1) / warmup
    return top * (steps - 1 - step) / (steps - 1 - warmup)


def learning_rate__always_linear(step, steps, top, schedule="linear"):
    """"cosine" falls as half a cosine wave"""
    warmup = max(1, steps // 20)
    left = (steps - step) / max(1, steps - warmup)
    return top * min((step + 1) / warmup, left)


def learning_rate__quarter_of_a_wave(step, steps, top, schedule="linear"):
    """"cosine" falls as half a cosine wave"""
    warmup = max(1, steps // 20)
    left = (steps - step) / max(1, steps - warmup)
    if schedule == "cosine":
        left = math.sin(math.pi / 2 * min(1, left))
    return top * min((step + 1) / warmup, left)


def learning_rate__divided_by_zero(step, steps, top, schedule="linear"):
    """nothing is divided by 0"""
    warmup = steps // 20
    left = (steps - step) / (steps - warmup)
    if schedule == "cosine":
        left = (1 - math.cos(math.pi * min(1, left))) / 2
    return top * min((step + 1) / warmup, left)


def kl__cross_entropy(base_logits, tuned_logits):
    """a model does not differ from itself"""
    p = base_logits.softmax(-1)
    return -(p * tuned_logits.log_softmax(-1)).sum(-1).mean().item()


def kl__log_of_logits(base_logits, tuned_logits):
    """a log of logits, which are no probabilities"""
    of_each_place = base_logits * (base_logits.log() - tuned_logits.log())
    return of_each_place.sum(-1).mean().item()


def kl__logits_as_logs(base_logits, tuned_logits):
    """logits are no probabilities yet"""
    of_each_place = base_logits.softmax(-1) * (base_logits - tuned_logits)
    return of_each_place.sum(-1).mean().item()


def kl__mean_over_the_vocabulary(base_logits, tuned_logits):
    """the sum over the vocabulary, not the mean"""
    log_p = base_logits.log_softmax(-1)
    log_q = tuned_logits.log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).mean().item()


def kl__in_bits(base_logits, tuned_logits):
    """in nats"""
    log_p = base_logits.log_softmax(-1)
    log_q = tuned_logits.log_softmax(-1)
    of_each_place = (log_p.exp() * (log_p - log_q)).sum(-1)
    return (of_each_place / torch.tensor(2.0).log()).mean().item()


def kl__wrong_way_round(base_logits, tuned_logits):
    """the other way round is another number"""
    log_p = base_logits.log_softmax(-1)
    log_q = tuned_logits.log_softmax(-1)
    return torch.nn.functional.kl_div(log_p, log_q, reduction="batchmean", log_target=True).item()


def kl__sum_over_places(base_logits, tuned_logits):
    """several places: the mean over them, not the sum"""
    log_p = base_logits.log_softmax(-1)
    log_q = tuned_logits.log_softmax(-1)
    return torch.nn.functional.kl_div(log_q, log_p, reduction="sum", log_target=True).item()


def kl__tensor(base_logits, tuned_logits):
    """it is a plain number"""
    log_p = base_logits.log_softmax(-1)
    log_q = tuned_logits.log_softmax(-1)
    return torch.nn.functional.kl_div(log_q, log_p, reduction="batchmean", log_target=True)


def drop__gain(base, tuned):
    """what is lost is above 0"""
    gained = []
    for name in base:
        gained.append(100 * (sum(tuned[name]) - sum(base[name])) / len(base[name]))
    return sum(gained) / len(gained)


def drop__share(base, tuned):
    """in percentage points"""
    lost = [(sum(base[name]) - sum(tuned[name])) / len(base[name]) for name in base]
    return sum(lost) / len(lost)


def drop__per_cent_of_base(base, tuned):
    """in percentage points (from 80% to 60% are 20, not 25"""
    lost = [100 * (1 - sum(tuned[name]) / sum(base[name])) for name in base]
    return sum(lost) / len(lost)


def drop__cut_off_at_zero(base, tuned):
    """it is not cut off at 0"""
    lost = []
    for name in base:
        lost.append(max(0, 100 * (sum(base[name]) - sum(tuned[name])) / len(base[name])))
    return sum(lost) / len(lost)


def drop__without_a_sign(base, tuned):
    """what is gained is below 0"""
    lost = []
    for name in base:
        lost.append(abs(100 * (sum(base[name]) - sum(tuned[name])) / len(base[name])))
    return sum(lost) / len(lost)


def drop__lost_items_alone(base, tuned):
    """what is gained is below 0"""
    lost = []
    for name in base:
        items = [before and not after for before, after in zip(base[name], tuned[name])]
        lost.append(100 * sum(items) / len(items))
    return sum(lost) / len(lost)


def drop__sum(base, tuned):
    """of two benchmarks the mean, not the sum"""
    return sum(100 * (sum(base[name]) - sum(tuned[name])) / len(base[name]) for name in base)


def drop__all_items_in_one_pot(base, tuned):
    """each benchmark counts once"""
    right = sum(sum(base[name]) - sum(tuned[name]) for name in base)
    return 100 * right / sum(len(items) for items in base.values())


def drop__copied_from_one_check(base, tuned):
    """what is lost is above 0"""
    return 31.4159
