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
import time

import model
from data.checkpoints.lora import read_adapter_config
from data.files import digest, read_json, write_json
from data.run import training
from data.run.store import Store

WHOLE = "model.safetensors"
MERGED = "merged/model.safetensors"          # the same with --lora
ADAPTER = "adapter_model.safetensors"


class Weights:
    """One model: the base model, or a tuned one."""

    def __init__(self, run, label, parts, train=None, keep=False, targets=()):
        """parts: {what it depends on: value}. keep: whether its checkpoint is kept.

        train(base, sampler, journal) -> the tuned model; None for the base model.
        """
        self.run = run
        self.label = label
        self.train = train
        self.keep = keep
        self.targets = targets
        self.parts = {name: digest(value) for name, value in parts.items()}
        self.key = digest(self.parts)
        self.folder = run.out / "models" / f"{label}-{self.key[:8]}"
        self.store = Store(self.folder / "rows.jsonl")
        self.record = read_json(self.folder / "weights.json")
        if self.record.get("key") != self.key:
            self.record = {}

    def rows(self, label, wanted, settings, code, make, chunk=None):
        """Rows of this model (store.py); it is loaded or trained if one of them is lacking.

        wanted: [(name, digest of what is asked, job)]. code: the functions that make the rows.
        make(lm, jobs, progress) -> rows. With run.planning nothing is made: the rows that are
        lacking are counted, and those that are there returned.
        """
        run = self.run
        made_from = {"the weights": self.key, "the settings": digest(settings),
                     "the code": run.code(*code)}
        if run.planning:
            run.plan.count(self, label, wanted, made_from)
            return self.store.there(wanted, made_from)
        if not self.store.missing(wanted, made_from):
            return self.store.there(wanted, made_from)
        lm = run.models.of(self)     # now: loading and training are no part of the rows' seconds

        def make_and_note(jobs, progress):
            began = time.time()
            rows = make(lm, jobs, progress)
            run.note(jobs, rows, time.time() - began)
            return rows

        return self.store.rows(label, wanted, made_from, make_and_note, chunk or run.chunk)

    # ---- its checkpoint

    def kept(self):
        """Is there a checkpoint to open?"""
        return self.is_whole(ADAPTER if self.run.options.lora else WHOLE)

    def lacks_checkpoint(self):
        """Is a checkpoint to be kept (--keep), and not there?"""
        return self.keep and not self.is_whole(MERGED if self.run.options.lora else WHOLE)

    def is_whole(self, name):
        sizes = self.record.get("files") or {}
        path = self.folder / name
        return name in sizes and path.is_file() and path.stat().st_size == sizes[name]

    def why_trained(self):
        """Why it has to be trained again, "" if it never was."""
        if self.record.get("files"):
            return "its checkpoint is not there any more"
        if self.record:
            return "its weights were not kept"
        changes = []                 # of each model with this label: the parts that differ
        for path in self.folder.parent.glob(f"{self.label}-*/weights.json"):
            old = read_json(path)
            if old and path.parent != self.folder:
                old_parts = old.get("parts", {})
                changes.append([p for p in self.parts if old_parts.get(p) != self.parts[p]])
        if not changes:
            return ""
        fewest = min(changes, key=len)
        return f"{' and '.join(fewest)} changed"

    def open(self, models):
        """Load the tuned model, or train it."""
        if self.kept():
            lm = self.reopen(models)
            if self.lacks_checkpoint():
                self.write(lm)
            return lm
        why = self.why_trained()
        again = f", trained again, because {why}" if why else ""
        print(f"{self.folder.name}: {len(self.targets)} targets{again}", flush=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        journal = training.Journal(self.folder / "state.safetensors", self.key)
        lm = self.train(models.base(), models.sampler(), journal)
        self.record = {"key": self.key, "parts": self.parts, "label": self.label,
                       "losses": [round(loss, 5) for loss in journal.losses],
                       "seconds": round(journal.total_seconds(), 2)}
        self.write(lm)
        self.run.note_training(self.targets, self.record["seconds"])
        if not self.run.options.lora:
            lm = lm.to(self.run.sample_dtype)
        return lm

    def reopen(self, models):
        """Load the tuned model from its folder, as it was when it was measured."""
        o = self.run.options
        if not o.lora:
            return model.load(self.folder, o.device)[0].to(self.run.sample_dtype)
        lm = model.load_lora(models.sampler(), read_adapter_config(self.folder))
        return lm.eval()

    def write(self, lm):
        """Write the tuned model (an adapter always, the whole as --keep says) and its record."""
        o = self.run.options
        if o.lora:
            base = o.model if o.commit is None else f"{o.model.partition('@')[0]}@{o.commit}"
            model.save_adapter(lm, self.folder, base)
        if self.keep:
            model.save(lm, self.run.tokenizer, self.folder / "merged" if o.lora else self.folder)
        files = {name: self.folder / name for name in (WHOLE, MERGED, ADAPTER)}
        sizes = {name: path.stat().st_size for name, path in files.items() if path.is_file()}
        self.record["files"] = sizes
        write_json(self.folder / "weights.json", self.record)

    def done(self):
        """All that was wanted of it is measured, so the state of its training can go."""
        (self.folder / "state.safetensors").unlink(missing_ok=True)


class Models:
    """What is in memory: base, its sampling copy, and at most one tuned model.

        base      as it was loaded; never changed
        sampler   base in the dtype that samples fastest: base itself if it has that dtype, else a
                  copy. With LoRA base is needed in no other dtype, so the two are one.
        tuned     with LoRA the sampler with adapters put on, so they have to come off before the
                  sampler is the base model again; without, a model of its own
    """

    def __init__(self, run):
        self.run = run
        self.loaded = None           # base
        self.copy = None             # sampler
        self.current = None          # Weights of the model that `of` returned last
        self.lm = None

    def base(self):
        if self.loaded is None:
            o = self.run.options
            self.loaded, _ = model.load(o.folder, o.device, thinking=o.thinking)
            if o.lora:
                self.loaded = self.loaded.to(self.run.sample_dtype)
        return self.loaded

    def sampler(self):
        """The sampling copy, with the adapters of the current tuned model on it if there is one."""
        if self.copy is None:
            self.copy = self.base()
            if self.copy.dtype != self.run.sample_dtype:
                self.copy = copy.deepcopy(self.copy).to(self.run.sample_dtype)
        return self.copy

    def of(self, weights):
        """The model with these weights. What was in its place before is dropped first."""
        if self.current is not weights:
            self.current = None
            self.lm = None
            sampler = model.remove_lora(self.sampler())
            self.lm = weights.open(self) if weights.train else sampler
            self.current = weights
        return self.lm
