"""weights.py - models that may not be needed: a key, their rows, and a way to make them.

    OUT/models/base-1a2b3c4d/rows.jsonl                  the base model's texts and scores
    OUT/models/s3ft-lr0.0003-e2-s0-5e6f7a8b/rows.jsonl   the same of a tuned model, named by its key
    .../weights.json                                     what it was trained from, losses, seconds
    .../state.safetensors                                during training: weights, optimiser, step
    .../model.safetensors, adapter_model.safetensors, merged/    as --keep says

A finished run finds all its rows and loads no model. A model's folder is never used for another
one: other targets, settings or code have another key, and going back finds the old rows.
"""
import copy
import functools
import inspect
from pathlib import Path

import model
from data.checkpoints import config, lora
from data.fast import prefixes
from data.files import code_of, digest, json_or_empty, write_json
from data.run.store import Store
from data.run.training import Journal, within_memory

WHOLE = "model.safetensors"
MERGED = "merged/model.safetensors"          # the same with --lora
ADAPTER = "adapter_model.safetensors"


# Both are asked once: a file that is edited during a run is not the code that runs.

@functools.cache
def model_code():
    """Fingerprint of the code that every row and all trained weights depend on."""
    return digest([code_of(module) for module in (model, config, lora, prefixes)])


@functools.cache
def code_of_function(function):
    """Fingerprint of a function with all that it uses in its file."""
    undecorated = inspect.unwrap(function)       # a decorator's file is torch's
    return code_of(Path(inspect.getsourcefile(undecorated)), undecorated.__name__)


class Weights:
    """One model: the base model, or a tuned one."""

    def __init__(self, run, label, parts, shipped=()):
        """parts: {what it depends on: value}. shipped: chunks of its rows that are there already,
        whatever code made them (data/run/lab.py)."""
        self.run = run
        self.label = label
        self.parts = {name: digest(value) for name, value in parts.items()}
        self.key = digest(self.parts)
        self.folder = run.out / "models" / f"{label}-{self.key[:8]}"
        self.store = Store(self.folder / "rows.jsonl")
        self.shipped = shipped

    def rows(self, label, wanted, settings, code, make, chunk=None):
        """Rows of this model (store.py); it is loaded or trained if one of them is lacking.

        wanted: as in store.py. code: the functions that make the rows. make(lm, jobs, progress) ->
        rows. While the run plans, rows that are lacking are counted, and none is made.
        """
        run = self.run
        made_from = {"the weights": self.key, "the settings": digest(settings),
                     "the code": digest(model_code(), [code_of_function(f) for f in code])}
        self.store.borrow(self.shipped, made_from)
        missing = self.store.missing(wanted, made_from)
        if run.plan:
            run.plan.count(self, label, missing, made_from)
        if run.plan or not missing:
            return self.store.there(wanted, made_from)
        lm = run.models.of(self)     # now: loading and training are no part of the rows' seconds
        rows = self.store.rows(label, wanted, made_from,
                               functools.partial(within_memory, make, lm), chunk or run.chunk)
        jobs = [job for _, _, job in missing]
        run.speeds.note_rows(jobs, self.store.there(missing, made_from))
        return rows

    def texts(self, label, jobs, sampling, make, code):
        """The rows of texts. jobs: [s3ft.Job], each with a name such as "own train-7 0"; sampling:
        s3ft.Sampling; make, code: as in `rows`."""
        heat = f" at {sampling.temperature:g}" if sampling.temperature else ""
        wanted = [(f"{job.kind} {job.example.id} {job.sample}{heat}", digest(job.prompt_ids), job)
                  for job in jobs]
        settings = [sampling.max_new_tokens, sampling.temperature]
        return self.rows(label, wanted, settings, [code], make)

    def open(self, models):
        return models.sampler()

    def has_to_be_trained(self):
        return False

    def lacks_checkpoint(self):
        return False


class TunedWeights(Weights):
    """A model that is trained once, and opened again if its checkpoint was kept."""

    def __init__(self, run, label, parts, row, settings, targets, tune, keep):
        """row: a Method (data/methods/method.py). settings: s3ft.Training. tune: s3ft.tune. keep:
        whether a whole checkpoint is kept."""
        super().__init__(run, label, parts)
        self.row = row
        self.settings = settings
        self.targets = targets
        self.tune = tune
        self.keep = keep
        self.record = json_or_empty(self.folder / "weights.json")
        if self.record.get("key") != self.key:
            self.record = {}

    def has_to_be_trained(self):
        return not self.is_there(ADAPTER if self.settings.lora else WHOLE)

    def lacks_checkpoint(self):
        """Is its record not there, or the checkpoint that is to be kept?"""
        if not self.record:
            return True
        return self.keep and not self.is_there(MERGED if self.settings.lora else WHOLE)

    def is_there(self, name):
        """Is this file of the checkpoint there, with the size that it was written with?"""
        size = self.record.get("files", {}).get(name)
        path = self.folder / name
        return path.is_file() and path.stat().st_size == size

    def why_trained(self):
        """Why it has to be trained again, "" if it never was."""
        if self.record:
            return "its weights were not kept"
        changes = []                 # of each model with this label: the parts that differ
        for path in self.folder.parent.glob(f"{self.label}-*/weights.json"):
            old = json_or_empty(path)
            if old and path.parent != self.folder:
                old_parts = old.get("parts", {})
                changes.append([p for p in self.parts if old_parts.get(p) != self.parts[p]])
        if not changes:
            return ""
        return f"{' and '.join(min(changes, key=len))} changed"

    def open(self, models):
        """Load the tuned model, or train it."""
        if not self.has_to_be_trained():
            lm = self.reopen(models)
            if self.lacks_checkpoint():
                self.write(lm)
            return lm
        run = self.run
        print(f"{self.folder.name}: {len(self.targets)} targets", flush=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        journal = Journal(self.folder / "state.safetensors", self.key)
        lm = self.tune(models.base(), models.sampler(), self.targets, run.tokenizer.close_id,
                       self.settings, run.machine.train_dtype, journal, self.row)
        self.record = {"key": self.key, "parts": self.parts,
                       "losses": [round(loss, 5) for loss in journal.all_losses()],
                       "seconds": round(journal.total_seconds(), 2)}
        self.write(lm)
        run.speeds.note_training(self.targets, self.settings.epochs, self.record["seconds"])
        return lm if self.settings.lora else lm.to(run.machine.sample_dtype)

    def reopen(self, models):
        """Load the tuned model from its folder, as it was when it was measured."""
        if not self.settings.lora:
            lm, _ = model.load(self.folder, self.run.options.device)
            return lm.to(self.run.machine.sample_dtype)
        adapter = lora.read_adapter_config(self.folder)
        return lora.load_lora(models.sampler(), adapter).eval()

    def write(self, lm):
        """Write the tuned model (an adapter always, the whole as --keep says) and its record."""
        o = self.run.options
        if self.settings.lora:
            base = o.model if o.commit is None else f"{o.model.partition('@')[0]}@{o.commit}"
            model.save_adapter(lm, self.folder, base)
            self.run.tokenizer.save(self.folder)
        if self.keep:
            place = self.folder / "merged" if self.settings.lora else self.folder
            model.save(lm, self.run.tokenizer, place)
        files = {name: self.folder / name for name in (WHOLE, MERGED, ADAPTER)}
        sizes = {name: path.stat().st_size for name, path in files.items() if path.is_file()}
        self.record["files"] = sizes
        write_json(self.folder / "weights.json", self.record)


class Models:
    """What is in memory: base, its sampling copy, and at most one tuned model.

        base      as it was loaded; never changed
        sampler   base in the dtype that samples fastest: base itself if it has that dtype, else a
                  copy. With LoRA base is needed in no other dtype, so the two are one.
        tuned     with LoRA the sampler with adapters put on, so they have to come off before the
                  sampler is the base model again; without, a model of its own
    """

    def __init__(self, options, sample_dtype):
        self.options = options
        self.sample_dtype = sample_dtype
        self.loaded = None           # base
        self.copy = None             # sampler
        self.current = None          # Weights of the model that `of` returned last
        self.lm = None               # that model

    def base(self):
        if self.loaded is None:
            o = self.options
            dtype = None
            if o.lora and not (o.folder / "adapter_config.json").is_file():
                dtype = self.sample_dtype            # a file in fp32 might not fit as it is
            self.loaded, _ = model.load(o.folder, o.device, dtype, thinking=o.thinking)
            if o.lora:
                self.loaded = self.loaded.to(self.sample_dtype)
        return self.loaded

    def sampler(self):
        """The sampling copy, with the adapters of the current tuned model on it if there is one."""
        if self.copy is None:
            self.copy = self.base()
            if self.copy.dtype != self.sample_dtype:
                self.copy = copy.deepcopy(self.copy).to(self.sample_dtype)
        return self.copy

    def of(self, weights):
        """The model with these weights. What was in its place before is dropped first."""
        if self.current is not weights:
            self.current = None
            self.lm = None
            model.remove_lora(self.sampler())
            self.lm = weights.open(self)
            self.current = weights
        return self.lm
