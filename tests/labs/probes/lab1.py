"""Probes of lab 1: run it, and follow one example."""
from probes import Probe


# ---------------------------------------------------------------- trained_on

def verdict(ok):
    return None if ok is None else {"ok": ok, "rule": "hash", "reason": "", "extracted": "18"}


def own_accepted(draw, sheet):
    others = [None, True, False]
    draw.shuffle(others)
    return [sheet.trained_on(verdict(True), verdict(other)) for other in others]


def own_refused(draw, sheet):
    return sheet.trained_on(verdict(False), verdict(True))


def both_refused(draw, sheet):
    return sheet.trained_on(verdict(False), verdict(False))


def not_asked(draw, sheet):
    pairs = [(None, True), (None, False), (False, None), (None, None)]
    draw.shuffle(pairs)
    return [[own, other, sheet.trained_on(verdict(own), verdict(other))] for own, other in pairs]


# ---------------------------------------------------------------- tokens_in_loss

def line(draw, prompt, answer, weights):
    """A line of targets-METHOD.jsonl."""
    return {"id": "train-1", "source": "own",
            "prompt_ids": [draw.randrange(3000) for _ in range(prompt)],
            "ids": [draw.randrange(3000) for _ in range(answer)], "weights": weights}


def ordinary(draw, sheet):
    prompt = draw.randint(20, 40)
    answer = draw.randint(5, 19)
    return sheet.tokens_in_loss(line(draw, prompt, answer, [0.0] * prompt + [1.0] * answer))


def masked(draw, sheet):
    weights = [0.0] * 10 + [draw.choice([0.0, 1.0]) for _ in range(29)] + [1.0]
    return sheet.tokens_in_loss(line(draw, 9, 31, weights))


def halves(draw, sheet):
    weights = [0.0] * 9 + [0.25] + [draw.choice([0.0, 0.25, 0.5, 1.0]) for _ in range(30)]
    return sheet.tokens_in_loss(line(draw, 9, 31, weights))


def very_first(draw, sheet):
    n = draw.randint(20, 60)
    return sheet.tokens_in_loss(line(draw, 9, n - 9, [1.0] * n))


# ---------------------------------------------------------------- surprise

def logprobs(draw, n):
    return [-draw.expovariate(1.0) for _ in range(n)]


def one_token(draw, sheet):
    return sheet.surprise(logprobs(draw, 1))


def per_token(draw, sheet):
    return sheet.surprise(logprobs(draw, draw.randint(20, 60)))


PROBES = [
    Probe("trained_on", "where the own answer is accepted, it is trained on", own_accepted),
    Probe("trained_on", "where the own answer is refused and the paraphrase accepted, the "
                        "paraphrase is trained on", own_refused),
    Probe("trained_on", "where both are refused, the gold is trained on", both_refused),
    Probe("trained_on", "None: the model was not asked, so there is nothing to accept (each: "
                        "own, paraphrase, what is trained on)", not_asked),
    Probe("tokens_in_loss", "the prompt carries no loss, and every token of the target does, the "
                            "first and the one that ends it too", ordinary),
    Probe("tokens_in_loss", "a token of the target whose weight is 0 carries no loss", masked),
    Probe("tokens_in_loss", "a token with a weight between 0 and 1 carries loss: tokens are "
                            "counted, weights are not added up", halves),
    Probe("tokens_in_loss", "the very first token carries no loss, whatever its weight is: nothing "
                            "predicts it", very_first),
    Probe("surprise", "one token: minus its log-probability, as it is (no exp, no other log), so "
                      "it is not negative", one_token),
    Probe("surprise", "a text: the mean of its tokens' log-probabilities, not their sum, and not "
                      "the log of a mean", per_token),
]
