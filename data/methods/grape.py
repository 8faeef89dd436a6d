"""grape.py - the right answer that the model itself finds likeliest.

Zhang et al. 2025, "The Best Instruction-Tuning Data are Those That Fit" (GRAPE, arXiv 2502.04194),
gather right answers to each question from several models and train on the one to which the model
that is tuned gives the highest log-probability per token. Over their tasks four models gain 3.6 to
11.6 points on average.

Seam: choice. Control: `grape_random`, any of the accepted attempts.

Otherwise than the paper: the candidates are 8 samples of the model itself, not other models'
answers, so they lie much closer together; where none is accepted, the gold is trained on.
"""
import random

from data.methods.method import Method


def likeliest(accepted):
    """The attempt that base found likeliest per token, after the prompt it was sampled from."""
    return [max(accepted, key=per_token)]


def per_token(attempt):
    """Log-probability per token, in nats; the end token counts."""
    return attempt["logprob"] / (len(attempt["ids"]) + 1)


def at_random(accepted):
    """One of the attempts, the same in every run."""
    return [random.Random(f"grape {accepted[0]['id']}").choice(accepted)]


METHODS = {
    "grape": Method(("own", "gold"), choice=likeliest, samples=8, temperature=0.7),
    "grape_random": Method(("own", "gold"), choice=at_random, samples=8, temperature=0.7),
}
