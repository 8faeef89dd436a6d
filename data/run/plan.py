"""plan.py - what a run is, what of it is left to do and why, and what that takes.

What s3ft.carry_out asks for and does not find is counted here, under the very keys by which the run
will look for it. Tokens come from the files, speeds from a few seconds of sampling and reading.
"""
import time

import torch

import model
from data import TASKS, plural
from data.benchmarks import multiple_choice
from data.fast import prefixes
from data.files import mean
from data.run import training
from data.run.folder import model_name
from data.run.progress import minutes


class Plan:
    def __init__(self, run):
        self.run = run
        self.missing = {}            # label -> {(folder, name, digest of what is asked): job}
        self.again = {}              # lines on rows that are made again, as in an ordered set
        self.lacking = {}            # {folder: Weights} of the models that lack something

    def count(self, weights, label, missing, made_from):
        """Count rows that are missing: [(name, digest of what is asked, job)]."""
        if not missing:
            return
        self.lacking[weights.folder] = weights
        rows = self.missing.setdefault(label, {})
        for name, asked, job in missing:
            rows[weights.folder, name, asked] = job
        changed = weights.store.what_changed(missing, made_from)
        if changed:
            self.again[f"{weights.label}: {label}: {changed}"] = True

    def count_checkpoint(self, weights):
        """Count a checkpoint that is to be kept and is not there."""
        if weights.lacks_checkpoint():
            self.lacking[weights.folder] = weights

    def jobs(self, label):
        """The jobs of the rows that are missing."""
        return list(self.missing.get(label, {}).values())

    def show(self):
        """Print what this run is and what is left to do, with minutes, memory and disk."""
        self.say_what_it_is()
        run = self.run
        o = run.options
        if not self.lacking:
            print(f"all cells are there: {run.out}")
            return
        for line in self.again:
            print(line)
        trainings = [weights for weights in self.lacking.values() if weights.has_to_be_trained()]
        for weights in trainings:
            why = weights.why_trained()
            if why:
                print(f"{weights.folder.name}: will be trained again, because {why}")

        # Tokens of a prompt, a gold and an answer, and tokens per second.
        questions = run.questions[o.seeds[0]]
        some = (questions.train or questions.test)[:64]
        prompts = [run.tokenizer.encode_chat(run.ask(run.task, example)) for example in some]
        prompt = mean(len(ids) for ids in prompts)
        gold = mean(len(run.tokenizer.encode(run.task.gold(example))) for example in some)
        answer = self.tokens_of_answers(some, gold)
        speed = try_speed(run, prompts, max(1, int(answer)))

        # Seconds.
        own = self.jobs("own answers")
        paraphrases = self.jobs("paraphrases")
        # S3FT asks for a paraphrase only where no own answer is accepted. How often that is cannot
        # be known before there are own answers: half of them are counted.
        asks_for_all = any(row.sources[0].startswith("paraphrase") for row in run.methods.values())
        is_guess = bool(own) and not asks_for_all
        share = 0.5 if is_guess else 1
        t_attempts = (sampling_seconds(own, answer, speed)
                      + share * sampling_seconds(paraphrases, answer, speed))
        target = (answer + gold) / 2
        t_train = len(questions.train) * o.epochs * (prompt + target) / speed["train"]
        answered = self.jobs("validation") + self.jobs("test")
        t_measure = sampling_seconds(answered, answer, speed)
        # A KL reads at most 100 test questions with two models.
        kl_tokens = len(self.jobs("KL")) * min(100, len(questions.test)) * 2 * (prompt + answer)
        t_measure += kl_tokens / speed["read"]
        readings = self.jobs("log-probabilities")
        t_measure += sum(len(asked) + len(ids) for asked, ids in readings) / speed["read"]
        for name, benchmark in questions.benchmarks.items():
            t_measure += self.benchmark_seconds(name, benchmark, speed)
        total = t_attempts + len(trainings) * t_train + t_measure

        number = len({e.id for one in run.questions.values() for e in one.train})
        about = "about " if is_guess else ""
        models = f"{len(trainings)} {plural('model', len(trainings))}"
        print(f"plan: {number} questions; {len(own)} own answers and "
              f"{about}{share * len(paraphrases):.0f} paraphrases to sample "
              f"({minutes(t_attempts)}); {models} to train ({minutes(t_train)} each); "
              f"{minutes(t_measure)} of measuring")
        self.say_what_it_takes(total, number, prompt + gold)

    def say_what_it_takes(self, seconds, number, length):
        """Print time, memory and disk. number: of questions. length: tokens of an example."""
        run = self.run
        o = run.options
        # Bytes: checkpoints, about 6 kB of texts a question, adapters in fp32.
        cells = len(o.seeds) * sum(len(row.rates) for row in run.methods.values())
        kept = [row for row in run.methods.values() if row.kept]
        of_all = len(o.seeds) * sum(len(row.rates) for row in kept)
        checkpoints = {"none": 0, "last": len(kept), "all": of_all}[o.keep]
        if run.merges_all():
            checkpoints = of_all
        bytes_each = run.machine.sample_dtype.itemsize if o.lora else 4
        disk = checkpoints * run.parameters * bytes_each + number * 6000
        if o.lora:
            disk += cells * run.trainable * 4
        peak = memory(run, length)
        print(f"plan: about {minutes(seconds)} in all, {peak / 1e9:.1f} GB memory, "
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
        print(f"{run.machine.why}{run.about_threads}; {tuned}", flush=True)

    def tokens_of_answers(self, some, gold):
        """Mean tokens of an answer: of the attempts that are there, else a guess."""
        run = self.run
        lengths = []
        for used in run.used.values():
            for attempts in used.values():
                lengths += [len(attempt["ids"]) for attempt in attempts]
        if lengths:
            return mean(lengths)
        if run.options.bundled:      # the bundled data have an answer in the model's own voice
            texts = [example.extra.get("voice", example.answer) for example in some]
            return mean(len(run.tokenizer.encode(text)) for text in texts)
        return min(2 * gold, run.options.max_new_tokens)

    def benchmark_seconds(self, name, benchmark, speed):
        """Seconds of what is missing of a benchmark."""
        jobs = self.jobs(name)
        if benchmark.task is not None:
            return sampling_seconds(jobs, benchmark.max_new_tokens / 2, speed)
        if not jobs:
            return 0
        context = self.run.config.max_position_embeddings        # options are read, not sampled
        return multiple_choice.tokens(self.run.tokenizer, jobs, context) / speed["read"]


def sampling_seconds(jobs, answer, speed):
    """Seconds to sample a text of `answer` tokens for each s3ft.Job."""
    read = sum(len(job.prompt_ids) for job in jobs)
    return read / speed["read"] + len(jobs) * answer / speed["sample"]


def memory(run, length):
    """Bytes at the peak, which is training. length: tokens of an example."""
    weights = {}                     # by model: base and sampler may be one
    for lm in (run.models.base(), run.models.sampler()):
        weights[id(lm)] = sum(p.numel() * p.element_size() for p in lm.parameters())
    optimiser = run.trainable * 16   # in fp32: weight, gradient and two moments

    dtype = run.machine.train_dtype
    budget, checkpointed = training.micro_budget(run.models.sampler(), dtype, length)
    tokens = min(budget, run.options.batch * length)
    activations = tokens * training.bytes_per_token(run.config, dtype)
    if checkpointed:
        activations *= 0.2
    logits = 6 * 2**26

    torch_itself = 0.6e9
    if run.machine.device.type == "cpu" and dtype == torch.bfloat16:
        torch_itself = 1.2e9         # a CPU's bf16 kernels are compiled for each shape and kept
    return sum(weights.values()) + optimiser + activations + logits + torch_itself


def try_speed(run, prompts, answer):
    """Tokens per second of sampling, reading and training. answer: tokens of an answer.

    Sampling and reading are tried. Training takes a backward pass too, which costs as much as two
    readings; with adapters less, since frozen weights have no gradient (measured: 1 to 1.8).
    """
    lm = run.models.sampler()
    is_large = run.parameters > 50e6
    # Of a prompt that would not fit, only its end is taken.
    most = max(1, run.config.max_position_embeddings - answer - 1)
    prompts = [prompt[-most:] for prompt in prompts]

    read_first = prompts[:4 if is_large else 32]
    model.generate(lm, read_first[:2], 2)            # the first call is slower
    # Whole prompts, as many as are read together: `loglikelihood` reads what they share once.
    longest = max(len(prompt) for prompt in read_first)
    read_first = read_first[:max(1, lm.tokens_at_once() // longest)]
    ids = prefixes.pad(read_first, lm.device)
    began = time.time()
    with torch.inference_mode():
        lm.head(lm.hidden(ids)[:, -1]).sum().item()
    read = sum(len(prompt) for prompt in read_first) / (time.time() - began)

    length = max(len(prompt) for prompt in prompts) + answer
    sample = training.within_memory(sampling_speed, lm, run.chunk, length)
    return {"sample": sample, "read": read, "train": read / (2.5 if run.options.lora else 3)}


def sampling_speed(lm, chunk, length):
    """Tokens per second when `chunk` texts, each at last of `length` tokens, are sampled.

    Answers end one by one, so their number falls from all to one. If their lengths are spread
    evenly between 0 and twice the mean, there are twice as many steps as an answer has tokens, and
    a step takes on average what lies midway between one of all and one of few.
    """
    batch = model.Batch(lm, [model.Request([0] * (length - 1), 1, None)] * chunk)
    step_of_all = seconds_a_step(lm, batch.cache, length)
    few = max(1, batch.slots // 8)
    step_of_few = seconds_a_step(lm, batch.cache[:, :, :few], length)
    return batch.slots / (step_of_all + step_of_few)


def seconds_a_step(lm, cache, length):
    """Seconds to give every text of a cache its last token, that of number `length`."""
    rows = cache.size(2)
    ids = torch.zeros((rows, 1), dtype=torch.long, device=lm.device)
    with torch.inference_mode():
        for _ in range(3):                           # the first is slower
            began = time.time()
            hidden = lm.hidden(ids, cache, [length - 1] * rows)
            lm.head(hidden[:, 0]).argmax(-1).tolist()
            seconds = time.time() - began
    return seconds
