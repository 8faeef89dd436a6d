"""hub.py - checkpoints of the Hugging Face hub.

huggingface_hub, which tokenizers brings along, does the work: it keeps the usual cache, downloads
what is missing there, and reads HF_TOKEN, HF_HOME, HF_ENDPOINT and HF_HUB_OFFLINE. We choose the
files, since a repository often holds the same weights three times (safetensors, .bin, .gguf). If
the hub does not answer, a whole copy in the cache is used, and a line on stderr says so.
"""
import errno
import os
import re
import sys
from pathlib import Path

from data.checkpoints import LoadError, chat, read_model_json
from data.checkpoints.lora import read_adapter_config
from data.checkpoints.weights import INDEX, adapter_file, shard_names, weight_files

EXPECTED = ("a model is a folder with config.json, model.safetensors and tokenizer.json, "
            "or a hub id owner/name or owner/name@revision")
# the hub's own rule for ids: no "--", no "..", no ".git" at the end
HUB_ID = re.compile(r"(?![^@]*--)(?!.*\.\.)(?![^@]*\.git(@|$))"
                    r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@\w[\w./+-]*)?", re.ASCII)
FILES = ("config.json", "adapter_config.json", *chat.FILES)
WEIGHTS = ("model.safetensors", "adapter_model.safetensors")
TIMEOUT = 20                                # seconds until the hub counts as stalled


def find(name):
    """A folder, or a hub id owner/name[@revision] -> (Path of the folder, commit or None).

    A folder of that name is used first. LoadError: why there is nothing to load, and what to do.
    """
    name = os.fspath(name)
    if os.path.isdir(name):
        return Path(name), None
    if os.path.exists(name) or not HUB_ID.fullmatch(name):
        raise LoadError(f"{name!r}: is no folder; {EXPECTED}")

    from huggingface_hub import HfApi, constants    # slow to import, and not needed for a folder
    repo, _, revision = name.partition("@")
    revision = revision or None                         # None: the newest
    try:
        # snapshot_download asks the same, but has no time limit here and hides a failure
        HfApi().model_info(repo, revision=revision, timeout=TIMEOUT)
        folder = download(repo, revision)
    except LoadError:
        raise
    except Exception as error:      # the library's own errors, its HTTP client's, the system's
        reason = explain(error, repo, revision)
        try:
            folder = download(repo, revision, from_cache=True)
        except Exception:           # the cache holds no whole copy; the first reason says more
            raise LoadError(f"{name}: no such folder here, and {reason}") from None
        if not constants.HF_HUB_OFFLINE:
            print(f"{name}: the copy in the cache is used (commit {folder.name[:12]}), "
                  f"as {reason}", file=sys.stderr)
    return folder, folder.name


def find_model(name):
    """As `find`, of a model or of an adapter on one -> (folder of the model, Adapter or None)."""
    folder, _ = find(name)
    if not (folder / "adapter_config.json").is_file():
        return folder, None
    adapter = read_adapter_config(folder)
    folder, _ = find(adapter.base)
    if (folder / "adapter_config.json").is_file():
        raise LoadError(f"{name}: is an adapter on an adapter ({folder}); "
                        f"open {name}/merged instead")
    return folder, adapter


def download(repo, revision, from_cache=False):
    """Get the files that a checkpoint needs -> their folder, which is named after the commit.

    from_cache: without a network. LoadError where there is no whole checkpoint; otherwise whatever
    huggingface_hub raises.
    """
    from huggingface_hub import snapshot_download

    def get(files, revision):
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(files),
                                      local_files_only=from_cache))

    folder = get(FILES + WEIGHTS, revision)
    if (folder / "adapter_config.json").is_file():
        adapter_file(folder)
        return folder
    if not (folder / "model.safetensors").is_file():
        commit = folder.name                    # the same one, as the branch may move on
        get([INDEX], commit)
        if (folder / INDEX).is_file():
            get(shard_names(folder / INDEX), commit)
    read_model_json(folder / "config.json")
    weight_files(folder)
    return folder


def explain(error, repo, revision):
    """What failed and what to do about it, in one line."""
    from huggingface_hub import constants
    causes = []                     # the library wraps what happened, sometimes twice
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    for cause in causes:
        reason = explain_one(cause, repo, revision)
        if reason:
            return reason
    text = " ".join(str(causes[0]).split())
    return (f"{constants.ENDPOINT} cannot be reached or broke off "
            f"({type(causes[0]).__name__}: {text[:160]}); check the network and try again "
            "(whole files are kept), or give a folder")


def explain_one(error, repo, revision):
    """The same for one error in the chain; None where it says nothing."""
    from huggingface_hub import constants, errors, get_token
    page = f"https://huggingface.co/{repo}"
    status = getattr(getattr(error, "response", None), "status_code", None)
    number = getattr(error, "errno", None)
    file = getattr(error, "filename", None)
    if isinstance(error, errors.OfflineModeIsEnabled):
        return ("HF_HUB_OFFLINE is set, but the cache holds no whole copy; unset it and give the "
                "same command once with a network, or give a folder")
    if isinstance(error, errors.RevisionNotFoundError):
        return (f"the hub has no revision {revision!r} of it; "
                f"{page}/tree/main lists branches and tags")
    if isinstance(error, errors.GatedRepoError) or status == 403:
        return (f"the hub refuses access (gated?); accept its terms at {page} "
                "and set HF_TOKEN to your token")
    # without a token the hub answers 401 to a name that does not exist, too
    unknown = status == 404 or (status == 401 and not get_token())
    if isinstance(error, errors.RepositoryNotFoundError) or unknown:
        return ("the hub has no such repository, or a private one; "
                "check the spelling, or set HF_TOKEN")
    if status == 401:
        return "the hub does not accept your token; set HF_TOKEN to a valid one, or unset it"
    if status:
        return (f"the hub answers with error {status}; wait and try again "
                "(whole files are kept), or give a folder")
    if number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
        return (f"the disk is full; make room in {constants.HF_HUB_CACHE}, "
                "or set HF_HOME to a folder on another disk")
    if number and file:             # errors of a connection have a number too, but no file
        return (f"the cache cannot be used ({file}: {os.strerror(number)}); "
                "set HF_HOME to a folder of yours")
    return None
