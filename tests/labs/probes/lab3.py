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

    -> {"chosen": [[id, source, number of the attempt or None], ..],
        "attempted": {kind: ids of the examples for which it was asked},
        "judged": [[id, source], ..]}. Who is asked first, and how many at a time, is left open.
    """
    from data import Example
    ids = [f"train-{number}" for number in draw.sample(range(100), len(texts))]
    examples = [Example(id, "how many?", "#### 1") for id in ids]
    texts_of = dict(zip(ids, texts))
    attempted = {}

    def attempts_of(kind, some):
        of_each = {}
        for example in some:
            attempted.setdefault(kind, []).append(example.id)
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
    return {"chosen": listed, "judged": sorted(verdicts.asked),
            "attempted": {kind: sorted(ids) for kind, ids in attempted.items()}}


S3FT = ("own", "paraphrase", "gold")
OWN_RIGHT = {"own": ["right"], "paraphrase": ["right"]}
OWN_WRONG = {"own": ["wrong"], "paraphrase": ["right"]}
BOTH_WRONG = {"own": ["wrong"], "paraphrase": ["wrong"]}


def some_of_each(draw):
    texts = [OWN_RIGHT, OWN_WRONG, BOTH_WRONG, OWN_RIGHT, OWN_WRONG]
    draw.shuffle(texts)
    return [BOTH_WRONG, *texts]         # the gold first: examples are in no order of sources


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


def first_accepted(draw, s3ft):
    texts = []
    for _ in range(4):
        wrong = ["wrong"] * draw.randint(1, 3)
        texts.append({"own": [*wrong, "right", "wrong", "right", "wrong"]})
    return choose(draw, s3ft, S3FT, texts)["chosen"]


def cut_off(draw, s3ft):
    texts = [{"own": [("right", "length"), "right too"], "paraphrase": ["right"]},
             {"own": [("right", "length")], "paraphrase": ["right"]}]
    draw.shuffle(texts)
    return choose(draw, s3ft, S3FT, texts)["chosen"]


def no_gold(draw, s3ft):
    return choose(draw, s3ft, ("own", "paraphrase"), some_of_each(draw))["chosen"]


def row_decides(draw, s3ft):
    return choose(draw, s3ft, ("paraphrase", "gold"), some_of_each(draw))["chosen"]


def last_two(accepted):
    if not accepted:
        raise ValueError("choice was handed an empty list")
    return accepted[-2:]


def by_choice(draw, s3ft):
    texts = [{"own": ["wrong", "right", "right", "wrong", "right", "wrong"]}, {"own": ["wrong"]}]
    return choose(draw, s3ft, S3FT, texts, last_two)["chosen"]


def other_sources(draw, s3ft):
    told = choose(draw, s3ft, ("own_number", "voice"), some_of_each(draw))
    return [sorted(told["attempted"]), told["judged"], told["chosen"]]


# ---------------------------------------------------------------- make_target

class Words:
    """A tokenizer whose ids are the numbers of words, in pieces of its own."""
    close_id = 7
    end_ids = (5, 7)

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
    tokenizer = Words(draw)
    one = None
    if sampled is not None:
        chat = s3ft.PROMPTS[source](WordTask(), example)
        one = {"id": example.id, "source": source, "ids": sampled, "text": "so many pens",
               "prompt_ids": tokenizer.encode_chat(chat)}
    return s3ft.make_target(tokenizer, WordTask(), s3ft.Choice(example, source, one))


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

def targets(draw, s3ft, lengths):
    """Targets with (prompt, answer) tokens each."""
    made = []
    for number, (prompt, answer) in enumerate(lengths):
        made.append(s3ft.Target(f"train-{number}", "own",
                                [draw.randrange(1, 3000) for _ in range(prompt)],
                                [draw.randrange(1, 3000) for _ in range(answer)]))
    return made


def lengths_of_two(draw):
    return [(draw.randint(4, 9), draw.randint(2, 5)), (draw.randint(4, 9), draw.randint(2, 5))]


def row(s3ft, some):
    """The row of these targets, without the padding at its end."""
    targets_alone = len(some)
    tokens_alone = sum(len(target) for target in some)
    ids, lengths, weights_ = s3ft.in_one_row(some, "cpu")
    return {"ids": ids[0].tolist()[:tokens_alone], "lengths": list(lengths)[:targets_alone],
            "weights": weights_.tolist()[:tokens_alone]}


def shapes(draw, s3ft):
    ids, _, weights_ = s3ft.in_one_row(targets(draw, s3ft, lengths_of_two(draw)), "cpu")
    return [ids.dim(), len(ids), str(ids.dtype), weights_.dim(), str(weights_.dtype)]


def one_behind_the_other(draw, s3ft):
    told = row(s3ft, targets(draw, s3ft, lengths_of_two(draw)))
    return [told["lengths"], told["ids"]]


def next_token(draw, s3ft):
    return row(s3ft, targets(draw, s3ft, [(0, draw.randint(3, 6))]))["weights"]


def masked(draw, s3ft):
    return row(s3ft, targets(draw, s3ft, [(draw.randint(4, 9), draw.randint(2, 5))]))["weights"]


def no_token_of_the_next(draw, s3ft):
    return row(s3ft, targets(draw, s3ft, [(4, draw.randint(2, 5)), (0, 4)]))["weights"]


def own_weights(draw, s3ft):
    some = targets(draw, s3ft, lengths_of_two(draw))
    for target in some:
        target.weights = [0.0, 0.5] + [draw.choice([0.0, 0.25, 1.0]) for _ in target.weights[2:]]
    return row(s3ft, some)["weights"]


def whole_row(draw, s3ft, lengths):
    """-> [number of ids, lengths, number of weights, what the weights sum to]."""
    ids, lengths, weights_ = s3ft.in_one_row(targets(draw, s3ft, lengths), "cpu")
    return [ids.numel(), list(lengths), len(weights_), weights_.sum().item()]


def padded(draw, s3ft):
    return whole_row(draw, s3ft, lengths_of_two(draw))


def full_row(draw, s3ft):
    answer = draw.randint(2, 9)
    return whole_row(draw, s3ft, [(10, 6), (16 - answer, answer)])


def list_stays(draw, s3ft):
    some = targets(draw, s3ft, lengths_of_two(draw))
    s3ft.in_one_row(some, "cpu")
    return [len(some), [len(target.weights) for target in some]]


PROBES = [
    Probe("choose_targets", "the sources of the row have their turn one after the other, and the "
                            "first that the judge accepts (verdict.ok) is trained on, once (each: "
                            "id, source, number of the attempt)", cascade),
    Probe("choose_targets", "the targets come in the order of the examples", order),
    Probe("choose_targets", "a paraphrase is asked for only where the own answer was refused, and "
                            "no attempt twice", asked_of_the_rest),
    Probe("choose_targets", "the row alone says which sources there are, and in which order",
          row_decides),
    Probe("choose_targets", "a row of golds asks the model for nothing", sft_asks_nothing),
    Probe("choose_targets", "of several attempts the first accepted one is trained on, where there "
                            "is no `choice`", first_accepted),
    Probe("choose_targets", "an attempt that was cut off (finish_reason is not \"end\") is never "
                            "trained on, even if the judge would accept its text", cut_off),
    Probe("choose_targets", "an example without an accepted source is left out; it gets no gold "
                            "that its row does not name", no_gold),
    Probe("choose_targets", "`choice` is handed the accepted attempts, and no others, where there "
                            "are any, and all that it returns are trained on", by_choice),
    Probe("choose_targets", "SAMPLED says what the model is asked for (for own_number: own), and "
                            "the judge is told the source itself; all other sources are texts of "
                            "the task (voice)", other_sources),
    Probe("make_target", "a sampled answer keeps the very ids that were sampled, and then comes "
                         "close_id, once", sampled_ids),
    Probe("make_target", "any other source is task.text(example, source), as encode_answer writes "
                         "it, and then close_id, once", gold_ids),
    Probe("make_target", "the prompt is the plain question (ask), for a paraphrase too",
          plain_prompt),
    Probe("make_target", "a target bears the example's id and its source", who_it_is),
    Probe("make_target", "the attempt itself is not changed: its ids stay as they are",
          attempt_stays),
    Probe("make_target", "the weights are left to Target: 0 for the prompt, 1 for the rest",
          weights),
    Probe("in_one_row", "ids are (1, T) whole numbers, weights are (T,) in fp32 (dimensions, rows, "
                        "type of both)", shapes),
    Probe("in_one_row", "texts stand one behind another in one row, each prompt before its target, "
                        "and their lengths are told (lengths, ids)", one_behind_the_other),
    Probe("in_one_row", "a position's weight is that of the NEXT token, which it predicts; the "
                        "last position predicts nothing: 0", next_token),
    Probe("in_one_row", "the prompt is masked, but its last position predicts the first token of "
                        "the target", masked),
    Probe("in_one_row", "the last token of a text does not predict the first of the next",
          no_token_of_the_next),
    Probe("in_one_row", "the weights are those of the target, whatever they are", own_weights),
    Probe("in_one_row", "the row is padded to a multiple of 32; the padding is one more text, with "
                        "weights of 0 (number of ids, lengths, number of weights, their sum)",
          padded),
    Probe("in_one_row", "a row that is a multiple of 32 already is not padded", full_row),
    Probe("in_one_row", "the targets that were passed are not changed", list_stays),
]
