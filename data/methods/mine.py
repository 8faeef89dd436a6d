"""mine.py - a page to start from: change exactly one thing about S3FT, and give it a control.

As it stands: of several accepted own answers, train on the one that shows the most steps. The
thought is that a text with more steps teaches more. It may be wrong: that is what the control is
for. Write your own rule in `mine`, say here in three sentences what it does and why, then:

    python s3ft.py --task gsm8k --methods sft,s3ft,mine,mine_random

Seam: choice. Control: `mine_random`, any of as many accepted attempts.
"""
import random

from data.methods.method import Method


def mine(accepted):
    """Accepted attempts of one example (dicts with "text", "ids", "logprob", ..) -> those that are
    trained on, a list. It must depend on what the attempts say, and on nothing else."""
    return [max(accepted, key=lambda attempt: attempt["text"].count("="))]


def mine_random(accepted):
    """The control: as many attempts as `mine` takes, drawn blindly, the same ones in every run."""
    draw = random.Random(f"mine {accepted[0]['id']}")
    return draw.sample(accepted, len(mine(accepted)))


METHODS = {
    "mine": Method(("own", "paraphrase", "gold"), choice=mine, samples=4, temperature=0.7),
    "mine_random": Method(("own", "paraphrase", "gold"), choice=mine_random, samples=4,
                          temperature=0.7),
}
