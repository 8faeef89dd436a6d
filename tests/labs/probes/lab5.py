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
    weights = torch.tensor([draw.choice([0.25, 0.5, 1.0, 2.0]) for _ in wanted])
    return float(s3ft.cross_entropy(logits, wanted, weights))


def twice_the_weight(draw, s3ft):
    logits, wanted = drawn(draw)
    return float(s3ft.cross_entropy(logits, wanted, torch.full((len(wanted),), 2.0)))


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
    return rates(draw, s3ft, range(steps // 20 + 1), steps)


def falls(draw, s3ft):
    steps = 20 * draw.randint(4, 9)
    return rates(draw, s3ft, range(steps // 20, steps, 11), steps)


def last_step(draw, s3ft):
    steps = 20 * draw.randint(4, 9)
    return rates(draw, s3ft, [steps - 1], steps)


def cosine(draw, s3ft):
    steps = 20 * draw.randint(4, 9)
    return rates(draw, s3ft, range(0, steps, 7), steps, "cosine")


def few_steps(draw, s3ft):
    return [rates(draw, s3ft, range(steps), steps) for steps in (1, 2, 5)]


# ---------------------------------------------------------------- kl

def same_model(draw, sheet):
    logits, _ = drawn(draw)
    return sheet.kl(logits, logits.clone())


def one_place(draw, sheet):
    return sheet.kl(drawn(draw, 1)[0], drawn(draw, 1)[0])


def many_places(draw, sheet):
    return sheet.kl(drawn(draw)[0], drawn(draw)[0])


def sharp_base(draw, sheet):
    size = 5
    base = torch.full((2, size), -8.0)
    base[:, draw.randrange(size)] = 8.0
    even = torch.zeros(2, size)
    return [sheet.kl(base, even), sheet.kl(even, base)]


def shifted(draw, sheet):
    base, _ = drawn(draw)
    tuned, _ = drawn(draw)
    return sheet.kl(base + 5.0, tuned - 3.0)


def plain_number(draw, sheet):
    return type(sheet.kl(drawn(draw)[0], drawn(draw)[0])).__name__


# ---------------------------------------------------------------- drop

def items(draw, n, share):
    return [draw.random() < share for _ in range(n)]


def one_benchmark(draw, sheet):
    return sheet.drop({"facts": items(draw, 50, 0.9)}, {"facts": items(draw, 50, 0.5)})


def gained(draw, sheet):
    return sheet.drop({"facts": items(draw, 50, 0.2)}, {"facts": items(draw, 50, 0.8)})


def unequal_benchmarks(draw, sheet):
    base = {"facts": items(draw, 200, 0.8), "myths": items(draw, 10, 0.8)}
    tuned = {"facts": items(draw, 200, 0.7), "myths": items(draw, 10, 0.1)}
    return sheet.drop(base, tuned)


def other_order(draw, sheet):
    base = {"facts": items(draw, 40, 0.9), "myths": items(draw, 40, 0.3)}
    tuned = {"myths": items(draw, 40, 0.1), "facts": items(draw, 40, 0.9)}
    return sheet.drop(base, tuned)


PROBES = [
    Probe("cross_entropy", "one token: minus the log of its probability, in nats", one_token),
    Probe("cross_entropy", "several tokens: the sum, not the mean (finetune divides once, by the "
                           "tokens of the whole step)", summed),
    Probe("cross_entropy", "each token's loss times its own weight", weighted),
    Probe("cross_entropy", "twice the weights, twice the loss: it is not divided by the weights",
          twice_the_weight),
    Probe("cross_entropy", "the gradient flows back into the logits", gradient),
    Probe("learning_rate", "it rises in even steps over a twentieth of the steps; step 0 has one "
                           "of them already, not 0 (each: step, 1000 times the rate)", warm_up),
    Probe("learning_rate", "then it falls evenly from the top", falls),
    Probe("learning_rate", "the last step still has a rate above 0", last_step),
    Probe("learning_rate", "\"cosine\" falls as half a cosine wave, slowly at first and at the end",
          cosine),
    Probe("learning_rate", "of few steps the first is the whole warm-up; nothing is divided by 0",
          few_steps),
    Probe("kl", "a model does not differ from itself: 0", same_model),
    Probe("kl", "one place: the sum over the vocabulary of p (log p - log q), in nats", one_place),
    Probe("kl", "several places: the mean over them, and not over places times vocabulary",
          many_places),
    Probe("kl", "p is the base model's, q the tuned model's: the other way round is another number",
          sharp_base),
    Probe("kl", "logits are no probabilities: the same logits plus a number are the same "
                "prediction", shifted),
    Probe("kl", "it is a plain number (float)", plain_number),
    Probe("drop", "what is lost is above 0, in percentage points", one_benchmark),
    Probe("drop", "what is gained is below 0; it is not cut off at 0", gained),
    Probe("drop", "the mean over benchmarks, each counts once, however many items it has",
          unequal_benchmarks),
    Probe("drop", "benchmarks are found by their names, not by their order", other_order),
]
