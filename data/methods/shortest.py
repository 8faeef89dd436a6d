"""shortest.py - the shortest right answer.

No paper: the simplest rule of choice that one may think of, and a warning. Short answers skip
steps, and a rule that looks at length alone teaches the model to skip them too.

Seam: choice. Control: `grape_random` (grape.py), any one of the same accepted attempts.
"""
from data.methods.method import Method


def shortest(accepted):
    """The attempt with the fewest tokens; of several the first."""
    return [min(accepted, key=lambda attempt: len(attempt["ids"]))]


METHODS = {
    "shortest": Method(("own", "gold"), choice=shortest, samples=8, temperature=0.7),
}
