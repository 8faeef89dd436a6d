"""rft.py - several different right answers to a question.

Yuan et al. 2023, "Scaling Relationship on Learning Mathematical Reasoning" (arXiv 2308.01825),
sample 100 answers to each question, keep the right ones, and of those with the same list of
equations only one. The model is trained on the gold and on all that are left. With LLaMA-7B GSM8K
rises from 35.9 to 41.7 %.

Seam: choice. Of the accepted attempts one for each list of steps, so a question may have several
targets. Control: `rft_repeat` trains on as many, but always on the first.

Otherwise than the paper: 8 samples, not 100; of the base model, not of one that was tuned on the
golds; of equal lists the first attempt stays, not the one whose wording differs most; the gold is
trained on only where no attempt is accepted; steps that are written differently ("8*4", "8 x 4")
count as different. Programs and readings mostly state no steps: then the row trains on one attempt
a question.
"""
import judge
from data.methods.method import Method


def different_steps(accepted):
    """The first attempt with each list of steps, in the order of the attempts."""
    first = {}                           # {list of steps: attempt}
    for attempt in accepted:
        first.setdefault(steps_of(attempt["text"]), attempt)
    return list(first.values())


def repeated(accepted):
    """The first attempt, as often as there are different lists of steps."""
    return accepted[:1] * len(different_steps(accepted))


def steps_of(text):
    """The steps that a text states, without spaces: ("8*4=32", "32-7=25")."""
    steps = []
    for step in judge.steps(text):
        steps.append("".join(f"{step.expression}={step.stated}".split()))
    return tuple(steps)


METHODS = {
    "rft": Method(("own", "gold"), choice=different_steps, samples=8, temperature=0.7),
    "rft_repeat": Method(("own", "gold"), choice=repeated, samples=8, temperature=0.7),
}
