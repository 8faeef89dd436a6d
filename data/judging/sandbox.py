"""sandbox.py - where generated code runs: the ways to contain a program, and one run of it.

What a model writes is hostile until shown otherwise. Three ideas make a verdict on it safe:

1. The child never learns the expected values. It gets the program and the expressions to evaluate,
   and sends plain values back; the caller compares. An always-equal object, a patched assert or a
   forged "passed" is no plain value that equals the expected one, and so no pass.
2. It runs under bubblewrap or, without it, util-linux's unshare: own user, process, network, mount,
   IPC and host name spaces. All it can see, read-only, is the interpreter, its standard library and
   the system's libraries; there is no /proc, no /dev, no place to write. Whatever it has started
   ends with its process space.
3. Limits on time, memory, output, files and processes, no capabilities, and (Linux, x86_64 and
   aarch64) a filter of system calls: no process or thread, no program, no socket, no signal to
   others.

    outcome = sandbox.run("def f(x): return x + 1", ["f(1)", "f(None)"])
    outcome.rule        # "ok"
    outcome.values      # (2, NoValue("raised", "TypeError: ..."))

One run: this process -> bwrap or unshare -> a Python that sets things up (the keeper) -> its fork,
which runs the program. What the last two do stands in data/judging/sandbox_child.py.
"""
import contextlib
import functools
import glob
import json
import marshal
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from data import UserError
from data.judging import sandbox_child
from data.judging.sandbox_child import DEEPEST, LARGEST_ANSWER, MEMORY

SECONDS = 8                     # of processor time: other work on the machine changes no verdict
PATIENCE = 6                    # and that many times as long by the clock, for one that sleeps
LONGEST_PROGRAM = 1_000_000     # characters
WAITS = (0.1, 0.5)              # seconds before a run is repeated that failed by our own trouble
AT_ONCE = 2                     # runs that callers should start at a time
UNSAFE = False                  # set by allow_limits_alone

# The child cannot see this folder, so it gets its program through a pipe. It gets it compiled,
# since compiling takes longer than all else that the keeper does.
CHILD = compile(Path(sandbox_child.__file__).read_text(encoding="utf-8"), "<sandbox>", "exec")
START = (
    "import sys, marshal; sys.path.remove(''); "
    "child, job = marshal.loads(sys.stdin.buffer.read()); exec(child); keeper(job)"
)
NULL = os.open(os.devnull, os.O_RDWR)               # handed to the child, which has no /dev


@dataclass(frozen=True)
class NoValue:
    """Stands for the value of an expression that has no plain one."""
    rule: str                   # "raised" or "no plain value"
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What became of a run. rule "harness" is our own trouble: the program never began."""
    rule: str                   # "ok", "error", "timeout", "memory", "harness"
    values: tuple               # if ok, a plain value or a NoValue for each expression
    reason: str                 # one line


# ---- Ways to contain -----------------------------------------------------------------------------

def interpreter():
    """The path of the Python that the child runs."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


@functools.cache
def view():
    """What the child sees: (paths to show, [link, target] pairs, folders to cover by empty ones)"""
    library = os.path.dirname(os.path.realpath(os.__file__))
    beside_python = os.path.realpath(sys.base_prefix) + "/lib"  # libpython, where there is one
    system = ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache"]
    show = []
    links = []
    for path in [*system, beside_python, library, interpreter()]:
        if os.path.islink(path) and path.count("/") == 1:
            links.append([path, os.readlink(path)])             # /lib -> usr/lib
        elif os.path.exists(path) and not any(within(path, folder) for folder in show):
            show.append(path)

    # Installed packages are nobody's business, nor are this project and the user's files, if they
    # lie below a folder that is shown.
    hide = []
    for folder in [*show, library]:
        for name in ("site-packages", "dist-packages"):
            hide += glob.glob(f"{folder}/{name}")
            hide += glob.glob(f"{folder}/*/{name}")
    project = str(Path(__file__).resolve().parents[2])
    home = os.path.realpath(os.path.expanduser("~"))
    for path in (project, home):
        below_shown = any(within(path, folder) and path != folder for folder in show)
        if below_shown and not within(library, path):
            hide.append(path)
    return show, links, sorted({os.path.realpath(path) for path in hide})


def within(path, folder):
    """Is the path this folder or below it?"""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def command(way):
    """For "bwrap", "unshare" or "limits" -> (command line up to the interpreter, arguments of the
    child's new_root if the keeper still has to call it)."""
    show, links, hide = view()
    if way == "bwrap":
        line = [shutil.which("bwrap"), "--unshare-all", "--unshare-user", "--die-with-parent",
                "--cap-drop", "ALL"]
        for path in show:
            line += ["--ro-bind", path, path]
        for link, target in links:
            line += ["--symlink", target, link]
        for path in hide:
            line += ["--tmpfs", path, "--remount-ro", path]
        return [*line, "--dir", "/work", "--remount-ro", "/", "--chdir", "/work", "--"], None
    if way == "unshare":
        line = [shutil.which("unshare"), "--user", "--map-root-user", "--mount", "--pid", "--fork",
                "--kill-child", "--net", "--ipc", "--uts", "--"]
        return line, (show, links, hide)
    return [], None


@functools.cache
def containment():
    """(the way that works here, "") or (None, why none does). Tries each on a tiny program."""
    if sys.platform != "linux":
        return None, f"{sys.platform} has no name spaces"
    reasons = []
    for way in ("bwrap", "unshare"):
        if not shutil.which(way):
            reasons.append(f"{way}: is not installed")
            continue
        outcome = run_once(way, "x = 1", ["x + 1"], "")
        if outcome.values == (2,):
            return way, ""
        reason = outcome.reason.removeprefix(f"{way}: ")        # errors begin with the name already
        reasons.append(f"{way}: {reason}")
    return None, "; ".join(reasons)


def allow_limits_alone(allowed=True):
    """--unsafe-code: may programs run with limits alone where nothing contains them?"""
    global UNSAFE
    UNSAFE = allowed


class Uncontained(UserError):
    """Generated code cannot be run here."""


def check():
    """The way in which programs will run: "bwrap", "unshare" or "limits".

    UserError, one line, if nothing contains them and nobody allowed that.
    """
    way, reason = containment()
    if way:
        return way
    if UNSAFE:
        return "limits"
    remedy = "run it in a Linux container"
    if sys.platform == "linux":
        remedy = ("allow user namespaces (sysctl user.max_user_namespaces, "
                  "kernel.apparmor_restrict_unprivileged_userns)")
        if not shutil.which("bwrap"):
            remedy = f"install bubblewrap (Debian, Ubuntu: apt install bubblewrap) or {remedy}"
    raise Uncontained(f"nothing here contains generated code ({reason}); {remedy}, "
                      "or give --unsafe-code to run it with limits alone")


# ---- One run -------------------------------------------------------------------------------------

def run(program, expressions, setup=""):
    """Run the program, then the setup, then evaluate each expression, in a fresh contained Python.

    -> Outcome. After trouble of our own the run is repeated twice before it is an Outcome of rule
    "harness". UserError where nothing contains.
    """
    way = check()
    if len(program) > LONGEST_PROGRAM:
        return Outcome("error", (), f"the program has over {LONGEST_PROGRAM} characters")
    for wait in WAITS:
        outcome = run_once(way, program, expressions, setup)
        if outcome.rule != "harness":
            return outcome
        time.sleep(wait)
    return run_once(way, program, expressions, setup)


def run_once(way, program, expressions, setup):
    """One child, from start to end -> Outcome."""
    line, root = command(way)
    job = {
        "program": program, "setup": setup, "expressions": list(expressions),
        "seconds": SECONDS, "wall": PATIENCE * SECONDS,
        "contained": way != "limits", "root": root, "null": NULL,
    }
    if way == "limits":
        place = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    else:
        place = contextlib.nullcontext("/")     # it moves to an empty folder of its own root
    try:
        with place as folder:
            out, err, exit_code = exchange(line, folder, job)
    except OSError as error:
        return Outcome("harness", (), f"the interpreter did not start: {error.strerror}")

    complaint = err.decode("utf-8", "replace").strip()
    ready, _, rest = out.partition(b"\n")
    if ready != b"ready":       # the keeper never came to the program
        last_line = complaint.split("\n")[-1]
        return Outcome("harness", (), line_of(last_line) or f"ended by {exit_code}")
    if b"\n" not in rest:       # the keeper did not come to its end
        if complaint:
            return Outcome("harness", (), line_of(complaint))
        return Outcome("error", (), "ended its keeper")
    return outcome_of(rest, len(expressions))


def exchange(line, folder, job):
    """Start the child, give it its program and job -> (what it wrote, its complaints, exit code)"""
    # Without preexec_fn subprocess can take the fast way (vfork), however large this process is.
    # Not -I, which would ignore the hash seed; the environment holds nothing else.
    child = subprocess.Popen(
        [*line, interpreter(), "-s", "-S", "-B", "-c", START],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd=folder, env={"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"},
        pass_fds=(NULL,), start_new_session=True,
    )
    try:
        # The keeper ends the program in time. 10 seconds more, for what may fail before it can.
        out, err = child.communicate(marshal.dumps((CHILD, job)), timeout=job["wall"] + 10)
    except subprocess.TimeoutExpired as error:
        out = error.output or b""
        err = b"" if out else b"no answer in time"
    finally:
        # If it still runs, end its session, and so its process space. Where this process is killed,
        # the keeper notices that nobody reads its answer, and ends the program.
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    return out, err, child.returncode


# ---- What came back ------------------------------------------------------------------------------

def outcome_of(rest, n):
    """The keeper's report and the program's answer to n expressions -> Outcome.

    The report can be trusted, the answer cannot.
    """
    report, _, answer = rest.partition(b"\n")
    late, status, cpu, peak = [float(number) for number in report.split()]
    if late:
        return Outcome("timeout", (), f"over {PATIENCE * SECONDS} seconds by the clock")
    outcome = read_answer(answer, n)
    if outcome:
        return outcome
    if cpu > 0.9 * SECONDS:     # the kernel's limit and its report can differ by some per cent
        return Outcome("timeout", (), f"over {SECONDS} seconds of processor time")
    if peak > 0.8 * MEMORY:
        return Outcome("memory", (), f"over {MEMORY >> 20} MiB")
    if os.WIFSIGNALED(int(status)):
        number = os.WTERMSIG(int(status))
        if number != signal.SIGKILL:                # that one is the keeper's
            return Outcome("error", (), f"ended by signal {number}")
    return Outcome("error", (), "ended without a proper answer")


def read_answer(answer, n):
    """What the fork wrote -> Outcome, or None if it is cut or forged."""
    if len(answer) > LARGEST_ANSWER:
        return None
    try:
        rule, content = json.loads(answer)
        if rule == "raised":
            reason = text_of(content)
            ran_out = reason.startswith("MemoryError")
            return Outcome("memory" if ran_out else "error", (), reason)
        if rule != "ok" or type(content) is not list or len(content) != n:
            return None
        values = tuple(value_of(*evaluated) for evaluated in content)
    except Exception:
        return None
    for value in values:
        if isinstance(value, NoValue) and value.reason.startswith("MemoryError"):
            return Outcome("memory", (), "MemoryError")
    return Outcome("ok", values, "")


def value_of(rule, content):
    """["value", encoded], ["raised", error] or ["no plain value", why] -> value or NoValue."""
    if rule == "value":
        return decode(content)
    if rule not in ("raised", "no plain value"):
        raise ValueError("no such rule")
    return NoValue(rule, text_of(content))


def decode(tree, depth=0):
    """The inverse of sandbox_child.encode. An error (any) for whatever encode does not write."""
    if type(tree) is not list or len(tree) != 2 or depth > DEEPEST:
        raise ValueError("not a value")
    kind, content = tree
    if kind == "dict":
        return {decode(key, depth + 1): decode(value, depth + 1) for key, value in content}
    if kind == "complex":
        real, imaginary = content
        return complex(float.fromhex(real), float.fromhex(imaginary))
    if type(content) is list:
        makers = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
        return makers[kind](decode(item, depth + 1) for item in content)
    if type(content) is not str:
        raise ValueError("not a value")
    if kind == "none":
        return None
    if kind == "bool":
        return bool(int(content, 16))
    if kind == "int":
        return int(content, 16)
    if kind == "float":
        return float.fromhex(content)
    if kind == "str":
        return bytes.fromhex(content).decode("utf-8", "surrogatepass")
    if kind == "bytes":
        return bytes.fromhex(content)
    raise ValueError("not a value")


def text_of(digits):
    """Hex digits that stand for a text of the child's -> that text as one line."""
    return line_of(bytes.fromhex(digits).decode())


def line_of(text):
    """A text of the child's as one line that a terminal can take."""
    printable = "".join(c if c.isprintable() else " " for c in text[:200])
    return printable.strip().removesuffix(":")
