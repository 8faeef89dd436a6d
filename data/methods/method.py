"""method.py - a method is a row: the sources of its targets, and what it does otherwise.

Most rows are a tuple of sources, as METHODS in s3ft.py has them: a source names what the model is
asked for, and a judge says yes or no. A row may do something otherwise at other places too, each a
plain function; None is what everybody does:

    seam        function                                   ordinarily
    examples    (targets, logprobs) -> the ids kept        all training questions
    choice      (accepted attempts) -> those trained on    the first of them
    weights     (targets, logprobs, failed) -> targets     0 for a prompt's tokens, 1 for a target's
    loss        (logits, wanted, weights) -> a number      weighted cross-entropy
    parameters  (lm, targets, settings), a generator of    one phase, in which all weights (with
                (targets, settings), one a phase           --lora all adapters) are trained

The code of `loss` and `parameters` is in the key of the weights; that of the others shows in the
targets, which are in the key too.
"""
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace

from data import UserError


@dataclass(frozen=True)
class Method:
    """A row of the table."""
    sources: tuple                       # the first that the judge accepts is trained on
    # targets: golds, as s3ft.Target. logprobs([(prompt ids, ids), ..]) -> for each pair the
    # log-probabilities (nats) that base gives to ids after a prompt: [[float, ..], ..].
    examples: Callable | None = None
    # An attempt is a dict: a line of `answers` in s3ft.py ("text", "ids", "logprob", ..).
    choice: Callable | None = None
    # failed() -> {example id: share of the model's own answers that were refused or cut off}.
    weights: Callable | None = None
    # logits (N, V) in fp32, wanted (N,) ids, weights (N,), all above 0 -> their loss, summed.
    loss: Callable | None = None
    # settings: s3ft.Training. What it yields is trained on before it goes on.
    parameters: Callable | None = None
    rates: tuple = ()                    # learning rates of its own; (): those of --lr
    samples: int = 0                     # attempts a question; 0: --samples
    temperature: float | None = None     # of the attempts; None: --temperature
    kept: bool = True                    # can a checkpoint hold what was trained?


def complete(name, row, options):
    """A row of METHODS, a tuple or a Method, as a Method that says all: options fill the gaps."""
    if isinstance(row, tuple):
        row = Method(row)
    for seam in (row.examples, row.choice, row.weights, row.loss, row.parameters):
        if seam and not inspect.isfunction(seam):       # its page's code is in the keys
            raise UserError(f"{name} names {seam!r}, which is no plain function; write one with "
                            "def in its page")
    if row.parameters and options.lora:
        raise UserError(f"{name} chooses the parameters that are trained, in LoRA's place; add "
                        "--lora 0")
    temperature = options.temperature if row.temperature is None else row.temperature
    if row.samples > 1 and temperature == 0:
        raise UserError(f"{name} samples {row.samples} attempts, which at temperature 0 would be "
                        "all the same; add --temperature 0.7, or give the row one")
    return replace(row, rates=tuple(row.rates or options.lr), temperature=temperature,
                   samples=row.samples or options.samples)
