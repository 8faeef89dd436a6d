"""sandbox.py - where generated code runs. Every system call and command line of containment is in this file.

What a model writes is hostile until shown otherwise. Three ideas make a verdict on it safe:

1. The child never learns the expected values. It gets the program and the expressions to evaluate, and sends plain
   values back; the caller compares. An always-equal object, a patched assert, sys.exit(0) or a forged "passed" is then
   no plain value that equals the expected one, and so no pass, whatever the program does to its own process.
2. It runs under bubblewrap or, without it, util-linux's unshare: own user, process, network, mount, IPC and host name
   spaces. All it can see, read-only, is the interpreter, its standard library and the system's libraries; there is no
   /proc, no /dev, no place to write. With its process space ends whatever it has started.
3. Limits on time, memory, output, files and processes, no capabilities, and (Linux, x86_64 and aarch64) a filter of
   system calls: no process or thread, no program, no socket, no signal to others.

    outcome = sandbox.run("def f(x): return x + 1", ["f(1)", "f(None)"])
    outcome.rule, outcome.values         # "ok", (2, NoValue("raised", "TypeError: ..."))

One run: this process -> bwrap or unshare -> a Python that sets things up (the keeper) -> its fork, which runs the program.
The keeper runs nothing of the program, passes its answer on up to a size, and tells how it ended.
"""

# ---- Part 1: inside. This part alone is what the contained Python runs. It imports little: every import costs each run. ----

import ctypes
import os
import select
import struct
import sys
import time

MEMORY = 512 * 2**20                    # bytes of address space
LARGEST_VALUE = 100_000                 # characters of one value on its way back
LARGEST_ANSWER = 1_000_000              # characters of all of them
DEEPEST = 40                            # of lists within lists

# System calls that an exercise has no use for: name, number on x86_64, number on aarch64. (From 424 on all share one.)
DENIED = """fork 57 -, vfork 58 -, clone 56 220, clone3 435 435, execve 59 221, execveat 322 281, ptrace 101 117, kill 62 129,
tkill 200 130, tgkill 234 131, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240, pidfd_send_signal 424 424, pidfd_open 434 434,
pidfd_getfd 438 438, process_vm_readv 310 270, process_vm_writev 311 271, process_madvise 440 440, kcmp 312 272, setsid 112 157,
setpgid 109 154, unshare 272 97, setns 308 268, mount 165 40, umount2 166 39, pivot_root 155 41, chroot 161 51, open_tree 428 428,
move_mount 429 429, fsopen 430 430, fsconfig 431 431, fsmount 432 432, fspick 433 433, mount_setattr 442 442, shmget 29 194,
shmat 30 196, shmctl 31 195, memfd_create 319 279, memfd_secret 447 447, msgget 68 186, semget 64 190, mq_open 240 180,
socket 41 198, socketpair 53 199, io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427, bpf 321 280,
add_key 248 217, request_key 249 218, keyctl 250 219, userfaultfd 323 282, perf_event_open 298 241, fanotify_init 300 262,
name_to_handle_at 303 264, open_by_handle_at 304 265, init_module 175 105, delete_module 176 106, finit_module 313 273,
kexec_load 246 104, reboot 169 142, acct 163 89, personality 135 92, syslog 103 116, iopl 172 -, ioperm 173 -, modify_ldt 154 -"""
MACHINES = {"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)}        # what the kernel calls it, column in DENIED


def call(name, *arguments):
    """A function of the C library by name; OSError if it does not return 0."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*[a.encode() if isinstance(a, str) else a for a in arguments]) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def new_root(show, links, hide):
    """For unshare (bwrap does the same by itself): a root that holds nothing but `show`, read-only, and leave the old one.

    It grows on /proc, which every Linux has and the program shall not see. The old root is detached after pivot_root, so
    there is no way to climb back. Needs Linux 5.12 (mount_setattr: read-only for a mount and all below it)."""
    new, machine = "/proc", os.uname().machine
    bind, no_suid_no_dev, c = 4096 | 16384, 2 | 4, ctypes.c_ulong
    call("mount", "tmpfs", new, "tmpfs", c(no_suid_no_dev), "size=64k,mode=755")
    for path in show:
        os.makedirs(new + (path if os.path.isdir(path) else os.path.dirname(path)), exist_ok=True)
        if not os.path.isdir(path):
            open(new + path, "w").close()
        call("mount", path, new + path, None, c(bind), None)
    for path, target in links:
        os.symlink(target, new + path)
    for path in hide:
        call("mount", "tmpfs", new + path, "tmpfs", c(no_suid_no_dev), "size=4k,mode=755")
    os.mkdir(new + "/work")
    read_only = struct.pack("QQQQ", 1 | no_suid_no_dev, 0, 0, 0)
    call("syscall", c(442), ctypes.c_long(-100), new, c(0x8000), read_only, c(len(read_only)))             # mount_setattr
    os.chdir(new)
    pivot_root = [row.split() for row in DENIED.split(",") if row.split()[0] == "pivot_root"][0][MACHINES[machine][1]]
    call("syscall", c(int(pivot_root)), ".", ".")                          # the old root now lies on top of the new one
    call("umount2", ".", 2)                                                # detach it
    os.chdir("/work")


def limit(seconds):
    """Limits, no capabilities, a filter of system calls: for this process and for good. What this system lacks is left out."""
    import resource
    for name, most in (("CPU", seconds), ("AS", MEMORY), ("FSIZE", 0), ("NOFILE", 64), ("CORE", 0), ("NPROC", 0), ("MSGQUEUE", 0)):
        try:
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
        except (AttributeError, ValueError, OSError):
            pass                                                           # macOS has no MSGQUEUE, and refuses AS
    if sys.platform != "linux":
        return
    prctl = ctypes.CDLL(None).prctl
    for capability in range(64):
        prctl(24, capability, 0, 0, 0)                                     # PR_CAPBSET_DROP
    ctypes.CDLL(None).capset(struct.pack("II", 0x20080522, 0), bytes(24))  # version 3, this process; none of any kind
    prctl(38, 1, 0, 0, 0)                                                  # PR_SET_NO_NEW_PRIVS
    if os.uname().machine in MACHINES:
        architecture, column = MACHINES[os.uname().machine]
        numbers = [int(row.split()[column]) for row in DENIED.split(",") if row.split()[column] != "-"]
        load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06               # instructions (code, skip if true, if false, k)
        allow, refuse, kill = 0x7FFF0000, 0x00050001, 0x80000000           # refuse: the call returns EPERM
        code = [(load, 0, 0, 4), (equal, 1, 0, architecture), (give, 0, 0, kill), (load, 0, 0, 0)]
        code += [(at_least, len(numbers) + 1, 0, 0x40000000)]              # x32 calls: other numbers for the same
        code += [(equal, len(numbers) - n, 0, number) for n, number in enumerate(numbers)]
        code += [(give, 0, 0, allow), (give, 0, 0, refuse)]
        code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code), 8 * len(code))
        prctl(22, 2, struct.pack("HP", len(code) // 8, ctypes.addressof(code)), 0, 0)         # PR_SET_SECCOMP, by filter


def encode(value, depth=0):
    """A plain value as [type, content], all the way down to words and hex digits; TypeError for what is none. A value of a
    subclass (Counter, namedtuple) goes as the plain type, read by the plain type's own methods: an overridden one has no say."""
    if value is None:
        return ["none", ""]
    kind = next((k for k in (bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict) if issubclass(type(value), k)), None)
    if kind is None:
        raise TypeError(f"it is of type {type(value).__name__}")
    if depth > DEEPEST:
        raise TypeError(f"it is nested more than {DEEPEST} deep")
    size = int.bit_length(value) // 4 if kind in (bool, int) else 0 if kind in (float, complex) else kind.__len__(value)
    if size > LARGEST_VALUE:
        raise TypeError("it is too large")
    if kind in (bool, int):
        return [kind.__name__, hex(int.__index__(value))]                  # in hex: no limit on digits, and no slow decimals
    if kind is float:
        return ["float", float.hex(float.__pos__(value))]                  # exact, and nan and inf too
    if kind is complex:
        return ["complex", [float.hex(complex.real.__get__(value)), float.hex(complex.imag.__get__(value))]]
    if kind in (str, bytes):
        return [kind.__name__, (str.encode(value, "utf-8", "surrogatepass") if kind is str else bytes.__getitem__(value, slice(None))).hex()]
    if kind is dict:
        return ["dict", [[encode(k, depth + 1), encode(v, depth + 1)] for k, v in dict.items(value)]]
    return [kind.__name__, [encode(v, depth + 1) for v in kind.__iter__(value)]]


def written(tree):
    """Lists of words and hex digits as JSON, without the module json, whose import takes 6 ms."""
    return str(tree).replace("'", '"')


def told(error, name=""):
    return f"{name}{error}"[:200].encode("utf-8", "replace").hex()


def evaluate(expression, space):
    """-> ["value", encoded], ["raised", error] or ["no plain value", why]."""
    try:
        value = eval(compile(expression, "<test>", "eval"), space)
    except BaseException as error:
        return ["raised", told(error, f"{type(error).__name__}: ")]
    try:
        encoded = encode(value)
        return ["value", encoded] if len(written(encoded)) <= LARGEST_VALUE else ["no plain value", told("it is too large")]
    except BaseException as error:
        return ["no plain value", told(error)]


def program(job, answer):
    """The fork: bind itself, run the program, the setup and then the expressions, write the answer, end."""
    try:
        os.dup2(job["null"], 1)
        os.dup2(job["null"], 2)                                            # what it prints is nobody's business
        os.dup2(answer, 3)
        os.closerange(4, 256)                                              # standard input is at its end already
        limit(job["seconds"])
        module = type(sys)("program")                                      # not __main__: no `if __name__ == "__main__":`
        sys.modules["program"], sys.argv[:] = module, ["program"]
        try:
            exec(compile(job["program"], "<program>", "exec"), module.__dict__)
            exec(compile(job["setup"], "<setup>", "exec"), module.__dict__)         # after the program, whose classes it may use
            said = ["ok", [evaluate(expression, module.__dict__) for expression in job["expressions"]]]
        except BaseException as error:                                     # SystemExit too: a program that leaves gives no answer
            said = ["raised", told(error, f"{type(error).__name__}: ")]
        said = written(said).encode()
        while said:
            said = said[os.write(3, said):]
    finally:
        os._exit(0)                                                        # no atexit, no threads, no destructors


def keeper(job):
    """Set up, say "ready", fork, pass the answer on (up to a size, up to a time), and tell how the fork ended."""
    os.environ.clear()
    if job["root"]:
        new_root(*job["root"])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)                             # PR_SET_DUMPABLE: the fork may not trace the keeper
    read, write = os.pipe()
    os.write(1, b"ready\n")
    pid = os.fork()
    if pid == 0:
        program(job, write)
    os.close(write)
    said, deadline, late = b"", time.monotonic() + job["wall"], False
    while len(said) <= LARGEST_ANSWER:
        late = not select.select([read], [], [], max(0, deadline - time.monotonic()))[0]
        part = b"" if late else os.read(read, 65536)
        if not part:
            break
        said += part
    os.kill(pid, 9)
    _, status, used = os.wait4(pid, 0)
    sys.stdout.buffer.write(b"%d %d %f %d\n" % (late, status, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024) + said[:LARGEST_ANSWER + 1])
    sys.stdout.flush()
    if not job["contained"]:
        os.kill(0, 9)                                                      # whatever the program has left in this session, and the keeper
    os._exit(0)


# ---- Part 2: outside. Ways to contain, and one run. ------------------------------------------------------------------

import atexit
import functools
import glob
import json
import marshal
import math
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from data import UserError

UNSAFE = False                          # set by --unsafe-code: where nothing contains, go on with the limits alone
SECONDS = 8                             # of processor time; a machine under load does not change a verdict
PATIENCE = 6                            # and that many times as long by the clock, for a program that sleeps
LONGEST_PROGRAM = 1_000_000             # characters
WAITS = (0.1, 0.5)                      # seconds before trouble of our own is tried again
INSIDE = compile(Path(__file__).read_text(encoding="utf-8").split("\n# ---- Part ")[1].partition("\n")[2], "<sandbox>", "exec")
START = "import sys, marshal; sys.path.remove(''); inside, job = marshal.loads(sys.stdin.buffer.read()); exec(inside); keeper(job)"


@dataclass(frozen=True)
class NoValue:
    """What stands for the value of an expression that has no plain one. rule: "raised" or "no plain value"."""
    rule: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    rule: str                           # "ok", "error", "timeout", "memory", "harness" (the program never began: our trouble)
    values: tuple                       # if ok, per expression a plain value or a NoValue
    reason: str                         # one line


@functools.cache
def view():
    """What the child sees: (paths to show, [[link, target], ..], folders to cover with an empty one)."""
    python = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    library, beside, show, links = os.path.dirname(os.path.realpath(os.__file__)), os.path.realpath(sys.base_prefix) + "/lib", [], []
    for path in ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache", beside, library, python):
        if os.path.islink(path) and path.count("/") == 1:
            links.append([path, os.readlink(path)])                        # /lib -> usr/lib
        elif os.path.exists(path) and not any(within(path, other) for other in show):
            show.append(path)
    hide = [p for path in show + [library] for name in ("site", "dist") for up in ("", "*/") for p in glob.glob(f"{path}/{up}{name}-packages")]
    ours = [str(Path(__file__).resolve().parent.parent), os.path.realpath(os.path.expanduser("~"))]
    hide += [p for p in ours if any(within(p, path) and p != path for path in show) and not within(library, p)]    # a project below /usr/lib
    return show, links, sorted({os.path.realpath(path) for path in hide})


def within(path, folder):
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def command(way):
    """(command line up to the interpreter, what the keeper still has to build) for "bwrap", "unshare" and "limits"."""
    show, links, hide = view()
    if way == "bwrap":
        sight = [("--ro-bind", path, path) for path in show] + [("--symlink", target, link) for link, target in links]
        sight += [("--tmpfs", path, "--remount-ro", path) for path in hide]
        return [shutil.which("bwrap"), "--unshare-all", "--unshare-user", "--die-with-parent", "--cap-drop", "ALL",
                *[word for words in sight for word in words], "--dir", "/work", "--remount-ro", "/", "--chdir", "/work", "--"], None
    if way == "unshare":
        return [shutil.which("unshare"), "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child",
                "--net", "--ipc", "--uts", "--"], (show, links, hide)
    return [], None


@functools.cache
def containment():
    """(the way that works here, "") or (None, why none does), found by trying each on a tiny program."""
    if sys.platform != "linux":
        return None, f"{sys.platform} has no name spaces"
    reasons = []
    for way in ("bwrap", "unshare"):
        outcome = attempt(way, "x = 1", ["x + 1"], "", 10) if shutil.which(way) else Outcome("harness", (), "is not installed")
        if outcome.values == (2,):
            return way, ""
        reasons.append(f"{way}: " + outcome.reason.removeprefix(f"{way}: "))
    return None, "; ".join(reasons)


def check():
    """The way in which programs will run; UserError, one line, if nothing contains them and nobody allowed that."""
    way, reason = containment()
    if way or UNSAFE:
        return way or "limits"
    mend = ["install bubblewrap (Debian, Ubuntu: apt install bubblewrap)"] if not shutil.which("bwrap") else []
    mend += ["allow user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)"]
    where = " or ".join(mend) if sys.platform == "linux" else "run it in a Linux container"
    raise UserError(f"nothing here contains generated code ({reason}); {where}, or give --unsafe-code to run it with limits alone")


def run(program, expressions, setup="", seconds=None):
    """Run the program, then the setup, then evaluate each expression, in a fresh contained Python -> Outcome.

    `seconds` of processor time (default SECONDS). Trouble of our own is tried again twice, then it is an Outcome of rule "harness".
    UserError where nothing contains."""
    way = check()
    if len(program) > LONGEST_PROGRAM:
        return Outcome("error", (), f"the program has over {LONGEST_PROGRAM} characters")
    for wait in (*WAITS, None):
        outcome = attempt(way, program, expressions, setup, seconds or SECONDS)
        if outcome.rule != "harness" or wait is None:
            return outcome
        time.sleep(wait)


def step_aside(child):
    """Let the model that samples beside it go first. A session has a priority of its own where Linux groups them (autogroup)."""
    try:
        os.setpriority(os.PRIO_PROCESS, child.pid, 10)
        with open(f"/proc/{child.pid}/autogroup", "w") as file:
            file.write("10")
    except (AttributeError, OSError):
        pass                                                               # macOS, or it has ended already


LIVE = set()                            # children that run now; Ctrl-C leaves none behind


@atexit.register
def end_all():
    for child in list(LIVE):
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except OSError:
            pass                                                           # it has ended by itself


class Workers:
    """Two threads that do what is submitted. Daemons: unlike ThreadPoolExecutor's they do not hold up Ctrl-C until all is done."""

    def __init__(self, n=2):
        self.jobs = queue.SimpleQueue()
        for _ in range(n):
            threading.Thread(target=self.work, daemon=True).start()

    def submit(self, function, *arguments):
        """-> a Future: its result() waits, and raises what the function raised."""
        future = Future()
        self.jobs.put((future, function, arguments))
        return future

    def work(self):
        while True:
            future, function, arguments = self.jobs.get()
            try:
                future.set_result(function(*arguments))
            except BaseException as error:
                future.set_exception(error)


@functools.cache
def null():
    return os.open(os.devnull, os.O_RDWR)                                  # the child has no /dev of its own


def attempt(way, program, expressions, setup, seconds):
    """One child, from start to end -> Outcome."""
    seconds = max(1, math.ceil(seconds))
    line, root = command(way)
    job = {"program": program, "setup": setup, "expressions": list(expressions), "seconds": seconds, "wall": PATIENCE * seconds,
           "contained": way != "limits", "root": root, "null": null()}
    folder = tempfile.mkdtemp() if way == "limits" else None               # contained ones work in an empty folder of their own root
    try:
        # No preexec_fn, so that subprocess can take the fast way (vfork) however large this process is.
        # Not -I, which would ignore the hash seed; the environment holds nothing else.
        child = subprocess.Popen([*line, view()[0][-1], "-s", "-S", "-B", "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, cwd=folder or "/", env={"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"},
                                 pass_fds=(null(),), start_new_session=True)
        LIVE.add(child)
        step_aside(child)
        try:
            out, err = child.communicate(marshal.dumps((INSIDE, job)), timeout=PATIENCE * seconds + 10)
        except subprocess.TimeoutExpired as late:
            out, err = late.output or b"", b"" if late.output else b"no answer in time"
        finally:
            end(child)
            LIVE.discard(child)
    except OSError as error:
        return Outcome("harness", (), f"the interpreter did not start: {error.strerror}")
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    ready, _, rest = out.partition(b"\n")
    if ready != b"ready":
        return Outcome("harness", (), line_of(err.decode("utf-8", "replace").strip().split("\n")[-1]) or f"ended by {child.returncode}")
    if b"\n" not in rest:                                                  # the keeper did not come to its end
        return Outcome("harness", (), line_of(err.decode("utf-8", "replace"))) if err else Outcome("error", (), "ended its keeper")
    return outcome_of(rest, len(expressions), seconds)


def end(child):
    """If it still runs: kill the session that it leads; with the first process of a process space ends the whole space."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def outcome_of(rest, n, seconds):
    """What the keeper told (how it ended; trusted) and what the program answered (not trusted) -> Outcome."""
    report, _, answer = rest.partition(b"\n")
    late, status, cpu, peak = [float(number) for number in report.split()]
    if late:
        return Outcome("timeout", (), f"over {PATIENCE * seconds} seconds by the clock")
    try:
        rule, said = json.loads(answer) if len(answer) <= LARGEST_ANSWER else None
        if rule == "raised":
            reason = line_of(bytes.fromhex(said).decode())
            return Outcome("memory" if reason.startswith("MemoryError") else "error", (), reason)
        if rule == "ok" and type(said) is list and len(said) == n:
            values = tuple(value_of(*item) for item in said)
            spent = any(isinstance(v, NoValue) and v.reason.startswith("MemoryError") for v in values)
            return Outcome("memory", (), "MemoryError") if spent else Outcome("ok", values, "")
    except Exception:
        pass                                                               # not what `program` writes, but forged
    if cpu > seconds - 0.1:
        return Outcome("timeout", (), f"over {seconds} seconds of processor time")
    if peak > 0.8 * MEMORY:
        return Outcome("memory", (), f"over {MEMORY >> 20} MiB")
    stopped = os.WTERMSIG(int(status)) if os.WIFSIGNALED(int(status)) else 0
    return Outcome("error", (), f"ended by signal {stopped}" if stopped not in (0, signal.SIGKILL) else "ended without a proper answer")


def value_of(rule, said):
    if rule == "value":
        return decode(said)
    if rule not in ("raised", "no plain value"):
        raise ValueError("no such rule")
    return NoValue(rule, line_of(bytes.fromhex(said).decode()))


def decode(tree, depth=0):
    """The inverse of `encode`, strict: ValueError or TypeError for whatever encode does not write."""
    if type(tree) is not list or len(tree) != 2 or depth > DEEPEST:
        raise ValueError("not a value")
    kind, content = tree
    if kind == "dict":
        return {decode(k, depth + 1): decode(v, depth + 1) for k, v in content}
    if kind in ("list", "tuple", "set", "frozenset") and type(content) is list:
        return {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[kind](decode(item, depth + 1) for item in content)
    if kind == "complex":
        return complex(*map(float.fromhex, content))
    if type(content) is not str:
        raise ValueError("not a value")
    if kind in ("str", "bytes"):
        return bytes.fromhex(content).decode("utf-8", "surrogatepass") if kind == "str" else bytes.fromhex(content)
    return {"none": lambda _: None, "bool": lambda c: bool(int(c, 16)), "int": lambda c: int(c, 16), "float": float.fromhex}[kind](content)


def line_of(text):
    """A text of the child's as one line that a terminal can take."""
    return "".join(c if c.isprintable() else " " for c in text[:200]).strip().removesuffix(":")
