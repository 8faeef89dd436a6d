"""plan.py - what a run is, what of it is left to do and why, and what that takes.

s3ft.carry_out goes through the whole comparison once without making anything. What it asks for and
does not find is counted here, under the very keys by which the run will look for it. Tokens come
from the files, speeds from a few seconds of the real thing.
"""
import time

import torch

import model
from data import TASKS
from data.benchmarks import multiple_choice
from data.files import mean
from data.run import training
from data.run.folder import model_name
from data.run.progress import minutes


class Plan:
    def __init__(self, run):
        self.run = run
        self.lacking = {}            # label -> {(weights, name, digest of what is asked): job}
        self.anew = {}               # lines on rows that are made again, as in an ordered set
        self.trainings = {}          # models that have to be trained -> Weights

    def count(self, weights, label, wanted, made_from):
        """Count those of the wanted rows that are lacking."""
        missing = weights.store.missing(wanted, made_from)
        if not missing:
            return
        rows = self.lacking.setdefault(label, {})
        for name, part, job in missing:
            rows[weights.key, name, part] = job
        changed = weights.store.what_changed(missing, made_from)
        if changed:
            self.anew[f"{weights.label}: {label}: {changed}"] = True
        if weights.train:
            self.count_training(weights)

    def count_checkpoint(self, weights):
        """Count a checkpoint that is to be kept and is not there."""
        if weights.lacks_checkpoint():
            self.lacking.setdefault("checkpoint", {})[weights.key] = weights
            self.count_training(weights)

    def count_training(self, weights):
        if not weights.kept():
            self.trainings[weights.folder.name] = weights

    def jobs(self, label):
        """The jobs of the rows that are lacking."""
        return list(self.lacking.get(label, {}).values())

    def paraphrases(self):
        """(how many are lacking, whether that is a guess).

        A method may ask for a paraphrase only where no own answer is accepted. Where the own answer
        is lacking too, this is not known yet, and half of these paraphrases are counted.
        """
        paraphrases = self.jobs("paraphrases")
        methods = self.run.lacking(self.run.options.seeds[0])
        for sources in methods.values():
            if sources[0].startswith("paraphrase"):      # this method asks for all
                return len(paraphrases), False
        own = {job.example.id for job in self.jobs("own answers")}
        unsure = [job for job in paraphrases if job.example.id in own]
        return len(paraphrases) - len(unsure) / 2, bool(unsure)

    def show(self, questions):
        """Print what this run is and what is left to do, with minutes, memory and disk.

        questions: {seed: s3ft.Questions}.
        """
        self.say_what_it_is()
        run = self.run
        o = run.options
        if not self.lacking:
            print(f"all cells are there: {run.out}")
            return
        for line in self.anew:
            print(line)
        for name, weights in self.trainings.items():
            why = weights.why_trained()
            if why:
                print(f"{name}: will be trained again, because {why}")

        # Tokens of a prompt, of a gold and of an answer; tokens per second.
        mine = questions[o.seeds[0]]
        some = (mine.train or mine.test)[:64]
        ask, gold, answer = self.tokens(some)
        speed = try_speed(run, some, max(1, int(answer)))

        # Seconds.
        own = len(self.jobs("own answers"))
        paraphrases, unsure = self.paraphrases()
        t_answer = answer / speed["sample"] + ask / speed["read"]
        t_attempts = own * t_answer + paraphrases * (t_answer + gold / speed["read"])
        t_train = len(mine.train) * o.epochs * (ask + (answer + gold) / 2) / speed["train"]
        t_measure = self.seconds_of_measuring(mine, t_answer, ask + answer, speed)
        total = t_attempts + len(self.trainings) * t_train + t_measure

        number = len({e.id for one in questions.values() for e in one.train})
        about = "about " if unsure else ""
        models = "1 model" if len(self.trainings) == 1 else f"{len(self.trainings)} models"
        print(f"plan: {number} questions; {own} own answers and {about}{paraphrases:.0f} "
              f"paraphrases to sample ({minutes(t_attempts)}); {models} to train "
              f"({minutes(t_train)} each); {minutes(t_measure)} of measuring")

        # Bytes: checkpoints, about 6 kB of texts a question, adapters in fp32.
        cells = len(o.seeds) * len(o.methods) * len(o.lr)
        checkpoints = {"none": 0, "last": len(o.methods), "all": cells}[o.keep]
        bytes_each = run.sample_dtype.itemsize if o.lora else 4
        disk = checkpoints * run.parameters * bytes_each + number * 6000
        if o.lora:
            disk += cells * speed["trainable"] * 4
        peak = memory(run, speed["trainable"], ask + gold)
        print(f"plan: about {minutes(total)} in all, {peak / 1e9:.1f} GB memory, "
              f"{disk / 1e6:.0f} MB disk in {run.out}", flush=True)

    def say_what_it_is(self):
        """Print task, model, the judge's limits, device and what is tuned."""
        run = self.run
        task = run.task
        o = run.options
        name = model_name(o)
        if o.bundled:
            name = f"the {name}"
        line = f"{task.title} on {name} ({run.parameters / 1e6:.1f}M parameters)"
        if task.title.startswith("tiny-") and o.task in TASKS:
            line += (f". This is no {o.task} figure of the literature; for the real thing:\n"
                     f"  python s3ft.py --task {o.task} --model Qwen/Qwen2.5-0.5B-Instruct   "
                     "(any checkpoint of a supported family; fetches it and the official data)")
        print(line)
        if task.fields:
            print(f"{o.task}: {task.fields}")
        for note in task.notes:
            print(note)
        if task.name == "exact":
            print("the exact judge accepts a paraphrase only if it equals the gold, "
                  "so rewriting can hardly add anything")
        tuned = "all weights are tuned, in fp32"
        if o.lora:
            tuned = (f"LoRA of rank {o.lora} (alpha {o.lora_alpha:g}, dropout {o.lora_dropout:g}) "
                     f"on {', '.join(o.lora_targets)}")
        print(f"{run.why}; {tuned}", flush=True)

    def tokens(self, some):
        """Mean tokens of a prompt, of a gold and of an answer, on some of the questions."""
        run = self.run
        o = run.options
        encode = run.tokenizer.encode
        prompts = [run.tokenizer.encode_chat(run.method_code.ask(run.task, e)) for e in some]
        ask = mean(len(prompt) for prompt in prompts)
        gold = mean(len(encode(run.task.gold(e))) for e in some)

        answers = []                 # lengths of the attempts that are there
        for used in run.used.values():
            for attempts in used.values():
                answers += [len(attempt["ids"]) for attempt in attempts]
        if answers:
            answer = mean(answers)
        elif o.bundled:              # the bundled data have an answer in the model's own voice
            answer = mean(len(encode(e.extra.get("voice", e.answer))) for e in some)
        else:
            answer = min(2 * gold, o.max_new_tokens)
        return ask, gold, answer

    def seconds_of_measuring(self, questions, t_answer, length, speed):
        """Seconds of what is lacking of KL, validation, test and benchmarks.

        t_answer: seconds for an answer. length: tokens of a question and an answer.
        """
        run = self.run
        # A KL reads at most 100 test questions with two models.
        total = len(self.jobs("KL")) * min(100, len(questions.test)) * 2 * length / speed["read"]
        for label in ("validation", "test"):
            total += len(self.jobs(label)) * t_answer
        for name, benchmark in questions.benchmarks.items():
            jobs = self.jobs(name)
            if not jobs:
                continue
            if benchmark.task is None:                   # options are read, nothing is sampled
                context = run.config.max_position_embeddings
                total += multiple_choice.tokens(run.tokenizer, jobs, context) / speed["read"]
                continue
            asked = mean(len(job.prompt_ids) for job in jobs[:16])
            sampled = benchmark.max_new_tokens / 2
            total += len(jobs) * (sampled / speed["sample"] + asked / speed["read"])
        return total


def memory(run, trainable, length):
    """Bytes at the peak, which is training. trainable: parameters. length: tokens of an example."""
    weights = {}                     # by model: base and sampler may be one
    for lm in (run.models.base(), run.models.sampler()):
        weights[id(lm)] = sum(p.numel() * p.element_size() for p in lm.parameters())
    optimiser = trainable * 16       # in fp32: weight, gradient and two moments

    lm = run.models.sampler()
    budget, checkpointed = training.micro_budget(lm, run.train_dtype, length)
    tokens = min(budget, run.options.batch * length)
    activations = tokens * training.bytes_per_token(run.config, run.train_dtype)
    if checkpointed:
        activations *= 0.2
    logits = 6 * 2**26

    torch_itself = 0.6e9
    if lm.device.type == "cpu" and run.train_dtype == torch.bfloat16:
        torch_itself = 1.2e9         # a CPU's bf16 kernels are compiled for each shape and kept
    return sum(weights.values()) + optimiser + activations + logits + torch_itself


class StepTimes(training.Journal):
    """Notes when each step ended. Shows no progress and writes nothing."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def step(self, losses, steps):
        self.losses = list(losses)
        self.ends.append(time.time())


def try_speed(run, examples, answer):
    """Tokens per second of sampling, reading and training, tried for a few seconds; and the number
    of trainable parameters. answer: tokens of an answer."""
    o = run.options
    s3ft = run.method_code
    lm = run.models.sampler()
    big = run.parameters > 50e6
    # Of a prompt that would not fit, only its end is taken.
    most = max(1, run.config.max_position_embeddings - max(answer, 12) - 1)
    prompts = [run.tokenizer.encode_chat(s3ft.ask(run.task, e))[-most:] for e in examples]

    some = prompts[:4] if big else prompts
    model.generate(lm, some[:2], 2)                  # the first call is slower
    began = time.time()
    model.loglikelihood(lm, some, [[0]] * len(some))
    read = sum(len(prompt) for prompt in some) / (time.time() - began)

    began = time.time()
    if big:                                          # short prompts: decoding alone
        completions = model.generate(lm, [prompt[:8] for prompt in prompts], 5)
        sampled = sum(len(completion.ids) for completion in completions) * 0.8
    else:
        completions = model.generate(lm, (prompts * 5)[:300], min(answer, 12))
        sampled = sum(len(completion.ids) for completion in completions)
    sample = sampled / (time.time() - began)
    if not o.methods:                                # nothing will be trained
        return {"sample": sample, "read": read, "train": read, "trainable": 0}

    batch = 2 if big else o.batch
    steps = 2 if big else 3
    choices = [s3ft.Choice(e, "gold", None) for e in examples[:steps * batch]]
    targets = [s3ft.make_target(run.tokenizer, run.task, choice) for choice in choices]
    settings = s3ft.Training(1e-5, 1, batch, lora=o.lora, lora_alpha=o.lora_alpha,
                             lora_dropout=o.lora_dropout, lora_targets=tuple(o.lora_targets))
    tuned = s3ft.trainable_model(run.models.base(), lm, settings)
    trainable = sum(p.numel() for p in tuned.parameters() if p.requires_grad)
    journal = StepTimes()
    began = time.time()
    training.train_within_memory(s3ft.finetune, tuned, targets, run.tokenizer.close_id, settings,
                   run.train_dtype, journal)
    model.remove_lora(lm)
    first = journal.ends[0]
    last = journal.ends[-1]
    if len(journal.ends) > 1:                        # the first step is slower: leave it out
        examples_per_second = batch * (len(journal.ends) - 1) / (last - first)
    else:
        examples_per_second = len(targets) / (last - began)
    length = mean(len(t.prompt_ids) + len(t.ids) for t in targets)
    return {"sample": sample, "read": read, "train": examples_per_second * length,
            "trainable": trainable}
