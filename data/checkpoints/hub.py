"""hub.py - files that do not come with the project: checkpoints of the Hugging Face hub, the official data.

    from data.checkpoints import hub
    folder, commit = hub.find("HuggingFaceTB/SmolLM2-135M-Instruct")     # a folder of your own passes through, commit None
    folder = hub.gsm8k()                                                 # train.jsonl and test.jsonl in ~/.cache/s3ft/gsm8k
    hub.mbpp(), hub.nq(), hub.squad()                                    # the official files of the other tasks, each in its folder
    hub.mmlu(), hub.truthfulqa(), hub.hellaswag(), hub.winogrande()      # and of the benchmarks

Design choices:
- a checkpoint is fetched by huggingface_hub, which tokenizers brings along: it keeps the usual cache, fetches what is missing
  there, and reads HF_TOKEN, HF_HOME, HF_ENDPOINT, HF_HUB_OFFLINE. We choose the files: a repository often holds the same weights
  three times (safetensors, .bin, .gguf), and 14 GB are enough once;
- the cache stands in for a hub that does not answer, but only if everything is there, and it is said on stderr;
- the data are files of 0.5 to 170 MB: read whole, compared with the known checksum, and only then written, so no damaged file ever
  gets its name. Where none is published (NQ, SQuAD, three of the benchmarks), none is made up: the first download's is kept beside
  the file, in checksums.json, with url and date, and the file is compared with that from then on.
"""
import errno
import gzip
import hashlib
import http.client
import io
import os
import re
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from datetime import date
from pathlib import Path

from tqdm import tqdm

from data import UserError, files
from data.checkpoints.chat import LoadError, read_json
from data.files import write_atomic

WHAT = "a model is a folder with config.json, model.safetensors and tokenizer.json, or a hub id owner/name or owner/name@revision"
# the hub's own rule for ids: no "--", no "..", no ".git" at the end
HUB_ID = re.compile(r"(?![^@]*--)(?!.*\.\.)(?![^@]*\.git(@|$))[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@\w[\w./+-]*)?", re.ASCII)
FILES = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
         "chat_template.jinja", "adapter_config.json", "adapter_model.safetensors", "model.safetensors"]
INDEX = "model.safetensors.index.json"            # large models: which shard holds which weight
TIMEOUT = 20                                      # seconds without a single byte until a server counts as stalled

GSM8K_URL = "https://raw.githubusercontent.com/openai/grade-school-math/master/grade_school_math/data/"
GSM8K_SHA256 = {"train.jsonl": "17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465",
                "test.jsonl": "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14"}
MBPP_URL = "https://raw.githubusercontent.com/google-research/google-research/master/mbpp/"
MBPP_SHA256 = {"mbpp.jsonl": "ccf64ceae9c5403bf50a044cb6d505bfd2a2963ee58338ba268fd65beab92a9f"}
NQ_URL = "https://s3.us-east-2.amazonaws.com/mrqa/release/v2/"                     # Natural Questions in the MRQA shared task's layout
SQUAD_URL = "https://rajpurkar.github.io/SQuAD-explorer/dataset/"
MMLU_URL = "https://people.eecs.berkeley.edu/~hendrycks/data.tar"
TRUTHFULQA_URL = "https://raw.githubusercontent.com/sylinrl/TruthfulQA/main/data/mc_task.json"
HELLASWAG_URL = "https://raw.githubusercontent.com/rowanz/hellaswag/master/data/hellaswag_val.jsonl"
HELLASWAG_GIT = "0f5ee25d72216f12317d5d8a7b92deafa423d81e"                         # the file's blob id in that repository
WINOGRANDE_URL = "https://storage.googleapis.com/ai2-mosaic/public/winogrande/winogrande_1.1.zip"
ATTEMPTS, PAUSE = 3, 1.0                          # at a connection that breaks off; seconds between two attempts


def find(name):
    """A folder, or a hub id "owner/name[@revision]" -> (Path of the folder, commit hash; None for a folder of yours).

    A folder of that name wins. LoadError says in one line why there is nothing to load, and what to do.
    """
    name = os.fspath(name)
    if os.path.isdir(name):
        return Path(name), None
    if os.path.exists(name) or not HUB_ID.fullmatch(name):
        raise LoadError(f"{name!r}: is no folder; {WHAT}")
    from huggingface_hub import HfApi, constants  # here, not above: whoever has a folder need not wait for the import
    repo, _, revision = name.partition("@")
    revision = revision or None                   # None: the newest
    try:
        # snapshot_download asks this too, but without a time limit, and turns to its cache without a word
        HfApi().model_info(repo, revision=revision, timeout=TIMEOUT)
        folder = fetch(repo, revision)
    except LoadError:
        raise
    except Exception as error:                    # the library's own errors, its HTTP client's, the system's
        why = explain(error, repo, revision)
        try:
            folder = fetch(repo, revision, cached=True)
        except Exception:                         # not in the cache, or not whole; why we looked there says more
            raise LoadError(f"{name}: no such folder here, and {why}") from None
        if not constants.HF_HUB_OFFLINE:          # else it is what the user asked for
            print(f"{name}: the copy in the cache is used (commit {folder.name[:12]}), as {why}", file=sys.stderr)
    return folder, folder.name


def fetch(repo, revision, cached=False):
    """The snapshot's folder, named after its commit, with the files a checkpoint needs. `cached`: without any network.

    Raises LoadError when the repository (or the cache) holds no whole checkpoint, otherwise what huggingface_hub raises.
    """
    from huggingface_hub import snapshot_download

    def get(patterns, revision):
        return Path(snapshot_download(repo, revision=revision, allow_patterns=patterns, local_files_only=cached))

    folder = get(FILES, revision)
    if not has(folder, "model.safetensors", "adapter_model.safetensors"):
        get([INDEX, "model-*-of-*.safetensors"], folder.name)     # of the same commit: the branch may have moved on
    lacks = lacking(folder)
    if lacks:
        raise LoadError(f"{repo}: has no {lacks} at commit {folder.name[:12]}; {WHAT}")
    return folder


def has(folder, *names):
    """Is one of these files there? (A link of the cache that leads nowhere is not.)"""
    return any((folder / name).is_file() for name in names)


def lacking(folder):
    """The first file that a checkpoint folder lacks, or None."""
    if not has(folder, "config.json", "adapter_config.json"):
        return "config.json"
    if has(folder, "model.safetensors", "adapter_model.safetensors"):
        return None
    if not has(folder, INDEX):
        return "model.safetensors"
    shards = read_json(folder / INDEX).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        return f"shards in {INDEX}"
    return next((name for name in sorted(set(map(str, shards.values()))) if not has(folder, name)), None)


def explain(error, repo, revision):
    """What failed and what to do about it, in one line without the name in front."""
    from huggingface_hub import constants, errors, get_token
    page = f"https://huggingface.co/{repo}"
    said = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    seen = []
    while error is not None and error not in seen:                # the library wraps what happened, sometimes twice
        status = getattr(getattr(error, "response", None), "status_code", None)
        number, file = getattr(error, "errno", None), getattr(error, "filename", None)
        if isinstance(error, errors.OfflineModeIsEnabled):
            return ("HF_HUB_OFFLINE is set, but the cache holds no whole copy; unset it and give the same command once with a "
                    "network, or give a folder")
        if isinstance(error, errors.RevisionNotFoundError):
            return f"the hub has no revision {revision!r} of it; {page}/tree/main lists branches and tags"
        if isinstance(error, errors.GatedRepoError) or status == 403:
            return f"the hub refuses access (gated?); accept its terms at {page} and set HF_TOKEN to your token"
        # without a token the hub answers 401 to a name that does not exist, too
        if isinstance(error, errors.RepositoryNotFoundError) or status == 404 or status == 401 and not get_token():
            return "the hub has no such repository, or a private one; check the spelling, or set HF_TOKEN"
        if status == 401:
            return "the hub does not accept your token; set HF_TOKEN to a valid one, or unset it"
        if status:
            return f"the hub answers with error {status}; wait and try again (whole files are kept), or give a folder"
        if number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            return f"the disk is full; make room in {constants.HF_HUB_CACHE}, or set HF_HOME to a folder on another disk"
        if number and file:                       # errors of a connection have a number too, but no file
            return f"the cache cannot be used ({file}: {os.strerror(number)}); set HF_HOME to a folder of yours"
        seen.append(error)
        error = error.__cause__ or error.__context__
    return (f"{constants.ENDPOINT} cannot be reached or broke off ({said}); check the network and try again (whole files are "
            "kept), or give a folder")


def gsm8k(cache=None):
    """The folder with the official train.jsonl and test.jsonl, as the next three: downloaded on the first call, checked on every one.

    cache   takes the place of XDG_CACHE_HOME or ~/.cache
    Raises UserError, one line, when a file cannot be had; files already complete are kept for the next call.
    """
    return official("gsm8k", "GSM8K", {name: (GSM8K_URL + name, sha) for name, sha in GSM8K_SHA256.items()},
                    "https://github.com/openai/grade-school-math", cache)


def mbpp(cache=None):
    return official("mbpp", "MBPP", {name: (MBPP_URL + name, sha) for name, sha in MBPP_SHA256.items()},
                    "https://github.com/google-research/google-research/tree/master/mbpp", cache)


def nq(cache=None):
    return official("nq", "Natural Questions", {f"NaturalQuestionsShort-{part}.jsonl.gz": (f"{NQ_URL}{part}/NaturalQuestionsShort.jsonl.gz", None)
                                                for part in ("train", "dev")}, "https://github.com/mrqa/MRQA-Shared-Task-2019", cache)


def squad(cache=None):
    return official("squad", "SQuAD 2.0", {name: (SQUAD_URL + name, None) for name in ("train-v2.0.json", "dev-v2.0.json")},
                    "https://rajpurkar.github.io/SQuAD-explorer/", cache)


def mmlu(cache=None):
    folder = official("mmlu", "MMLU", {"data.tar": (MMLU_URL, None)}, "https://github.com/hendrycks/test", cache)
    return unpack(folder, "data.tar", r"data/((?:test|dev)/\w+\.csv)")


def truthfulqa(cache=None):
    return official("truthfulqa", "TruthfulQA", {"mc_task.json": (TRUTHFULQA_URL, None)}, "https://github.com/sylinrl/TruthfulQA", cache)


def hellaswag(cache=None):
    return official("hellaswag", "HellaSwag", {"hellaswag_val.jsonl": (HELLASWAG_URL, HELLASWAG_GIT)}, "https://github.com/rowanz/hellaswag", cache)


def winogrande(cache=None):
    folder = official("winogrande", "Winogrande", {"winogrande_1.1.zip": (WINOGRANDE_URL, None)}, "https://winogrande.allenai.org", cache)
    return unpack(folder, "winogrande_1.1.zip", r"winogrande_1\.1/(dev\.jsonl)")


def unpack(folder, archive, wanted):
    """Write those files of a zip or tar archive whose whole name fits `wanted`, under its one group; again if one of them is damaged."""
    record = files.read_json(folder / "unpacked.json")
    if record.get("archive") == checksum(folder / archive) and record.get("files") and all(
            checksum(folder / name) == sha for name, sha in record["files"].items()):
        return folder
    try:
        if archive.endswith(".zip"):
            with zipfile.ZipFile(folder / archive) as source:
                found = {m[1]: source.read(name) for name in source.namelist() if (m := re.fullmatch(wanted, name))}
        else:
            with tarfile.open(folder / archive) as source:
                found = {m[1]: source.extractfile(member).read() for member in source if member.isfile() and (m := re.fullmatch(wanted, member.name))}
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise UserError(f"{folder / archive}: is damaged ({error}); delete it and try again") from None
    if not found:
        raise UserError(f"{folder / archive}: does not hold what it should ({wanted}); delete it and try again, or give --data FOLDER")
    for name, content in found.items():
        (folder / name).parent.mkdir(exist_ok=True)
        write_atomic(folder / name, content)
    files.write_json(folder / "unpacked.json", {"archive": checksum(folder / archive),
                                                "files": {name: hashlib.sha256(content).hexdigest() for name, content in found.items()}})
    return folder


def official(task, title, wanted, page, cache=None):
    """The folder s3ft/TASK of the cache with the files `wanted`: {name: (url, checksum)}; None: as at the first download."""
    folder = Path(cache or os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "s3ft" / task
    by_hand = f"try again, or download {' and '.join(wanted)} by hand, see {page}, and give --data FOLDER"
    try:
        records = {name: row for name, row in files.read_json(folder / "checksums.json").items()      # of files without a published one
                   if isinstance(row, dict) and isinstance(row.get("sha256"), str)}
        known = {name: sha or records.get(name, {}).get("sha256") for name, (_, sha) in wanted.items()}
        found = {name: checksum(folder / name, known[name]) for name in wanted}
        # a damaged file counts as missing: it is fetched again and replaced
        missing = [name for name in wanted if not found[name] or known[name] and found[name] != known[name]]
        if missing:
            print(f"downloading {title} ({', '.join(missing)}) from {wanted[missing[0]][0].rpartition('/')[0]}/ into {folder}", file=sys.stderr)
            folder.mkdir(parents=True, exist_ok=True)
        for name in wanted:
            url = wanted[name][0]
            if name in missing:
                content = download(url, known[name], by_hand + f"; or delete {folder / 'checksums.json'} to take it all the same" * (name in records))
                found[name] = fingerprint(content, known[name])
            if not known[name]:                                       # recorded before the file is there, so a kill leaves none unrecorded
                records[name] = {"sha256": found[name], "recorded": "at first use", "url": url, "date": date.today().isoformat()}
                files.write_json(folder / "checksums.json", records)
                print(f"{name}: its publisher gives no checksum, so this one's is kept in checksums.json and compared from now on: "
                      f"sha256 {found[name][:12]}..", file=sys.stderr)
            if name in missing:
                write_atomic(folder / name, content)
    except OSError as error:
        raise UserError(f"{folder}: cannot be read or written ({error.strerror}); mend that, or set XDG_CACHE_HOME to a folder "
                        "of yours") from None
    finally:
        sweep(folder)
    return folder


def fingerprint(content, like=None):
    """sha256; or, where `like` has 40 digits, the id that git gives a file of this content."""
    return (hashlib.sha1(b"blob %d\0" % len(content) + content) if len(like or "") == 40 else hashlib.sha256(content)).hexdigest()


def checksum(path, like=None):
    """A file's fingerprint; None where there is no file."""
    return fingerprint(path.read_bytes(), like) if path.is_file() else None


def download(url, known, by_hand):
    """The bytes at `url`, which must have this checksum (None: be a whole JSON file or archive); UserError otherwise."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
                content = body(answer)            # raises IncompleteRead if fewer bytes come than announced
            break
        except urllib.error.HTTPError as error:
            raise UserError(f"{url}: the server answers with error {error.code} ({error.reason}); {by_hand}") from None
        except urllib.error.URLError as error:
            raise UserError(f"{url}: no connection ({error.reason}); {by_hand}") from None
        except TimeoutError:
            happened = f"the server sent nothing for {TIMEOUT:g} s"
        except (http.client.HTTPException, OSError) as error:
            happened = f"the connection broke off ({type(error).__name__})"
        if attempt == ATTEMPTS:
            raise UserError(f"{url}: {happened}, {ATTEMPTS} times; {by_hand}")
        time.sleep(PAUSE)
    found = fingerprint(content, known)
    if found != known and content.lstrip()[:1] == b"<":
        raise UserError(f"{url}: a web page came instead of the file (does this network ask for a login?); {by_hand}")
    if known and found != known:
        raise UserError(f"{url}: is not the official file ({'sha256' if len(known) == 64 else 'git blob'} {found[:12]}.., "
                        f"expected {known[:12]}..); {by_hand}")
    if not known and not whole(content):
        raise UserError(f"{url}: what came is no whole JSON file or archive; {by_hand}")
    return content


def body(answer):
    """What a server sends, with a progress bar where it is much and somebody looks."""
    size, parts = int(answer.headers.get("Content-Length") or 0), []
    with tqdm(total=size, unit="B", unit_scale=True, leave=False, disable=size < 5e6 or not sys.stderr.isatty()) as bar:
        while part := answer.read(1 << 20):
            parts.append(part)
            bar.update(len(part))
    content = b"".join(parts)
    if len(content) < size:
        raise http.client.IncompleteRead(content, size - len(content))
    return content


def whole(content):
    """Is this all of a JSON file, or of a gzip, zip or tar archive?"""
    file = io.BytesIO(content)
    try:
        if content[:2] == b"\x1f\x8b":
            with gzip.open(file) as packed:
                while packed.read(1 << 20):
                    pass
            return True
        if content[:2] == b"PK":
            with zipfile.ZipFile(file) as packed:
                return packed.testzip() is None
        if content[257:262] == b"ustar":
            with tarfile.open(fileobj=file) as packed:                    # a name beyond the end would raise; zeros close the archive
                return bool(packed.getmembers()) and content.endswith(b"\0" * 512)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError):
        return False
    ends = content.strip()[:1] + content.strip()[-1:]
    return ends in (b"{}", b"[]")


def sweep(folder):
    """Remove temporary files: this process's, and those older than a minute, which a killed process left (writing takes less)."""
    for path in folder.glob("*.tmp*"):
        try:
            if path.name.endswith(f".tmp{os.getpid()}") or time.time() - path.stat().st_mtime > 60:
                path.unlink()
        except OSError:                           # another process was quicker
            pass
