"""Probes of lab 3: choosing targets, and the loss mask."""
from types import SimpleNamespace

from probes import Probe


# ---------------------------------------------------------------- choose_targets

class Verdicts:
    """Accepts the texts that begin with "right", and remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def accept(self, example, text, source):
        self.asked.append([example.id, source])
        return SimpleNamespace(ok=text.startswith("right"))


def attempt(id, kind, number, text, finish_reason="end"):
    return {"id": id, "source": kind, "sample": number, "text": text, "ids": [number],
            "finish_reason": finish_reason}


def choose(draw, s3ft, sources, texts, choice=None):
    """Let choose_targets choose. texts: {kind: [texts of one example's attempts], ..} or
    (text, finish_reason) pairs, for each of some examples.

    -> {"chosen": [[id, source, number of the attempt or None], ..], "attempted": {kind: ids}}
    """
    from data import Example
    ids = [f"train-{number}" for number in draw.sample(range(100), len(texts))]
    examples = [Example(id, "how many?", "#### 1") for id in ids]
    texts_of = dict(zip(ids, texts))
    attempted = {}

    def attempts_of(kind, some):
        attempted.setdefault(kind, []).append([example.id for example in some])
        of_each = {}
        for example in some:
            tries = []
            for number, text in enumerate(texts_of[example.id].get(kind, [])):
                pair = (text, "end") if isinstance(text, str) else text
                tries.append(attempt(example.id, kind, number, *pair))
            of_each[example.id] = tries
        return of_each

    verdicts = Verdicts()
    chosen = s3ft.choose_targets(sources, examples, verdicts, attempts_of, choice)
    listed = []
    for one in chosen:
        number = None if one.attempt is None else one.attempt["sample"]
        listed.append([one.example.id, one.source, number])
    return {"chosen": listed, "attempted": attempted, "judged": verdicts.asked}


S3FT = ("own", "paraphrase", "gold")
OWN_RIGHT = {"own": ["right"], "paraphrase": ["right"]}
OWN_WRONG = {"own": ["wrong"], "paraphrase": ["right"]}
BOTH_WRONG = {"own": ["wrong"], "paraphrase": ["wrong"]}


def some_of_each(draw):
    texts = [OWN_RIGHT, OWN_WRONG, BOTH_WRONG] * 2
    draw.shuffle(texts)
    return texts


def cascade(draw, s3ft):
    chosen = choose(draw, s3ft, S3FT, some_of_each(draw))["chosen"]
    return sorted(chosen)


def order(draw, s3ft):
    return choose(draw, s3ft, S3FT, some_of_each(draw))["chosen"]


def asked_of_the_rest(draw, s3ft):
    return choose(draw, s3ft, S3FT, some_of_each(draw))["attempted"]


def sft_asks_nothing(draw, s3ft):
    told = choose(draw, s3ft, ("gold",), some_of_each(draw))
    return [told["attempted"], [source for _, source, _ in told["chosen"]]]


def cut_off(draw, s3ft):
    texts = [{"own": [("right", "length"), "right too"], "paraphrase": ["right"]},
             {"own": [("right", "length")], "paraphrase": ["right"]}]
    draw.shuffle(texts)
    return choose(draw, s3ft, S3FT, texts)["chosen"]


def first_accepted(draw, s3ft):
    texts = []
    for _ in range(4):
        tries = ["wrong"] * draw.randint(0, 3) + ["right"] + draw.choices(["right", "wrong"], k=3)
        texts.append({"own": tries})
    return choose(draw, s3ft, S3FT, texts)["chosen"]


def no_gold(draw, s3ft):
    return choose(draw, s3ft, ("own", "paraphrase"), some_of_each(draw))["chosen"]


def row_decides(draw, s3ft):
    return choose(draw, s3ft, ("paraphrase", "gold"), some_of_each(draw))["chosen"]


def by_choice(draw, s3ft):
    texts = [{"own": ["wrong", "right", "right", "wrong", "right"]}, {"own": ["wrong"]}]

    def last_two(accepted):
        return accepted[-2:]
    return choose(draw, s3ft, S3FT, texts, last_two)["chosen"]


def other_sources(draw, s3ft):
    told = choose(draw, s3ft, ("own_number", "voice"), some_of_each(draw))
    return [told["chosen"], list(told["attempted"]), told["judged"]]


# ---------------------------------------------------------------- make_target

class Words:
    """A tokenizer whose ids are the numbers of words, in pieces of its own."""
    close_id = 7

    def __init__(self, draw):
        self.shift = draw.randrange(100, 900)

    def encode_chat(self, messages):
        text = " / ".join(message["content"] for message in messages)
        return self.encode(text)

    def encode_answer(self, text):
        return [*self.encode(text), 8]

    def encode(self, text):
        return [self.shift + sum(map(ord, word)) for word in text.split()]


class WordTask:
    instruction = "Think."
    rewriting = "tell it again."

    def history(self, example):
        return []

    def question(self, example):
        return example.question

    def reference(self, example):
        return f"Reference: {example.answer}"

    def text(self, example, source):
        return f"{source} of {example.answer}"


def make(draw, s3ft, source, sampled=None):
    """-> what make_target makes: prompt ids, ids, weights, id, source."""
    from data import Example
    example = Example(f"train-{draw.randrange(99)}", f"How many are {draw.randrange(99)} pens?",
                      f"so many {draw.randrange(99)}")
    one = None
    if sampled is not None:
        one = {"ids": sampled, "text": "so many pens", "prompt_ids": [1, 2, 3]}
    target = s3ft.make_target(Words(draw), WordTask(), s3ft.Choice(example, source, one))
    return target


def some_ids(draw):
    return [draw.randrange(1000) for _ in range(draw.randint(3, 9))]


def sampled_ids(draw, s3ft):
    return make(draw, s3ft, "own", some_ids(draw)).ids


def gold_ids(draw, s3ft):
    return [make(draw, s3ft, "gold").ids, make(draw, s3ft, "voice").ids]


def plain_prompt(draw, s3ft):
    return [make(draw, s3ft, "paraphrase", some_ids(draw)).prompt_ids,
            make(draw, s3ft, "own", some_ids(draw)).prompt_ids]


def who_it_is(draw, s3ft):
    target = make(draw, s3ft, "paraphrase", some_ids(draw))
    return [target.id, target.source]


def attempt_stays(draw, s3ft):
    ids = some_ids(draw)
    make(draw, s3ft, "own", ids)
    return ids


def weights(draw, s3ft):
    return make(draw, s3ft, "gold").weights


# ---------------------------------------------------------------- in_one_row

def targets(draw, s3ft, lengths, total=None):
    """Targets with (prompt, answer) tokens each; the last prompt grows until `total` is reached."""
    made = []
    for number, (prompt, answer) in enumerate(lengths):
        if total and number == len(lengths) - 1:
            prompt = total - sum(len(one) for one in made) - answer
        made.append(s3ft.Target(f"train-{number}", "own",
                                [draw.randrange(1, 3000) for _ in range(prompt)],
                                [draw.randrange(1, 3000) for _ in range(answer)]))
    return made


def lengths_of_two(draw):
    return [(draw.randint(4, 9), draw.randint(2, 5)), (draw.randint(4, 9), draw.randint(2, 5))]


def row(s3ft, some):
    ids, lengths, weights_ = s3ft.in_one_row(some, "cpu")
    return {"ids": ids.tolist(), "lengths": list(lengths), "weights": weights_.tolist()}


def one_text(draw, s3ft):
    return row(s3ft, targets(draw, s3ft, [(0, draw.randint(3, 6))], 32))["weights"]


def one_behind_the_other(draw, s3ft):
    told = row(s3ft, targets(draw, s3ft, lengths_of_two(draw), 32))
    return [told["ids"], told["lengths"]]


def no_token_of_the_next(draw, s3ft):
    return row(s3ft, targets(draw, s3ft, lengths_of_two(draw), 64))["weights"]


def own_weights(draw, s3ft):
    some = targets(draw, s3ft, lengths_of_two(draw), 32)
    for target in some:
        target.weights = [draw.choice([0.0, 0.25, 1.0]) for _ in target.weights]
    return row(s3ft, some)["weights"]


def padded(draw, s3ft):
    told = row(s3ft, targets(draw, s3ft, lengths_of_two(draw)))
    return [len(told["ids"][0]), told["lengths"], told["weights"]]


def shapes(draw, s3ft):
    ids, _, weights_ = s3ft.in_one_row(targets(draw, s3ft, lengths_of_two(draw)), "cpu")
    return [list(ids.shape), list(weights_.shape), str(ids.dtype), str(weights_.dtype)]


def list_stays(draw, s3ft):
    some = targets(draw, s3ft, lengths_of_two(draw))
    s3ft.in_one_row(some, "cpu")
    return [len(some), [len(target.weights) for target in some]]


PROBES = [
    Probe("choose_targets", "the sources of the row have their turn one after the other, and the "
                            "first that the judge accepts is trained on (each: id, source, number "
                            "of the attempt)", cascade),
    Probe("choose_targets", "the targets come in the order of the examples", order),
    Probe("choose_targets", "a paraphrase is asked for only where the own answer was refused",
          asked_of_the_rest),
    Probe("choose_targets", "a row of golds asks the model for nothing", sft_asks_nothing),
    Probe("choose_targets", "an attempt that was cut off (finish_reason is not \"end\") is never "
                            "trained on, even if the judge would accept its text", cut_off),
    Probe("choose_targets", "of several accepted attempts the first is trained on, where there is "
                            "no `choice`", first_accepted),
    Probe("choose_targets", "an example without an accepted source is left out; it gets no gold "
                            "that its row does not name", no_gold),
    Probe("choose_targets", "the row alone says which sources there are, and in which order",
          row_decides),
    Probe("choose_targets", "`choice` is handed the accepted attempts, and no others, and all that "
                            "it returns are trained on", by_choice),
    Probe("choose_targets", "SAMPLED says what the model is asked for; the judge is told the "
                            "source itself (own_number); all other sources are texts of the "
                            "task (voice)",
          other_sources),
    Probe("make_target", "a sampled answer keeps the very ids that were sampled, and then comes "
                         "close_id, once", sampled_ids),
    Probe("make_target", "any other source is task.text(example, source), as encode_answer writes "
                         "it, and then close_id", gold_ids),
    Probe("make_target", "the prompt is the plain question (ask), for a paraphrase too",
          plain_prompt),
    Probe("make_target", "a target bears the example's id and its source", who_it_is),
    Probe("make_target", "the attempt itself is not changed", attempt_stays),
    Probe("make_target", "the weights are left to Target: 0 for the prompt, 1 for the rest",
          weights),
    Probe("in_one_row", "a position's weight is that of the NEXT token, which it predicts; the "
                        "last position predicts nothing: 0", one_text),
    Probe("in_one_row", "texts stand one behind another in one row, each prompt before its target, "
                        "and their lengths are told", one_behind_the_other),
    Probe("in_one_row", "the prompt is masked, and the last token of a text does not predict the "
                        "first of the next", no_token_of_the_next),
    Probe("in_one_row", "the weights are those of the target, whatever they are", own_weights),
    Probe("in_one_row", "the row is padded at its end to a multiple of 32; the padding is one more "
                        "text, with weights of 0 (number of ids, lengths, weights)", padded),
    Probe("in_one_row", "ids are (1, T) whole numbers, weights are (T,) in fp32", shapes),
    Probe("in_one_row", "the targets that were passed are not changed", list_stays),
]
