"""mine.py - a page to start from: change the rule of choice, and give it a control.

The project's own rule is an example: of several accepted attempts, train on the one with the most
equals signs. The thought is that a text with more steps teaches more. It may be wrong: that is what
the control is for. Write your own rule in `mine`, and say here in three sentences what it does and
why. Then run it:

    python s3ft.py --task gsm8k --methods sft,s3ft,mine,mine_random

Compare `mine` with `mine_random`. S3FT differs from both in more than the rule: it has one greedy
attempt, they have four, sampled at 0.7.

Seam: choice. Control: `mine_random`, any of as many accepted attempts.
"""
import random

from data.methods.method import Method


def mine(accepted):
    """Accepted attempts of one example -> a list of those that are trained on, none of them twice.

    An attempt is a dict: "text", "ids" (its tokens), "logprob" (natural logarithm of its
    probability), "sample" (its number), "source" ("own" or "paraphrase"), "id" (of the example).
    The rule must depend on what the attempts say, and on nothing else.
    """
    return [max(accepted, key=lambda attempt: attempt["text"].count("="))]


def mine_random(accepted):
    """The control: as many attempts as `mine` takes, drawn blindly.

    They are the same ones in every run: the example's id seeds the draw.
    """
    draw = random.Random(f"mine {accepted[0]['id']}")
    return draw.sample(accepted, len(mine(accepted)))


METHODS = {
    "mine": Method(("own", "paraphrase", "gold"), choice=mine, samples=4, temperature=0.7),
    "mine_random": Method(("own", "paraphrase", "gold"), choice=mine_random, samples=4,
                          temperature=0.7),
}
