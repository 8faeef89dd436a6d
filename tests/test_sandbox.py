"""The sandbox and the code judge: hostile programs, each written to get a pass without solving the task, to read, to
write, to reach out, to stay or to use up; and the ordinary programs that have to pass all the same.

Every hostile program defines f, and the test is `assert f(7) == SECRET`. The secret is made anew on every run and lies
about where an attacker would look: in a file, in the environment, in the memory of this process. A program that gets at
it passes; none may.
"""
import glob
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import judge
from data import UserError
from data.judging import sandbox, sandbox_child
from data.judging.asserts import read_test
from data.run import rejudge

WAY, WHY = sandbox.containment()
contained = pytest.mark.skipif(WAY is None, reason=f"nothing here contains generated code: {WHY}")

# Four lists of programs: ### what it tries [-> the rule that has to say so, or several where the machine decides]
# 1. get a pass without solving the task
PASS = r'''
### object equal to everything
class E:
    def __eq__(s, o): return True
    def __ne__(s, o): return False
    __hash__ = None
f = lambda x: E()

### text that lies about equality
class S(str):
    def __eq__(s, o): return True
    __hash__ = str.__hash__
f = lambda x: S('a')

### number that lies about equality
class I(int):
    def __eq__(s, o): return True
    __hash__ = int.__hash__
f = lambda x: I(1)

### dict with lying methods
class D(dict):
    def __eq__(s, o): return True
    def items(s): raise SystemExit(0)
f = lambda x: D(a=1)

### list that claims another class
class L(list):
    __class__ = property(lambda s: str)
    def __iter__(s): return iter('ab')
f = lambda x: L([1])

### equal object inside a list
class E:
    def __eq__(s, o): return True
f = lambda x: [E()]

### metaclass that is a subclass of everything
class M(type):
    def __subclasscheck__(c, o): return True
    def __instancecheck__(c, o): return True
    def __eq__(c, o): return True
    __hash__ = type.__hash__
class E(metaclass=M): pass
f = lambda x: E

### sys.exit(0) at the top
import sys
sys.exit(0)

### sys.exit(0) in the function
import sys
def f(x): sys.exit(0)

### raise SystemExit in the function
def f(x): raise SystemExit(0)

### os._exit(0) in the function
import os
def f(x): os._exit(0)

### os._exit(0) at the top
import os
os._exit(0)

### KeyboardInterrupt
def f(x): raise KeyboardInterrupt

### an exception that raises when it is told
class X(BaseException):
    def __str__(s): raise SystemExit(0)
def f(x): raise X

### builtins patched
import builtins
for n in ('eval', 'compile', 'type', 'issubclass', 'len', 'hex', 'str'):
    setattr(builtins, n, lambda *a, **k: True)
f = lambda x: True

### assert patched away
import builtins
builtins.AssertionError = type('A', (BaseException,), {})
builtins.__debug__ = False
f = lambda x: 1

### encoder replaced
import __main__
__main__.encode = lambda *a: ['value', True]
__main__.evaluate = lambda *a: ['pass', True]
f = lambda x: 1

### encoder made to say any value
import sys
for m in list(sys.modules.values()):
    if hasattr(m, 'evaluate'): m.evaluate = lambda e, s: ['value', ['bool', '0x1']]
f = lambda x: 1

### json patched
import json
json.dumps = lambda *a, **k: '["ok", true]'
json.loads = json.dumps
f = lambda x: 1

### frames searched for the expected value
import re, sys
def f(x):
    frame = sys._getframe()
    while frame:
        if found := re.search('SECRET[0-9a-f]{32}', repr((frame.f_locals, frame.f_globals, frame.f_code.co_consts))):
            return found[0]
        frame = frame.f_back

### garbage collector searched
import gc, re
def f(x):
    for thing in gc.get_objects():
        if isinstance(thing, (dict, list, tuple)) and (found := re.search('SECRET[0-9a-f]{32}', repr(thing))):
            return found[0]

### own memory searched, with what the loader left of files and pipes
import ctypes, re
def f(x):
    for start in range(id(f) & ~0xfffff, (id(f) & ~0xfffff) + 2**20, 4096):
        if found := re.search(b'SECRET[0-9a-f]{32}', ctypes.string_at(start, 4096)):
            return found[0].decode()

### result printed
print('1 passed')
print('["ok", [["value", ["bool", "0x1"]]]]')
f = lambda x: None

### forged answers on every descriptor
import os
for fd in range(64):
    for said in (b'ready\n0 0 0.1 1\n', b'["ok", [["value", ["bool", "0x1"]]]]', b'\nOK\n'):
        try: os.write(fd, said)
        except OSError: pass
os._exit(0)

### a forged answer, well-formed, a pass in it
import os
os.write(3, b'["pass", [["value", true]]]')
os._exit(0)

### a forged answer with values that equal by accident
import os
os.write(3, b'["ok", [["value", ["float", "nan"]]]]')
os._exit(0)

### binary garbage
import os
os.write(3, bytes(range(256)) * 100)
os._exit(0)

### deeply nested JSON
import os
os.write(3, b'[' * 500000)
os._exit(0)

### JSON with NaN and Infinity
import os
os.write(3, b'["ok", [["value", NaN]]]')
os._exit(0)

### JSON with repeated keys
import os
os.write(3, b'{"ok": 1, "ok": [["value", 1]], "pass": true}')
os._exit(0)

### a number of a million digits
import os
os.write(3, b'["ok", [["value", ' + b'9' * 900000 + b']]]')
os._exit(0)

### an unknown type, an unhashable key
import os
os.write(3, b'["ok", [["value", ["set", [["list", []]]]]]]')
os._exit(0)

### two answers
import os
os.write(3, b'["ok", [["value", ["none", ""]]]]')
f = lambda x: 1

### more values than were asked for
import os
os.write(3, b'["ok", [["value", ["none", ""]], ["value", ["none", ""]]]]')
os._exit(0)

### keys made to collide, to slow the reader
f = lambda x: {k * (2**61 - 1) for k in range(1, 3000)}

### function returned
def f(x): return f

### generator returned
def f(x): yield x

### module returned
import sys
f = lambda x: sys.modules['__main__']

### output closed
import os
os.close(1); os.close(2); os.close(3)
f = lambda x: 1

### at-exit hook
import atexit, os
atexit.register(lambda: os.write(3, b'["ok", []]'))
f = lambda x: 1

### trace function that rewrites the run
import sys
sys.settrace(lambda fr, ev, a: fr.f_locals.update(value=True))
sys.setprofile(lambda *a: None)
f = lambda x: 1

### destructor with a last word
class D:
    def __del__(s):
        import os; os.write(3, b'["ok", [["value", ["bool", "0x1"]]]]')
d = D()
def f(x):
    global d
    del d
    return 1

### expected value taken from the test's own text
import sys
def f(x): return sys._getframe(1).f_code.co_consts + sys._getframe(2).f_code.co_consts
'''

# 2. read the secret, or anything that belongs to this machine's users
LOOK = r'''
### the data set by its path
f = lambda x: open({file!r}).read()

### the data set through /proc
f = lambda x: open('/proc/1/root' + {file!r}).read()

### the project
import os
f = lambda x: 'SECRET' if os.path.exists({project!r}) else None

### the parent's environment
import os
f = lambda x: open('/proc/%d/environ' % os.getppid()).read()

### any process's environment and command line
import glob
def f(x):
    said = ''
    for p in glob.glob('/proc/*/environ') + glob.glob('/proc/*/cmdline'):
        said += open(p).read()
    return said[said.index('SECRET'):][:38]

### its own environment
import os
f = lambda x: os.environ['SECRET']

### the environment block behind os.environ
import ctypes
def f(x):
    get = ctypes.CDLL(None).getenv
    get.restype = ctypes.c_char_p
    return get(b'SECRET').decode()

### open descriptors
import os
def f(x):
    for fd in range(256):
        try:
            os.lseek(fd, 0, 0); said = os.read(fd, 4096)
            if b'SECRET' in said: return said.decode()
        except OSError: pass

### climb out of the root with chroot
import os
def f(x):
    try: os.mkdir('d'); os.chroot('d')
    except OSError: pass
    for _ in range(40): os.chdir('..')
    return open('.' + {file!r}).read()

### climb out by a new name space and mount
import ctypes
c = ctypes.CDLL(None)
c.unshare(0x10020000)
c.mount(b'none', b'/work', b'proc', 0, None)
f = lambda x: open('/work/1/root' + {file!r}).read()

### remount
import ctypes
c = ctypes.CDLL(None)
c.mount(b'', b'/', b'', 32 | 4096, b'')
c.umount2(b'/', 2)
f = lambda x: open({file!r}).read()

### open by file handle
import ctypes
c = ctypes.CDLL(None)
f = lambda x: str(c.open_by_handle_at(-100, b'\x08\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0', 0)) if c.open_by_handle_at else 0

### memory of the keeper
import ctypes, os
c = ctypes.CDLL(None)
f = lambda x: 'SECRET' if c.ptrace(16, os.getppid(), 0, 0) == 0 or c.ptrace(16, 1, 0, 0) == 0 else None

### packages of the user
import sys
sys.path += {site!r}
import torch
f = lambda x: torch.__file__
'''

# 3. write outside (a file named marker), reach the network or other processes, outlive the verdict
REACH = r'''
### write a file outside
open({marker!r}, 'w').write('x')
f = lambda x: 1

### write through a link
import os
os.symlink({folder!r}, 'out')
open('out/' + os.path.basename({marker!r}), 'w')
f = lambda x: 1

### change the standard library
import json
open(json.__file__, 'a').write('#x')
f = lambda x: 1

### write by a shell
import os
os.system('touch ' + {marker!r})
f = lambda x: 1

### write by exec
import os
os.execv('/bin/touch', ['touch', {marker!r}])

### write in every writable folder
import os
for d in ('/', '/tmp', '/work', '/dev/shm', '/var/tmp', '/run', '/proc', '.'):
    try: open(d + '/x', 'w'); open({marker!r}, 'w')
    except OSError: pass
    else: raise SystemExit
def f(x): return 'nowhere'

### tcp
import socket
socket.create_connection(('127.0.0.1', {port}), 1).send(b'x')
f = lambda x: 1

### udp
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))
f = lambda x: 1

### abstract unix socket
import socket
socket.socket(socket.AF_UNIX).connect({abstract!r})
f = lambda x: 1

### kill everyone
import os
for pid in (-1, 0, 1, os.getppid()):
    for signal in (9, 15, 2, 19):
        try: os.kill(pid, signal)
        except OSError: pass
f = lambda x: 1

### lower the keeper's limits
import resource, os
resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (0, 0))
f = lambda x: 1

### fork and write later
import os, time
if os.fork() == 0:
    time.sleep(0.3)
    open({marker!r}, 'w')
f = lambda x: 1

### double fork in a new session
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: time.sleep(600)
    os._exit(0)
f = lambda x: 1

### raw clone and vfork
import ctypes, time
c = ctypes.CDLL(None)
for n in (57, 58, 56, 435, 220):
    if c.syscall(n, 17, 0, 0, 0, 0) == 0: time.sleep(600)
f = lambda x: 1

### a thread that stays
import threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
f = lambda x: 1

### 32-bit and x32 system calls
import ctypes
c = ctypes.CDLL(None)
c.syscall(0x40000000 + 57)
f = lambda x: 1
'''

# 4. use up time, memory, output, processes, disk
USE_UP = r'''
### sleep -> timeout
import time
time.sleep(600)

### sleep in the function -> timeout
import time
def f(x): time.sleep(600)

### busy loop -> timeout
def f(x):
    while True: pass

### deaf to signals -> timeout
import signal
for s in range(1, 65):
        try: signal.signal(s, signal.SIG_IGN)
        except (OSError, ValueError): pass
def f(x):
    while True: pass

### catches everything -> timeout
def f(x):
    while True:
        try:
            while True: pass
        except BaseException: pass

### blocks in C: a power -> timeout
f = lambda x: 9**9**9

### blocks in C: a pattern -> timeout
import re
f = lambda x: re.match('(a+)+$', 'a' * 60 + 'b')

### waits for input -> error
f = lambda x: input()

### answers, then stays -> timeout
import os, time
os.write(3, b'["ok", [["value", ["none", ""]]]]')
time.sleep(600)

### a list that grows -> memory
def f(x):
    a = []
    while True: a.append(bytes(10**6))

### a huge shift -> memory
f = lambda x: 1 << 10**11

### mmap
import mmap
f = lambda x: [mmap.mmap(-1, 2**28) for _ in range(9)]

### memfd -> error
import os
fd = os.memfd_create('x')
while True: os.write(fd, bytes(2**20))

### shared memory
import ctypes
c = ctypes.CDLL(None)
f = lambda x: c.shmget(0, 2**30, 0o1600)

### floods what is printed -> timeout
import sys
def f(x):
    while True:
        print('x' * 10**6); sys.stderr.write('y' * 10**6)

### floods the answer -> error
import os
while True: os.write(3, b'x' * 10**6)

### a gigantic value -> fail
f = lambda x: 'x' * 10**8

### a gigantic number -> fail
f = lambda x: 1 << 10**9

### a deeply nested value -> fail
def f(x):
    a = []
    for _ in range(10**5): a = [a]
    return a

### a list in itself -> fail
def f(x):
    a = []
    a.append(a)
    return a

### a list of lists, each many times the next -> fail
def f(x):
    a = [1]
    for _ in range(30): a = [a] * 10
    return a

### a fork bomb -> error
import os
while True: os.fork()

### a thread bomb -> error
import threading, time
while True: threading.Thread(target=time.sleep, args=(600,)).start()

### opens files without end -> error
a = []
while True: a.append(open('/etc/ld.so.cache'))

### fills the disk -> error
with open('x', 'wb') as out:
    while True: out.write(bytes(2**20))

### endless recursion -> error
def f(x): return f(x)

# What comes first depends on the interpreter, its speed and where the kernel put its stack: Python 3.10 runs off the
# stack, 3.11 needs more than a second to unwind, 3.12 and 3.13 run out of memory, and then crash or raise SystemError.
### recursion past the stack -> timeout or memory or error
import sys
sys.setrecursionlimit(10**9)
def f(x): return [f(x)]

### a segmentation fault -> error
import ctypes
f = lambda x: ctypes.string_at(0)

### source nested to crash the compiler -> error
exec('f = lambda x: ' + '(' * 5000 + ')' * 5000)

### a minus sign ten thousand times
exec('f = lambda x: ' + '-' * 10000 + 'x')
'''


def cases(text):
    """-> [(what it tries, [rules that may say so], program), ...]; no rules: any but a pass."""
    programs = []
    for part in text.split("\n### ")[1:]:
        head, _, program = part.partition("\n")
        name, _, rules = head.partition(" -> ")
        programs.append((name, rules.split(" or ") if rules else [], program.strip("\n")))
    return programs


# Without the filter of system calls only the process space ends a bomb: not on someone's machine.
FILTERED = os.uname().machine in sandbox_child.MACHINES
HOSTILE = [case for case in cases(PASS + LOOK + REACH + USE_UP) if FILTERED or "bomb" not in case[0]]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Every hostile program judged, in a pool; and what there was to see outside: {"verdicts", "reached", ...}."""
    folder = tmp_path_factory.mktemp("outside")
    tag = f"#{secrets.token_hex(8)}"
    secret = "SECRET" + secrets.token_hex(16)
    (folder / "data.jsonl").write_text(secret)
    tcp = socket.create_server(("127.0.0.1", 0))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(tcp.getsockname())
    unix = socket.socket(socket.AF_UNIX)
    unix.bind("\0" + tag)
    unix.listen()
    for server in (tcp, udp, unix):
        server.settimeout(0)
    places = {"file": str(folder / "data.jsonl"), "project": str(ROOT), "marker": str(folder / "marker"),
              "folder": str(folder), "port": tcp.getsockname()[1], "abstract": "\0" + tag,
              "site": [p for p in sys.path if p.endswith("packages")]}

    def one(case):
        name, _, program = case
        for place, value in places.items():
            program = program.replace("{%s!r}" % place, repr(value)).replace("{%s}" % place, str(value))
        return name, judge.code(f"```python\n{program}\n```", [f"assert f(7) == {secret!r}"])

    late = [case for case in HOSTILE if "timeout" in case[1]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "START", sandbox.START + tag)
        patch.setattr(tempfile, "tempdir", str(folder))
        patch.setenv("SECRET", secret)
        patch.setattr(sandbox, "PATIENCE", 30)                             # a slow machine makes none of these late
        with ThreadPoolExecutor(3) as pool:
            verdicts = dict(pool.map(one, [case for case in HOSTILE if case not in late]))
        patch.setattr(sandbox, "SECONDS", 1)                               # these end no sooner: all at once
        patch.setattr(sandbox, "PATIENCE", 2)
        with ThreadPoolExecutor(len(late)) as pool:
            verdicts |= pool.map(one, late)
    left = running(tag) - {os.getpid()}
    reached = []
    for server in (tcp, udp, unix):
        try:
            server.recv(1) if server is udp else server.accept()
            reached.append(server)
        except OSError:
            pass
        server.close()
    files = sorted(p.name for p in folder.iterdir())
    return {"verdicts": verdicts, "reached": reached, "left": left, "files": files, "secret": secret}


def read(path):
    try:
        return open(path, "rb").read().decode("utf-8", "replace")
    except OSError:
        return ""


@contained
@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case[0])
def test_hostile(ran, case):
    name, rules, _ = case
    verdict = ran["verdicts"][name]
    assert not verdict.ok and verdict.scores["passed"] == 0
    assert verdict.rule in (rules or ("fail", "error", "timeout", "memory")), verdict      # never our own trouble
    assert ran["secret"] not in verdict.reason.rpartition("wanted")[0]
    assert "\n" not in verdict.reason and verdict.reason.isprintable() and len(verdict.reason) < 400


@contained
def test_the_machine_is_as_before(ran):
    assert len({case[0] for case in HOSTILE}) == len(HOSTILE) >= 40
    assert ran["files"] == ["data.jsonl"]                                  # no marker, no file or folder of a run left
    assert ran["reached"] == []
    assert ran["left"] == set()


# ---- Ordinary programs ------------------------------------------------------------------------------------------

DOUBLE = "```python\ndef f(x):\n    return 2 * x\n```"


def rule(program, *tests, setup=""):
    return judge.code(f"```python\n{program}\n```", list(tests), setup).rule


@contained
@pytest.mark.parametrize("program, test", [
    ("from collections import Counter\nf = Counter", "assert f('aab') == {'a': 2, 'b': 1}"),
    ("from collections import defaultdict\ndef f(x):\n    d = defaultdict(list)\n    d[x].append(1)\n    return d",
     "assert f(2) == {2: [1]}"),
    ("from collections import OrderedDict\nf = lambda x: OrderedDict([(x, 1), (0, 2)])", "assert f(7) == {0: 2, 7: 1}"),
    ("from collections import namedtuple\nP = namedtuple('P', 'a b')\nf = lambda x: [P(x, 2)]",
     "assert f(1) == [(1, 2)]"),
    ("import enum\nclass C(enum.IntEnum):\n    A = 3\nf = lambda x: C.A", "assert f(1) == 3"),
    ("class S(str): pass\nf = lambda x: (S('a'), frozenset({S('b')}), {S('c'): S('d')})",
     "assert f(1) == ('a', {'b'}, {'c': 'd'})"),
    ("f = lambda x: 7 ** x", "assert f(2000) == " + hex(7 ** 2000)),
    ("f = lambda x: -(1 << x)", "assert f(70) == -1180591620717411303424"),
    ("f = lambda x: [1e400, -1e400, -0.0, 0.1 + 0.2]", "assert f(1) == [1e999, -1e999, 0, 0.30000000000000004]"),
    ("f = lambda x: (x, 1j, b'\\x00\\xff', '\\ud800', None, True, ...) [:6]",
     "assert f(1) == (1, 1j, b'\\x00\\xff', '\\ud800', None, True)"),
    ("f = lambda x: 1 == x", "assert f(1) == 1"), ("f = lambda x: float('nan')", "assert f(1) != 0"),
    ("import math\nf = lambda x: math.sqrt(x)", "assert math.isclose(f(2), 1.41421356, rel_tol=1e-6)"),
    ("import re, heapq, itertools, functools, bisect, datetime, string, random, copy, operator, decimal, fractions\n"
     "import typing, dataclasses\n"
     "@dataclasses.dataclass\nclass P:\n    a: 'int'\nf = lambda x: P(x).a + heapq.nlargest(1, [1, 2])[0]",
     "assert f(1) == 3"),
    ("def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
     "def f(n):\n    def g(m): return m and 1 + g(m - 1)\n    return fib(15) + g(n)",
     "assert f(500) == 1110"),
    ("def f(x):\n    return x\n\nif __name__ == '__main__':\n    raise SystemExit(input())", "assert f(1) == 1"),
    ("def f(x):\r\n\tif x:\r\n\t\treturn 1\r\n\treturn 0", "assert f(5) == 1"),
    ("print('hello')\ndef f(x):\n    print(x)\n    return x", "assert f(1) == 1"),
    ("f = lambda x: hash('a') % 1000, hash('b') % 1000\nf = lambda x, was=hash('abc'): was == hash('abc')",
     "assert f(1)"),
    ("import os, sys\nf = lambda x: (dict(os.environ), os.listdir('.'), sys.argv, __name__)",
     "assert f(1) == ({}, [], ['program'], 'program')"),
    ("import sys\nf = lambda x: sys.getsizeof(x)", "assert f((1, 2)) == sys.getsizeof((1, 2))"),
])
def test_right_programs_pass(program, test):
    assert rule(program, test) == "pass"


@contained
def test_the_hash_seed_is_fixed():
    program = "x = [hash('a'), hash(b'b'), list({'p', 'q', 'r', 's', 't'})]"
    first, second = (sandbox.run(program, ["x"]) for _ in range(2))
    assert first.rule == "ok" and first.values == second.values


@contained
def test_setup_runs_after_the_program():
    node = "class Node:\n    def __init__(self, v):\n        self.v = v\ndef f(n):\n    return n.v"
    assert rule(node, "assert f(root) == 4", setup="root = Node(4)") == "pass"
    assert rule(node, "assert f(root) == 4", setup="root = Leaf(4)") == "error"


@contained
def test_each_expression_stands_alone():
    outcome = sandbox.run("def f(x):\n    return 1 // x", ["f(1)", "f(0)", "f", "f(-1)", "g(1)"])
    assert outcome.rule == "ok" and outcome.values[0] == 1 and outcome.values[3] == -1
    rules = [value.rule for value in outcome.values if isinstance(value, sandbox.NoValue)]
    assert rules == ["raised", "no plain value", "raised"]
    verdict = judge.code(DOUBLE, ["assert f(1) == 2", "assert f(None) == 2", "assert f(2) == 5"])
    assert (verdict.ok, verdict.rule, verdict.scores) == (False, "error", {"passed": 1, "tests": 3})
    assert "TypeError" in verdict.reason


@contained
def test_odd_texts_get_a_verdict():
    tests = ["assert f(1) == 2"]
    assert judge.code(DOUBLE.replace("2", "\0"), tests).rule == "error"
    assert judge.code(DOUBLE.replace("2", "'\ud800'"), tests).rule == "error"
    assert judge.code("x" * 10**7, tests).rule == "too long"
    assert sandbox.run("x = 1\n" * 2 * 10**6, ["x"]).rule == "error"
    assert judge.code("", tests).rule == "no code"
    assert judge.code("```python\ndef f(x):\n    return 2", tests).rule == "unclosed"
    assert judge.code("```python\nx = 1\n```\n```python\ny = 1\n```", tests).rule == "no function"
    assert judge.code(f"[BEGIN]\n{DOUBLE[10:-4]}\n[DONE]", tests).ok and judge.code(DOUBLE[10:-4], tests).ok
    assert judge.code(DOUBLE.replace("\n", "\r\n"), tests).ok


def test_bad_tests_are_one_line():
    for test in ("assert f(", "f(1) == 2", "assert f(1) == f(2)", "assert 1 == 1", "assert f(1) == 1 and f(2) == 2",
                 "assert (f(1) == 1) == True", "\0", "assert all(f(x) == x for x in (1, 2))", "assert f(1) is 3",
                 "assert f(1) == 1; import os",
                 "assert f(1) < f(2) < 3", "(" * 9999, "", "assert abs(f(1) - g(1)) < 2",
                 "assert (y := f(1)) == 1 or y", "assert f(1) is 1",
                 "assert math.isclose(f(1), 2, x=f(2))", "\ud800"):
        with pytest.raises(ValueError) as error:
            judge.check_tests(["assert f(1) == 1", test])
        assert "\n" not in str(error.value) and len(str(error.value)) < 250
    tests = judge.check_tests(["assert f(1) == 1", "assert sorted(set(g(2))) == [1]", "assert sum(1, 2) == 3"])
    assert [test.names for test in tests] == [("f",), ("g",), ("sum",)]
    verdict = judge.code(DOUBLE, ["assert f(1) == 2", "assert f(1) =="])
    assert (verdict.ok, verdict.rule) == (False, "bad test") and "f(1) ==" in verdict.reason


def test_the_child_is_not_told_what_is_expected():
    for test in ("assert f(1) == 'SECRET'", "assert 'SECRET' == f(1)", "assert f(1) in ['SECRET']",
                 "assert math.isclose(f(1), 0.12345)",
                 "assert abs(f(1) - 0.12345) < 0.01", "assert abs(0.12345 - f(1)) <= 0.01",
                 "assert f(1) != 'SECRET', 'SECRET'"):
        assert read_test(test).expression == "f(1)"


@contained
def test_targets():
    tests = ["assert f(1) == 2"]
    wrong = DOUBLE.replace("2 *", "3 *")
    leaky = DOUBLE.replace("def", "# as in the reference answer\ndef")
    for source, text, want in (
            ("own", DOUBLE, "pass"), ("own", wrong, "fail"), ("own", leaky, "pass"),
            ("paraphrase", DOUBLE, "pass"), ("paraphrase", leaky, "leak"), ("paraphrase", wrong, "fail"),
            ("paraphrase_number", leaky, "pass"), ("own_number", wrong, "fail"), ("gold", wrong, "gold")):
        verdict = judge.target_code(text, tests, "", source)
        assert (verdict.rule, verdict.ok) == (want, want in ("pass", "gold"))
    with pytest.raises(ValueError, match="unknown source"):
        judge.target_code(DOUBLE, tests, "", "elsewhere")


# ---- Where something is missing ---------------------------------------------------------------------------------

def test_no_containment_is_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sandbox, "containment", lambda: (None, "unshare: Operation not permitted"))
    with pytest.raises(UserError) as error:
        sandbox.check()
    message = str(error.value)
    assert "\n" not in message and "Operation not permitted" in message and "--unsafe-code" in message
    with pytest.raises(UserError):
        judge.code(DOUBLE, ["assert f(1) == 2"])
    assert not any(kind == "code" for kind, *_ in rejudge.table())
    path = tmp_path / "attempts.jsonl"
    attempt = {"id": 1, "source": "own", "text": DOUBLE, "finish_reason": "end", "gold": "", "judge": "code",
               "tests": ["assert f(1) == 2"]}
    path.write_text(json.dumps(attempt))
    capsys.readouterr()
    assert rejudge.main([str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UserError, match="Linux container"):
        sandbox.check()


def test_limits_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(sandbox, "containment", lambda: (None, "no name spaces"))
    for name, value in (("UNSAFE", False), ("SECONDS", 1), ("PATIENCE", 1)):
        monkeypatch.setattr(sandbox, name, value)
    sandbox.allow_limits_alone()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    programs = [program for _, _, program in cases(PASS)]
    programs += ["import os\nopen('x', 'w').write('y' * 9)\nf = lambda x: 1", "import time\ntime.sleep(60)"]
    with ThreadPoolExecutor(4) as pool:
        texts = [f"```\n{program}\n```" for program in programs]
        verdicts = list(pool.map(lambda text: judge.code(text, ["assert f(7) == 'SECRET'"]), texts))
    assert all(verdict.rule in ("fail", "error", "timeout") and not verdict.ok for verdict in verdicts)
    assert verdicts[-1].rule == "timeout"
    monkeypatch.setattr(sandbox, "PATIENCE", 600)
    assert rule("import os\nf = lambda x: (os.listdir('.'), dict(os.environ))", "assert f(1) == ([], {})") == "pass"
    assert list(tmp_path.iterdir()) == []


@contained
def test_our_own_trouble_is_no_wrong_answer(monkeypatch):
    tries = []
    command = sandbox.command
    monkeypatch.setattr(sandbox, "WAITS", (0, 0))
    monkeypatch.setattr(sandbox, "command", lambda way: (tries.append(way) or ["/bin/false"], None))
    verdict = judge.code(DOUBLE, ["assert f(1) == 2"])
    assert (verdict.rule, verdict.ok, len(tries)) == ("harness", False, 3)
    monkeypatch.setattr(sandbox, "command", lambda way: (["/no/such/program"], None))
    assert judge.code(DOUBLE, ["assert f(1) == 2"]).rule == "harness"
    monkeypatch.setattr(sandbox, "command", lambda way: (command(way)[0], (["/no/such/folder"], [], [])))
    verdict = judge.code(DOUBLE, ["assert f(1) == 2"])
    assert verdict.rule == "harness" and "\n" not in verdict.reason
    tries.clear()

    def fails_twice(way):
        tries.append(way)
        return (["/bin/false"], None) if len(tries) < 3 else command(way)
    monkeypatch.setattr(sandbox, "command", fails_twice)
    assert judge.code(DOUBLE, ["assert f(1) == 2"]).ok                     # and a trouble that passes is not even seen


@contained
def test_a_killed_judge_leaves_nothing(tmp_path):
    tag = secrets.token_hex(8)
    script = (f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom data.judging import sandbox\n"
              f"sandbox.PATIENCE, sandbox.START = 600, sandbox.START + '#{tag}'\n"      # its end does not end the child
              "print(sandbox.containment(), flush=True)\nsandbox.run('import time\\ntime.sleep(10**6)', ['1'])")
    judge_process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=tmp_path)
    judge_process.stdout.readline()
    wait_for(lambda: len(running(tag, sandbox.interpreter()) - {judge_process.pid}) == 2)      # the keeper and its fork
    judge_process.kill()
    judge_process.communicate()
    wait_for(lambda: not running(tag))


def running(tag, program=""):
    """The ids of the processes of this program in whose command line the tag stands."""
    lines = {path: read(path) for path in glob.glob("/proc/[0-9]*/cmdline")}
    return {int(path.split("/")[2]) for path, line in lines.items() if tag in line and line.startswith(program)}


def wait_for(condition, seconds=300):
    """Long, for a machine under load: it is waited for as long only where something is broken."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not come about in time"
        time.sleep(0.05)


@contained
def test_judge_file_judges_code_again(tmp_path, capsys):
    base = {"finish_reason": "end", "gold": "", "judge": "code", "tests": ["assert f(1) == 2"], "setup": ""}
    rows = [{"id": n, "source": source, "text": text, **base} for n, (source, text) in enumerate([
        ("own", DOUBLE), ("own", DOUBLE.replace("2", "3")), ("paraphrase", DOUBLE + "\nThis is my response."),
        ("gold", DOUBLE)])]
    rows.append({"id": 9, "source": "own", "text": "The answer is 3.", "finish_reason": "end", "gold": "3"})
    path = tmp_path / "attempts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert rejudge.main([str(path)]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert lines[0] == "5 attempts at 5 examples" and "own: 2 of 3 accepted, 66.7%" in lines
    counts = [line.split()[:2] for line in lines]
    assert ["accepted", "pass"] in counts and ["refused", "leak"] in counts
    for broken, word in (({"tests": None}, "'tests'"), ({"tests": ["assert f("]}, "cannot be used"),
                         ({"tests": []}, "no test")):
        path.write_text(json.dumps({**rows[0], **broken}) + "\n")
        assert rejudge.main([str(path)]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and word in err and "line 1:" in err


@contained
def test_a_run_starts_one_interpreter_that_imports_little(monkeypatch):
    """That is what a run costs (tests/check_mbpp_golds.py measures it). The program itself may import more."""
    needed = "ctypes, marshal, os, resource, select, struct, sys, time"
    bare = subprocess.run([sandbox.interpreter(), "-s", "-S", "-B", "-c", f"import {needed}; print(*sys.modules)"],
                          capture_output=True, text=True, check=True).stdout.split()
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(a) or popen(*a, **k))
    outcome = sandbox.run("import sys\nnames = list(sys.modules)", ["names"])
    assert set(outcome.values[0]) - {"program"} <= set(bare) and len(started) == 1


@contained
def test_time_limits(monkeypatch):
    """Some seconds of processor time, however long that takes; and one by the clock for a program that uses none."""
    monkeypatch.setattr(sandbox, "SECONDS", 3)
    monkeypatch.setattr(sandbox, "PATIENCE", 600)
    outcome = sandbox.run("while True: pass", ["1"])
    assert (outcome.rule, outcome.reason) == ("timeout", "over 3 seconds of processor time")
    monkeypatch.setattr(sandbox, "SECONDS", 1)
    monkeypatch.setattr(sandbox, "PATIENCE", 1)
    outcome = sandbox.run("import time\ntime.sleep(600)", ["1"])
    assert (outcome.rule, outcome.reason) == ("timeout", "over 1 seconds by the clock")


def test_a_program_that_is_only_thought_of_passes_none_of_the_tests():
    verdict = judge.code("<think>def f(x): return x", ["assert f(1) == 1", "assert f(2) == 2"])
    assert verdict.scores == {"passed": 0, "tests": 2}
