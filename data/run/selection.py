"""selection.py - what each seed trains on and is measured on."""
import random
from dataclasses import dataclass

from data import UserError, say_once
from data.benchmarks import limit_benchmarks, load_benchmarks
from data.tiny import new_items


@dataclass(frozen=True)
class Questions:
    """What one seed trains on and is measured on."""
    seed: int
    train: list                  # of Example
    validation: list
    test: list
    benchmarks: dict             # {name: MultipleChoice or Answered (data/benchmarks)}


def select(options, task, base, ask, rewrite):
    """Draw the questions of every seed.

    base: folder.BaseModel. ask, rewrite: (task, example) -> a chat.
    -> ({seed: Questions}, how many training examples do not fit the context, the files that
    --new-items puts into the run folder, or None). UserError for what cannot be asked.
    """
    test = task.load("test")
    train = task.load("train") if options.methods else []       # --methods base trains nothing
    validation = load_validation(options, task)
    benchmarks = load_benchmarks(options)
    new_files = new_items.new_item_files(options, benchmarks) if options.new_items else None
    fitting = those_that_fit(train, task, base, options.max_new_tokens, ask, rewrite)
    questions = {}
    for seed in options.seeds:
        own_train = draw_items(fitting, options.limit, seed)
        own_test = draw_items(test, options.test_limit, seed)
        own_benchmarks = limit_benchmarks(benchmarks, options.benchmark_limit, seed, draw_items)
        questions[seed] = Questions(seed, own_train, validation, own_test, own_benchmarks)
    return questions, len(train) - len(fitting), new_files


def draw_items(items, n, seed):
    """n of the items: the first for seed 0, a sample drawn by the seed for every other."""
    if seed == 0 or n >= len(items):
        return items[:n]
    return random.Random(f"draw {seed}").sample(items, n)


def load_validation(options, task):
    """The questions on which several learning rates are compared, and which --results keeps too.

    [] where nobody needs them. UserError where there are none to compare rates on.
    """
    several = len(options.lr) > 1 or options.own_rates
    if not several and not (options.results and options.validation_limit):
        return []
    validation = task.load("validation")[:options.validation_limit]
    if several and not validation and options.own_rates:
        raise UserError("a row of --methods has several rates of its own, which are compared on "
                        "validation; there is none (--validation-limit 0, or too few data)")
    if several and not validation:
        raise UserError("several --lr are compared on validation, which --validation-limit 0 "
                        "leaves out, and which these data may be too few for; give one --lr")
    return validation


def those_that_fit(examples, task, base, max_new_tokens, ask, rewrite):
    """The training examples that fit the context, the same for all methods: with the gold, and as
    a question and a rewrite prompt with max_new_tokens more. UserError where nothing fits."""
    context = base.config.max_position_embeddings
    tokenizer = base.tokenizer
    fitting = []
    for example in examples:
        question = ask(task, example)
        again = rewrite(task, example)
        gold = task.gold(example)
        # A token is at least a byte, so short texts need no counting.
        longest_prompt = max(bytes_of(question), bytes_of(again))
        longest_answer = max(max_new_tokens, len(gold.encode()))
        if longest_prompt + longest_answer + TEMPLATE > context:
            asked = len(tokenizer.encode_chat(question))
            prompt = max(asked, len(tokenizer.encode_chat(again)))
            trained = asked + len(tokenizer.encode_answer(gold)) + 1
            if max(prompt + max_new_tokens, trained) > context:
                continue
        fitting.append(example)
    if examples and not fitting:
        raise UserError(f"no training example fits the model's context of {context} tokens with "
                        f"{max_new_tokens} new ones; lower --max-new-tokens")
    check_template(fitting, task, tokenizer, ask)
    return fitting


TEMPLATE = 300                   # bytes of a chat template's own words, at most


def bytes_of(chat):
    return sum(len(message["content"].encode()) for message in chat)


def check_template(examples, task, tokenizer, ask):
    """UserError where no token closes an answer, so none can be trained on. One line says where the
    chat template would write golds in other tokens than they are trained on (s3ft.make_target):
    it may trim them, drop thoughts, add words, or change the question once it is answered."""
    if examples and tokenizer.close_id is None:
        raise UserError("the model's files name no token that ends an answer, so none can be "
                        "trained on; name it as eos_token in tokenizer_config.json")
    tried = set()
    for example in examples:
        question = ask(task, example)
        gold = task.gold(example)
        kind = (len(question), "</think>" in gold, gold != gold.strip())
        if kind in tried:
            continue
        tried.add(kind)
        target = tokenizer.encode_chat(question) + tokenizer.encode_answer(gold)
        target.append(tokenizer.close_id)
        answered = tokenizer.encode_chat([*question, {"role": "assistant", "content": gold}])
        if tokenizer.opening and "</think>" not in gold:
            say_once("the model is asked with an open think block; a gold without a thought begins "
                     "by closing it, so the model learns to answer without thinking")
        elif "</think>" in gold and "</think>" in tokenizer.tail:
            say_once("golds hold thoughts, but the model is asked with an empty think block, which "
                     "they follow as they are; with --thinking they stand in its place")
        elif answered[:len(target)] != target:
            say_once("the model's chat template writes some answered questions otherwise; trained "
                     "on are the question as it is asked and the gold's own words")
