"""probes - what the labs check: a file for each lab.

A probe asks a student's function something and returns what it says, in plain values (numbers,
texts, lists). The same probe asks the project's own function, in another process, with the same
random inputs, and the two have to agree. So no probe knows the right answer, and a probe's
sentence, which says what has to hold, is what a student reads when they do not agree.

Where many answers are right (labs 2 and 6) a probe has an `examine`, which is handed what the
student's function said and returns what is wrong with it, or "".

Only the first probe that fails is shown. So each has inputs on which the mistakes of later probes
do no harm, and the order counts; labs_checks.py, in the project, tries typical mistakes.
"""
import importlib
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Probe:
    exercise: str                # name of the function that is asked
    holds: str                   # what has to hold: a sentence
    ask: Callable                # (draw, module): a random.Random, the file with the function
    examine: Callable | None = None


def probes_of(exercise):
    """The probes of an exercise, those that point at the plainest mistakes first."""
    lab = importlib.import_module(f"probes.lab{exercise.lab}")
    return [probe for probe in lab.PROBES if probe.exercise == exercise.name]


def raises(error, function, *arguments):
    """Does it raise this error? Else what it returns, as a text."""
    try:
        return repr(function(*arguments))
    except error:
        return f"raises {error.__name__}"
