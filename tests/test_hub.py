"""Files from elsewhere: a server in this process cuts, stalls and lies on demand. Nothing here needs a network."""
import contextlib
import dataclasses
import hashlib
import io
import itertools
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from data import UserError
from data.checkpoints import LoadError, hub
from data.tasks import downloads

ROOT = Path(__file__).resolve().parent.parent
LONG = 600            # seconds: waited for only where something is broken, however slow the machine


class Handler(BaseHTTPRequestHandler):
    """Serves server.files {path: bytes}. server.faults {end of a path: iterator}: what goes wrong, one item a request.

    A fault is "cut" (half is sent), "stall" (half is sent, then nothing), bytes (sent instead),
    (status, error code of the hub)
    or None (nothing wrong).
    """
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server, path = self.server, self.path.partition("?")[0]
        server.requests.append(f"{self.command} {path}")
        faults = [f for end, f in server.faults.items() if path.endswith(end) and self.command == "GET"]
        fault = next(faults[0], None) if faults else None
        if isinstance(fault, tuple) or path not in server.files:
            status, code = fault if isinstance(fault, tuple) else (404, "RepoNotFound")
            return self.answer(status, b"", {"X-Error-Code": code})
        content = fault if isinstance(fault, bytes) else server.files[path]
        start = int(self.headers.get("Range", "bytes=0-")[len("bytes="):].rstrip("-"))
        # what huggingface_hub wants to know of a file: its commit and its ETag
        commit = path.split("/resolve/")[1].split("/")[0] if "/resolve/" in path else ""
        head = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": commit}
        if start:
            head["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.answer(206 if start else 200, content[start:], head, fault)

    do_HEAD = do_GET

    def answer(self, status, content, head, fault=None):
        self.send_response(status)
        for name, value in head.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        broken = fault in ("cut", "stall")
        self.wfile.write(content[:len(content) // 2] if broken else content)
        self.close_connection = broken
        if fault == "stall":
            self.server.stalled.set()
            self.server.release.wait(LONG)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.files, server.faults, server.requests = {}, {}, []
    server.stalled, server.release = threading.Event(), threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


def publish_at(url, name, monkeypatch, checksums=None):
    """Let the files of a data set be at url, under their own names, and perhaps have other checksums."""
    official = downloads.DATA_SETS[name]
    if checksums is None:
        checksums = official.checksums
    changed = dataclasses.replace(official, urls={file: f"{url}/{file}" for file in official.urls}, checksums=checksums)
    monkeypatch.setitem(downloads.DATA_SETS, name, changed)


def refusal(call, *arguments, kind=UserError):
    """The message with which the call is refused: one line that a user can do something with."""
    with pytest.raises(kind) as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 700, message
    return message


# ---------------------------------------------------------------- GSM8K

TRAIN = b'{"question": "2 + 2?", "answer": "#### 4"}\n' * 400
TEST = b'{"question": "2 + 3?", "answer": "#### 5"}\n' * 100


@pytest.fixture
def gsm8k(server, monkeypatch, tmp_path):
    """A server with two small files in place of the official ones, and an empty cache -> the folder they come into."""
    server.files = {"/train.jsonl": TRAIN, "/test.jsonl": TEST}
    checksums = {"train.jsonl": hashlib.sha256(TRAIN).hexdigest(), "test.jsonl": hashlib.sha256(TEST).hexdigest()}
    publish_at(server.url, "gsm8k", monkeypatch, checksums)
    monkeypatch.setattr(downloads, "PAUSE", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "s3ft" / "gsm8k"


def complete(folder):
    """Both files with the right bytes, and nothing else."""
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    return found == {"train.jsonl": TRAIN, "test.jsonl": TEST}


def test_gsm8k_is_downloaded_once(server, gsm8k, capsys):
    assert downloads.fetch("gsm8k") == gsm8k and complete(gsm8k)
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 2 and server.url in said.err and str(gsm8k) in said.err
    assert downloads.fetch("gsm8k") == gsm8k
    assert len(server.requests) == 2, "the second call asked the server again"
    assert capsys.readouterr().err == "", "the second call downloads nothing and should say nothing"


def test_gsm8k_survives_one_cut_connection(server, gsm8k):
    server.faults["train.jsonl"] = iter(["cut"])
    assert complete(downloads.fetch("gsm8k"))


@pytest.mark.parametrize("fault, says", [
    ("cut", "cannot be downloaded (IncompleteRead("),
    ("stall", "timed out), tried 3 times"),
    ((404, ""), "HTTP Error 404"),
    ((503, ""), "HTTP Error 503"),
    (b"<!DOCTYPE html><p>Please log in", "a web page came"),
    (TRAIN + b"\n", "not the official file"),
])
def test_gsm8k_refusals(server, gsm8k, monkeypatch, fault, says):
    server.faults["train.jsonl"] = itertools.repeat(fault)
    with monkeypatch.context() as patch:
        if fault == "stall":
            patch.setattr(downloads, "TIMEOUT", 0.2)                  # too short for a slow machine without a fault
        message = refusal(downloads.fetch, "gsm8k")
    assert says in message and "/train.jsonl" in message and "--data FOLDER" in message
    assert list(gsm8k.iterdir()) == [], "a failed download left something behind"
    server.faults.clear()
    assert complete(downloads.fetch("gsm8k")), "after the failure the next call should work"


def test_gsm8k_without_network(server, gsm8k, monkeypatch):
    publish_at("http://127.0.0.1:9", "gsm8k", monkeypatch)            # the port that discards; nobody listens
    assert "Connection refused" in refusal(downloads.fetch, "gsm8k")


def test_gsm8k_keeps_the_file_that_is_complete(server, gsm8k):
    server.faults["test.jsonl"] = itertools.repeat((404, ""))
    refusal(downloads.fetch, "gsm8k")
    server.requests.clear()
    server.faults.clear()
    assert complete(downloads.fetch("gsm8k")) and server.requests == ["GET /test.jsonl"]


def test_gsm8k_mends_a_damaged_file(server, gsm8k):
    downloads.fetch("gsm8k")
    (gsm8k / "test.jsonl").write_bytes(TEST[:-10])
    server.requests.clear()
    assert complete(downloads.fetch("gsm8k")) and server.requests == ["GET /test.jsonl"]


def test_gsm8k_interrupted_while_writing(server, gsm8k, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupt)   # everything is written, but has not got its name yet
        with pytest.raises(KeyboardInterrupt):
            downloads.fetch("gsm8k")
    assert list(gsm8k.iterdir()) == []
    assert complete(downloads.fetch("gsm8k"))


def test_gsm8k_removes_what_a_killed_download_left(server, gsm8k):
    gsm8k.mkdir(parents=True)
    old, new = gsm8k / "train.jsonl.tmp1", gsm8k / "train.jsonl.tmp2"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 3600,) * 2)
    downloads.fetch("gsm8k")
    assert not old.exists() and new.exists(), "an old one goes; a fresh one may be another process at work"


def test_gsm8k_cache_that_cannot_be_written(server, gsm8k, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert "XDG_CACHE_HOME" in refusal(downloads.fetch, "gsm8k")


# ---------------------------------------------------------------- the benchmarks

MMLU = {"data/test/sums_test.csv": b"1 + 1?,2,3,4,5,A\n", "data/dev/sums_dev.csv": b"2 + 1?,2,3,4,5,B\n" * 5,
        "data/README.txt": b"not wanted",
        "data/auxiliary_train/x.csv": b"not wanted", "data/test/../../evil_test.csv": b"not wanted"}
SENTENCES = b'{"sentence": "_ is", "option1": "a", "option2": "b", "answer": "1"}\n'


def packed(files):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def zipped(files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.fixture
def publishers(server, monkeypatch, tmp_path):
    """A server with small files in place of the four benchmarks' -> the cache they come into."""
    swag = b'{"ind": 0}\n' * 50
    server.files = {"/data.tar": packed(MMLU), "/mc_task.json": b'[{"question": "?"}]', "/hellaswag_val.jsonl": swag,
                    "/winogrande_1.1.zip": zipped({"winogrande_1.1/dev.jsonl": SENTENCES,
                                                   "winogrande_1.1/train_xl.jsonl": b"not wanted"})}
    for name in ("mmlu", "truthfulqa", "winogrande"):
        publish_at(server.url, name, monkeypatch)
    publish_at(server.url, "hellaswag", monkeypatch, {"hellaswag_val.jsonl": hashlib.sha256(swag).hexdigest()})
    monkeypatch.setattr(downloads, "PAUSE", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "s3ft"


def test_archives_are_fetched_once_and_only_what_is_wanted_is_taken_out_of_them(server, publishers, tmp_path):
    for _ in range(2):
        mmlu, winogrande = downloads.fetch("mmlu"), downloads.fetch("winogrande")
    assert [r for r in server.requests if r.startswith("GET")] == ["GET /data.tar", "GET /winogrande_1.1.zip"]
    files = {str(p.relative_to(mmlu)) for p in mmlu.rglob("*.csv")}
    assert files == {"test/sums_test.csv", "dev/sums_dev.csv"} and (winogrande / "dev.jsonl").read_bytes() == SENTENCES
    assert not list(tmp_path.rglob("evil*")) and not (winogrande / "train_xl.jsonl").exists()
    assert "recorded" in json.loads((mmlu / "checksums.json").read_text())["data.tar"]


def test_file_that_was_damaged_after_unpacking_is_unpacked_again(server, publishers):
    path = downloads.fetch("mmlu") / "test" / "sums_test.csv"
    path.write_bytes(b"")
    downloads.fetch("mmlu")
    assert path.read_bytes() == MMLU["data/test/sums_test.csv"] and len(server.requests) == 1


def test_archive_that_holds_something_else_is_refused(server, publishers):
    server.files["/data.tar"] = packed({"data/other.csv": b"1"})
    assert "does not hold what it should" in refusal(downloads.fetch, "mmlu")


@pytest.mark.parametrize("name, file", [("mmlu", "data.tar"), ("winogrande", "winogrande_1.1.zip"),
                                        ("truthfulqa", "mc_task.json"),
                                        ("hellaswag", "hellaswag_val.jsonl")])
def test_benchmark_file_that_is_not_whole_never_gets_its_name(server, publishers, name, file):
    content = server.files[f"/{file}"]
    server.files[f"/{file}"] = content[:len(content) // 5]            # (a tar is half padding)
    refusal(downloads.fetch, name)
    assert not (publishers / name / file).exists()
    server.files[f"/{file}"] = content
    assert (downloads.fetch(name) / file).read_bytes() == content


def test_hellaswag_has_a_known_checksum(server, publishers):
    assert (downloads.fetch("hellaswag") / "hellaswag_val.jsonl").is_file()
    assert not (publishers / "hellaswag" / "checksums.json").exists()
    server.files["/hellaswag_val.jsonl"] += b"\n"
    (publishers / "hellaswag" / "hellaswag_val.jsonl").unlink()
    assert "not the official file (checksum" in refusal(downloads.fetch, "hellaswag")


# ---------------------------------------------------------------- checkpoints

REPO = "somebody/tiny-model"
OLD, NEW = "0" * 39 + "1", "0" * 39 + "2"         # commits
WEIGHTS = bytes(range(256)) * 400
NEEDED = {"config.json": b"{}", "tokenizer.json": b'{"model": 1}', "model.safetensors": WEIGHTS}
USELESS = {"consolidated.safetensors": b"twice", "pytorch_model.bin": b"thrice", "onnx/model.safetensors": b"x",
           "README.md": b"#"}


def publish(server, files, commit=NEW, revision="main", repo=REPO):
    """Make the server answer for a repository as the hub does: its commit, its list of files, its files."""
    api = f"/api/models/{repo}"
    info = json.dumps({"id": repo, "sha": commit, "siblings": [{"rfilename": name} for name in files]}).encode()
    for path in [f"{api}/revision/{revision}", f"{api}/revision/{commit}"] + [api] * (revision == "main"):
        server.files[path] = info
    server.files[f"{api}/tree/{commit}"] = json.dumps([{"type": "file", "path": name, "size": len(content), "oid": name}
                                                       for name, content in files.items()]).encode()
    server.files.update({f"/{repo}/resolve/{commit}/{name}": content for name, content in files.items()})


@pytest.fixture
def repository(server, monkeypatch, tmp_path):
    """A hub with one small repository, and an empty cache.

    huggingface_hub reads its environment when it is imported, so its constants are set here; before 1.0 that was too
    little.
    """
    pytest.importorskip("huggingface_hub", minversion="1.0")
    from huggingface_hub import constants
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
    monkeypatch.chdir(tmp_path)                   # so that no folder of ours has the name of a repository
    publish(server, {**NEEDED, **USELESS})
    return server


@contextlib.contextmanager
def offline():
    """As with HF_HUB_OFFLINE=1."""
    from huggingface_hub import constants
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        yield


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_passes_through(tmp_path, monkeypatch):
    assert hub.find(str(tmp_path)) == (tmp_path, None)
    monkeypatch.chdir(tmp_path)
    Path(REPO).mkdir(parents=True)
    assert hub.find(REPO) == (Path(REPO), None), "a folder wins over a hub id"


@pytest.mark.parametrize("name", ["", "tiny", "/no/such/folder", "./a/b", "../a", "a/b/c", "a/b@", "a/b@../../c",
                                  "a/b--c", "a/b.git",
                                  "a b/c", "a/b\n", "a/\0", "ä/ö", "x" * 300, "https://huggingface.co/a/b"])
def test_odd_names(name):
    assert "a hub id owner/name" in refusal(hub.find, name, kind=LoadError)


def test_a_file_is_no_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("weights").mkdir()
    Path("weights/model.safetensors").touch()
    assert "is no folder" in refusal(hub.find, "weights/model.safetensors", kind=LoadError)


def test_only_needed_files_are_fetched(repository, capsys):
    folder, commit = hub.find(REPO)
    assert commit == NEW and contents(folder) == NEEDED
    fetched = [r for r in repository.requests if r.startswith("GET") and "/resolve/" in r]
    assert len(fetched) == len(NEEDED), f"each needed file once, and no other: {fetched}"
    assert "cache" not in capsys.readouterr().err


def test_a_revision_is_honoured(repository):
    publish(repository, {**NEEDED, "config.json": b'{"old": 1}'}, commit=OLD, revision="v1")
    folder, commit = hub.find(f"{REPO}@v1")
    assert commit == OLD and contents(folder)["config.json"] == b'{"old": 1}'
    assert hub.find(f"{REPO}@{NEW}")[1] == NEW and hub.find(REPO)[1] == NEW


@pytest.mark.parametrize("name", ["model-0000{}-of-00002.safetensors", "model.safetensors-0000{}-of-00002.safetensors",
                                  "part-{}.safetensors"])
def test_shards(repository, name):
    """Weights in several files: those that the index names, whatever they are called, and no other."""
    shards = {name.format(i): WEIGHTS + bytes([i]) for i in (1, 2)}
    files = {**{k: v for k, v in NEEDED.items() if k != "model.safetensors"}, **shards,
             "model.safetensors.index.json": json.dumps({"weight_map": dict(zip("ab", shards))}).encode()}
    publish(repository, {**files, **USELESS, "model-00003-of-00003.safetensors": b"of another index"})
    assert contents(hub.find(REPO)[0]) == files
    with offline():
        assert contents(hub.find(REPO)[0]) == files


def test_a_shard_that_is_not_there(repository):
    index = json.dumps({"weight_map": {"a": "gone.safetensors"}}).encode()
    publish(repository, {"config.json": b"{}", "model.safetensors.index.json": index})
    assert "gone.safetensors: no such file, though" in refusal(hub.find, REPO, kind=LoadError)


def test_a_pickled_adapter(repository):
    publish(repository, {"adapter_config.json": b"{}", "adapter_model.bin": b"a pickle"})
    assert "adapter_model.bin, are never opened" in refusal(hub.find, REPO, kind=LoadError)


def test_an_adapter(repository):
    files = {"adapter_config.json": b"{}", "adapter_model.safetensors": WEIGHTS}
    publish(repository, {**files, **USELESS})
    assert contents(hub.find(REPO)[0]) == files


def test_a_repository_without_usable_weights(repository):
    publish(repository, {"config.json": b"{}", **USELESS})
    assert "holds neither model.safetensors nor" in refusal(hub.find, REPO, kind=LoadError)


def test_offline_the_cache_serves(repository, capsys):
    found = hub.find(REPO)
    repository.requests.clear()
    capsys.readouterr()
    with offline():
        assert hub.find(REPO) == found and repository.requests == []
    assert capsys.readouterr().err == "", "offline is what the user asked for: nothing to say"


def test_offline_and_not_cached(repository):
    with offline():
        assert "HF_HUB_OFFLINE" in refusal(hub.find, REPO, kind=LoadError)


@pytest.mark.parametrize("fault", [(503, ""), (401, "RepoNotFound"), b"<html>log in", "cut"])
def test_the_cache_stands_in_for_the_hub_and_says_so(repository, fault, capsys):
    found = hub.find(REPO)
    capsys.readouterr()
    repository.faults["/api/models/" + REPO] = itertools.repeat(fault)
    assert hub.find(REPO) == found
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "the copy in the cache is used" in said


def test_nobody_answers(repository, monkeypatch):
    from huggingface_hub import constants
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "http://127.0.0.1:9 cannot be reached" in refusal(hub.find, REPO, kind=LoadError)


def test_a_hub_that_stalls(repository, monkeypatch):
    monkeypatch.setattr(hub, "TIMEOUT", 0.2)
    repository.faults["/api/models/" + REPO] = itertools.repeat("stall")
    message = refusal(hub.find, REPO, kind=LoadError)
    assert "cannot be reached or broke off (" in message and "Timeout" in message


@pytest.mark.parametrize("path, fault, says", [
    ("/api/models/" + REPO, (401, "GatedRepo"), "set HF_TOKEN"),
    ("/api/models/" + REPO, (403, "GatedRepo"), "https://huggingface.co/" + REPO),
    ("/model.safetensors", (403, "GatedRepo"), "accept its terms"),     # the list is public, the files are not
    ("/api/models/" + REPO, (404, "RepoNotFound"), "no such repository"),
    ("/api/models/" + REPO, (404, ""), "no such repository"),
    ("/api/models/" + REPO, (401, ""), "no such repository"),           # so says the hub of a name that is not there
    ("/api/models/" + REPO, (500, ""), "error 500"),
])
def test_refusals_of_the_hub(repository, path, fault, says):
    repository.faults[path] = itertools.repeat(fault)
    message = refusal(hub.find, REPO, kind=LoadError)
    assert says in message and message.startswith(REPO)


def test_a_token_that_is_not_valid(repository, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_expired")
    repository.faults["/api/models/" + REPO] = itertools.repeat((401, ""))
    assert "does not accept your token" in refusal(hub.find, REPO, kind=LoadError)


def test_a_revision_that_is_not_there(repository):
    repository.faults["/revision/v9"] = itertools.repeat((404, "RevisionNotFound"))
    assert "no revision 'v9'" in refusal(hub.find, REPO + "@v9", kind=LoadError)


def test_a_full_disk(repository, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    assert "the disk is full" in refusal(hub.find, REPO, kind=LoadError)


def test_a_cache_that_cannot_be_written(repository, tmp_path):
    (tmp_path / "hub").write_text("a file where the folder should be")
    assert "set HF_HOME" in refusal(hub.find, REPO, kind=LoadError)


def test_a_cut_download_goes_on(repository):
    repository.faults["/model.safetensors"] = iter(["cut"])
    try:
        folder, _ = hub.find(REPO)                # huggingface_hub tries again by itself;
    except LoadError as error:                    # its early 1.x did not
        assert "broke off" in str(error)
        folder, _ = hub.find(REPO)
    assert contents(folder) == NEEDED


def test_a_killed_download(repository, tmp_path):
    """A process of its own, with the environment that a user would set, killed in the middle of the weights."""
    code = f"from data.checkpoints import hub; print(hub.find({REPO!r})[1])"
    env = {**os.environ, "HF_ENDPOINT": repository.url, "HF_HUB_CACHE": str(tmp_path / "hub"), "PYTHONPATH": str(ROOT)}
    repository.faults["/model.safetensors"] = iter(["stall"])
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=env, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    assert repository.stalled.wait(LONG), "the download never came to the weights"
    process.kill()
    process.communicate()
    with offline():
        assert "no whole copy" in refusal(hub.find, REPO, kind=LoadError), "half a checkpoint must not pass for one"
    assert contents(hub.find(REPO)[0]) == NEEDED, "the next call should fetch what is missing"
