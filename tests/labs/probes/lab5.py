"""Probes of lab 5: fine-tuning and forgetting."""
import torch

from probes import Probe


# ---------------------------------------------------------------- cross_entropy

def drawn(draw, n=12, size=9):
    """Logits (n, size), the tokens wanted (n,)."""
    logits = torch.tensor([[draw.uniform(-3, 3) for _ in range(size)] for _ in range(n)])
    wanted = torch.tensor([draw.randrange(size) for _ in range(n)])
    return logits, wanted


def one_token(draw, s3ft):
    logits, wanted = drawn(draw, 1)
    return float(s3ft.cross_entropy(logits, wanted, torch.ones(1)))


def summed(draw, s3ft):
    logits, wanted = drawn(draw)
    return float(s3ft.cross_entropy(logits, wanted, torch.ones(len(wanted))))


def weighted(draw, s3ft):
    logits, wanted = drawn(draw)
    weights = torch.tensor([2.0, 2.0] + [draw.choice([0.25, 0.5, 1.0]) for _ in wanted[2:]])
    return float(s3ft.cross_entropy(logits, wanted, weights))


def gradient(draw, s3ft):
    logits, wanted = drawn(draw, 3, 4)
    logits.requires_grad_(True)
    weights = torch.tensor([draw.uniform(0.2, 1) for _ in wanted])
    s3ft.cross_entropy(logits, wanted, weights).backward()
    return logits.grad.tolist()


# ---------------------------------------------------------------- learning_rate

def rates(draw, s3ft, numbers, steps, schedule="linear"):
    top = draw.choice([1e-3, 3e-3, 0.2])
    return [[step, 1e3 * s3ft.learning_rate(step, steps, top, schedule)] for step in numbers]


def warm_up(draw, s3ft):
    steps = 20 * draw.randint(4, 9)
    return rates(draw, s3ft, range(steps // 20), steps)


def falls(draw, s3ft):
    steps = 20 * draw.randint(4, 9)
    return rates(draw, s3ft, range(steps // 20, steps, 11), steps)


def last_step(draw, s3ft):
    steps = 20 * draw.randint(4, 9)
    return s3ft.learning_rate(steps - 1, steps, 0.1) > 0


def cosine(draw, s3ft):
    steps = 20 * draw.randint(4, 9)
    return rates(draw, s3ft, range(0, steps, 7), steps, "cosine")


def few_steps(draw, s3ft):
    return [rates(draw, s3ft, range(steps), steps) for steps in (1, 2, 5)]


# ---------------------------------------------------------------- kl

def same_model(draw, sheet):
    logits, _ = drawn(draw)
    return float(sheet.kl(logits, logits.clone()))


def shifted(draw, sheet):
    logits, _ = drawn(draw)
    return float(sheet.kl(logits + 2.0, logits - 3.0))


def one_place(draw, sheet):
    base, _ = drawn(draw, 1)
    base[0, 0] += 7.0                   # so the first token is much likelier than the last
    tuned = base[:, [8, 1, 2, 3, 4, 5, 6, 7, 0]]        # exchanged: the same in both directions
    return float(sheet.kl(base, tuned))


def sharp_base(draw, sheet):
    size = 5
    base = torch.full((1, size), -2.0)
    base[0, draw.randrange(size)] = 2.0
    even = torch.zeros(1, size)
    return [float(sheet.kl(base, even)), float(sheet.kl(even, base))]


def many_places(draw, sheet):
    return float(sheet.kl(drawn(draw)[0], drawn(draw)[0]))


def plain_number(draw, sheet):
    return type(sheet.kl(drawn(draw)[0], drawn(draw)[0])).__name__


# ---------------------------------------------------------------- drop

def items(draw, n, share):
    return [draw.random() < share for _ in range(n)]


def one_benchmark(draw, sheet):
    lost = draw.randint(5, 20)
    base = [True] * lost + items(draw, 20, 0.5) + [False] * 10
    tuned = [False] * lost + base[lost:]                # and none is won
    return sheet.drop({"facts": base}, {"facts": tuned})


def gained(draw, sheet):
    won = draw.randint(5, 20)
    base = items(draw, 20, 0.5) + [False] * won
    tuned = base[:20] + [True] * won
    return sheet.drop({"facts": base}, {"facts": tuned})


def equal_benchmarks(draw, sheet):
    base = {"facts": [True] * 20 + items(draw, 20, 0.5), "myths": items(draw, 40, 0.9)}
    tuned = {"myths": base["myths"], "facts": [False] * 20 + base["facts"][20:]}
    return sheet.drop(base, tuned)


def unequal_benchmarks(draw, sheet):
    base = {"facts": items(draw, 200, 0.8), "myths": [True] * 8 + items(draw, 2, 0.5)}
    tuned = {"facts": items(draw, 200, 0.7), "myths": [False] * 7 + items(draw, 3, 0.5)}
    return sheet.drop(base, tuned)


PROBES = [
    Probe("cross_entropy", "one token: minus the log of its probability, in nats; logits are no "
                           "probabilities yet", one_token),
    Probe("cross_entropy", "several tokens: the sum, not the mean (finetune divides once, by the "
                           "tokens of the whole step)", summed),
    Probe("cross_entropy", "each token's loss times its own weight, and not divided by the weights",
          weighted),
    Probe("cross_entropy", "the gradient flows back into the logits", gradient),
    Probe("learning_rate", "it rises in even steps to the top, over a twentieth of the steps; step "
                           "0 has one of them already (each: step, 1000 times the rate)", warm_up),
    Probe("learning_rate", "the last step still has a rate above 0", last_step),
    Probe("learning_rate", "after the warm-up it falls evenly from the top, by the same amount "
                           "with each step", falls),
    Probe("learning_rate", "\"cosine\" falls as half a cosine wave, slowly at first and at the end",
          cosine),
    Probe("learning_rate", "of few steps the first is the whole warm-up; nothing is divided by 0",
          few_steps),
    Probe("kl", "a model does not differ from itself: 0 (NaN: a log of logits, which are no "
                "probabilities)", same_model),
    Probe("kl", "logits are no probabilities yet: plus a number, the same for all tokens, they are "
                "the same prediction, KL 0", shifted),
    Probe("kl", "one place: the sum over the vocabulary, not the mean, of p (log p - log q), in "
                "nats", one_place),
    Probe("kl", "p is the base model's, q the tuned model's: the other way round is another number",
          sharp_base),
    Probe("kl", "several places: the mean over them, not the sum, each with a softmax of its own",
          many_places),
    Probe("kl", "it is a plain number (float)", plain_number),
    Probe("drop", "what is lost is above 0, in percentage points (from 80% to 60% are 20, not 25, "
                  "not 0.2)", one_benchmark),
    Probe("drop", "what is gained is below 0; it is not cut off at 0", gained),
    Probe("drop", "of two benchmarks the mean, not the sum", equal_benchmarks),
    Probe("drop", "each benchmark counts once, however many items it has", unequal_benchmarks),
]
