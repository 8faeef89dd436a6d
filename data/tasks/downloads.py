"""downloads.py - the official files of the public data sets, in ~/.cache/s3ft/NAME.

    from data.tasks import downloads
    folder = downloads.fetch("gsm8k")       # with train.jsonl and test.jsonl

The files have up to 170 MB. Each is read whole, compared with its checksum, and only then written,
so that no damaged file ever gets its name. Where the publisher gives no checksum, that of the first
download is kept beside the file, in checksums.json, and later ones are compared with it.
"""
import gzip
import hashlib
import http.client
import io
import os
import re
import shutil
import sys
import tarfile
import time
import urllib.request
import zipfile
import zlib
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from tqdm import tqdm

from data import UserError
from data.files import json_or_empty, write_atomic, write_json

TIMEOUT = 20            # seconds without a single byte, after which a server counts as stalled
ATTEMPTS = 3            # where a connection breaks off
PAUSE = 1.0             # seconds between two attempts
DAMAGED = (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError)     # an archive

GITHUB = "https://raw.githubusercontent.com/"
GSM8K = GITHUB + "openai/grade-school-math/master/grade_school_math/data/"
MBPP = GITHUB + "google-research/google-research/master/mbpp/"
MRQA = "https://s3.us-east-2.amazonaws.com/mrqa/release/v2/"
SQUAD = "https://rajpurkar.github.io/SQuAD-explorer/dataset/"


@dataclass
class DataSet:
    """Where the files of a data set are."""
    page: str                                       # where a reader finds the files
    urls: dict                                      # {name of the file here: its url}
    checksums: dict = field(default_factory=dict)   # {name: sha256}
    unpack: str = ""        # of an archive: the names of the files to unpack; the group is kept


DATA_SETS = {
    "gsm8k": DataSet(
        "https://github.com/openai/grade-school-math",
        {"train.jsonl": GSM8K + "train.jsonl", "test.jsonl": GSM8K + "test.jsonl"},
        {"train.jsonl": "17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465",
         "test.jsonl": "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14"}),
    "mbpp": DataSet(
        "https://github.com/google-research/google-research/tree/master/mbpp",
        {"mbpp.jsonl": MBPP + "mbpp.jsonl"},
        {"mbpp.jsonl": "ccf64ceae9c5403bf50a044cb6d505bfd2a2963ee58338ba268fd65beab92a9f"}),
    # Natural Questions as the MRQA shared task published it
    "nq": DataSet(
        "https://github.com/mrqa/MRQA-Shared-Task-2019",
        {"NaturalQuestionsShort-train.jsonl.gz": MRQA + "train/NaturalQuestionsShort.jsonl.gz",
         "NaturalQuestionsShort-dev.jsonl.gz": MRQA + "dev/NaturalQuestionsShort.jsonl.gz"}),
    "squad": DataSet(
        "https://rajpurkar.github.io/SQuAD-explorer/",
        {"train-v2.0.json": SQUAD + "train-v2.0.json", "dev-v2.0.json": SQUAD + "dev-v2.0.json"}),
    "mmlu": DataSet(
        "https://github.com/hendrycks/test",
        {"data.tar": "https://people.eecs.berkeley.edu/~hendrycks/data.tar"},
        unpack=r"data/((?:test|dev)/\w+\.csv)"),
    "truthfulqa": DataSet(
        "https://github.com/sylinrl/TruthfulQA",
        {"mc_task.json": GITHUB + "sylinrl/TruthfulQA/main/data/mc_task.json"}),
    "hellaswag": DataSet(
        "https://github.com/rowanz/hellaswag",
        {"hellaswag_val.jsonl": GITHUB + "rowanz/hellaswag/master/data/hellaswag_val.jsonl"},
        {"hellaswag_val.jsonl":
            "0aa3b88843990f3f10a97b9575c94d7b71fb2205240ba04ae4884d9e9c992588"}),
    "winogrande": DataSet(
        "https://winogrande.allenai.org",
        {"winogrande_1.1.zip":
            "https://storage.googleapis.com/ai2-mosaic/public/winogrande/winogrande_1.1.zip"},
        unpack=r"winogrande_1\.1/(dev\.jsonl)"),
}


def fetch(name):
    """The folder with the files of a data set. What is missing or damaged is downloaded.

    UserError, one line, when a file cannot be had; complete files are kept for the next call.
    """
    data_set = DATA_SETS[name]
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(cache) / "s3ft" / name
    try:
        for file in data_set.urls:
            fetch_file(data_set, file, folder)
        if data_set.unpack:
            archive = folder / next(iter(data_set.urls))
            unpack(archive, data_set.unpack)
    except OSError as error:
        raise UserError(f"{folder}: cannot be read or written ({error.strerror}); mend that, "
                        "or set XDG_CACHE_HOME to a folder of yours") from None
    finally:
        remove_temporary_files(folder)
    return folder


def fetch_file(data_set, file, folder):
    """Download a file if it is not there or is damaged; record its checksum at first use."""
    url = data_set.urls[file]
    path = folder / file
    records = json_or_empty(folder / "checksums.json")      # where no checksum is published
    record = records.get(file)
    expected = data_set.checksums.get(file)
    if expected is None and isinstance(record, dict) and isinstance(record.get("sha256"), str):
        expected = record["sha256"]
    content = path.read_bytes() if path.is_file() else None
    missing = content is None or not is_right(content, expected, data_set.unpack)
    if missing:
        advice = (f"try again, or download {' and '.join(data_set.urls)} by hand, "
                  f"see {data_set.page}, and give --data FOLDER")
        if file in records:
            advice += f"; or delete {folder / 'checksums.json'} to accept the new file"
        print(f"downloading {url} into {folder}", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        content = download(url, expected, data_set.unpack, advice)
    if expected is None:                # recorded first, so that a kill leaves no file unrecorded
        sha256 = checksum(content)
        records[file] = {"sha256": sha256, "recorded": "at first use", "url": url,
                         "date": date.today().isoformat()}
        write_json(folder / "checksums.json", records)
        print(f"{file}: its publisher gives no checksum, so that of this file is kept in "
              f"checksums.json and compared from now on: sha256 {sha256[:12]}..",
              file=sys.stderr)
    if missing:
        write_atomic(path, content)


def download(url, expected, wanted, advice):
    """The bytes at url. UserError where they do not come whole, or are not the expected file.

    expected: a checksum, or None. wanted: which files of an archive. advice: what a user can do.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE)
        try:
            content = read_url(url)
            break
        except (http.client.HTTPException, OSError) as error:
            problem = str(error) or type(error).__name__
    else:
        raise UserError(f"{url}: cannot be downloaded ({problem}), tried {ATTEMPTS} times; "
                        f"{advice}")

    if is_right(content, expected, wanted):
        return content
    problem = "this is no whole JSON file or archive"
    if expected is not None:
        problem = (f"this is not the official file (checksum {checksum(content)[:12]}.., "
                   f"expected {expected[:12]}..)")
    if content.lstrip()[:1] == b"<":
        problem = "a web page came instead of the file (does this network ask for a login?)"
    raise UserError(f"{url}: {problem}; {advice}")


def read_url(url):
    """All bytes at url, with a progress bar where somebody looks.

    torch.hub.download_url_to_file has no time limit and takes a file that was cut off for whole.
    """
    content = io.BytesIO()
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        size = int(answer.headers.get("Content-Length") or 0)
        hidden = not sys.stderr.isatty()
        with tqdm.wrapattr(answer, "read", total=size, leave=False, disable=hidden) as stream:
            shutil.copyfileobj(stream, content)
    if content.tell() < size:
        raise http.client.IncompleteRead(b"", size - content.tell())
    return content.getvalue()


def checksum(content):
    return hashlib.sha256(content).hexdigest()


def is_right(content, expected, wanted):
    """Whether this is the file with the expected checksum. Where none is known (None): whether it
    is a whole archive (where files in it are wanted) or a whole JSON file."""
    if expected is not None:
        return checksum(content) == expected
    try:
        if wanted:
            read_archive(content, wanted)
            return True
        if content.startswith(b"\x1f\x8b"):
            gzip.decompress(content)
            return True
    except DAMAGED:
        return False
    text = content.strip()
    return text[:1] + text[-1:] in (b"{}", b"[]")


def read_archive(content, wanted):
    """{name: bytes} of the files of a zip or tar archive whose whole name matches `wanted`.

    A name here is the pattern's group, so that nothing can be written outside the folder.
    """
    files = {}
    if content.startswith(b"PK"):
        archive = zipfile.ZipFile(io.BytesIO(content))
        for name in archive.namelist():
            if match := re.fullmatch(wanted, name):
                files[match[1]] = archive.read(name)
        return files
    archive = tarfile.open(fileobj=io.BytesIO(content))
    for member in archive:
        match = re.fullmatch(wanted, member.name)
        if match and member.isfile():
            files[match[1]] = archive.extractfile(member).read()
    if not content.endswith(b"\0" * 512):
        raise EOFError("it does not end with zeros")
    return files


def unpack(archive, wanted):
    """Write the wanted files of an archive beside it, but for those that are there already."""
    files = read_archive(archive.read_bytes(), wanted)
    if not files:
        raise UserError(f"{archive}: does not hold what it should ({wanted}); "
                        "delete it and try again, or give --data FOLDER")
    for name, content in files.items():
        path = archive.parent / name
        path.parent.mkdir(exist_ok=True)
        if not path.is_file() or path.read_bytes() != content:
            write_atomic(path, content)


def remove_temporary_files(folder):
    """Remove this process's, and those older than a minute, which a killed process left."""
    for path in folder.glob("*.tmp*"):
        mine = path.name.endswith(f".tmp{os.getpid()}")
        try:
            if mine or time.time() - path.stat().st_mtime > 60:
                path.unlink()
        except FileNotFoundError:       # another process was quicker
            pass
