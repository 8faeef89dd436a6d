"""sandbox_child.py - the whole program of the contained Python that data/judging/sandbox.py starts.

sandbox.py sends this file, compiled, and a job to a fresh interpreter. A job is a dict:

    program, setup      source texts, run in this order
    expressions         source texts, each evaluated after them
    seconds, wall       the most seconds of processor time, and by the clock
    contained           False where only `limit` holds the program
    root                the arguments of `new_root` where the keeper has to call it, or None
    null                a descriptor of /dev/null: a contained process has no path to it

It runs as two processes. The keeper sets things up, forks, passes the fork's answer on and reports
how the fork ended; it runs nothing of the program, so its report can be trusted. The fork gives up
its rights and runs the program. Imports are few and small, since every run pays for them.
"""
import ctypes
import os
import select
import struct
import sys
import time

MEMORY = 512 * 2**20                    # bytes of address space
LARGEST_VALUE = 100_000                 # characters of one encoded value
LARGEST_ANSWER = 1_000_000              # characters of all of them together
DEEPEST = 40                            # levels of lists within lists

# What the kernel calls a machine's system calls, and the column of DENIED that holds their numbers.
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

# System calls that an exercise has no use for: (number on x86_64, number on aarch64).
# From 424 on all machines share one number.
DENIED = {
    # start a process, a thread or a program
    "fork": (57, None), "vfork": (58, None), "clone": (56, 220), "clone3": (435, 435),
    "execve": (59, 221), "execveat": (322, 281), "setsid": (112, 157), "setpgid": (109, 154),
    # signal, trace or read other processes
    "ptrace": (101, 117), "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "kcmp": (312, 272),
    "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "process_madvise": (440, 440),
    # other name spaces, other roots, other file systems
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    # memory that the limits do not count, and shared memory
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "memfd_create": (319, 279),
    "memfd_secret": (447, 447), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    # sockets, and calls made on a program's behalf by the kernel
    "socket": (41, 198), "socketpair": (53, 199), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "userfaultfd": (323, 282),
    # the kernel itself
    "bpf": (321, 280), "perf_event_open": (298, 241), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219), "init_module": (175, 105),
    "delete_module": (176, 106), "finit_module": (313, 273), "kexec_load": (246, 104),
    "reboot": (169, 142), "acct": (163, 89), "personality": (135, 92), "syslog": (103, 116),
    "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None),
}


# ---- Containment ---------------------------------------------------------------------------------

def call(name, *arguments):
    """Call a function of the C library by name. OSError if it does not return 0."""
    libc = ctypes.CDLL(None, use_errno=True)
    encoded = [a.encode() if isinstance(a, str) else a for a in arguments]
    if getattr(libc, name)(*encoded) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def new_root(show, links, hide):
    """Move into a root that holds nothing but `show`, read-only, and leave the old one.

    bwrap does this by itself; unshare does not. show: paths; links: [link, target] pairs; hide:
    folders to cover with an empty one.

    The new root grows on /proc, which every Linux has and the program shall not see. After
    pivot_root the old root is detached, so there is no way to climb back to it. Needs Linux 5.12
    for mount_setattr.
    """
    new = "/proc"
    bind = ctypes.c_ulong(0x1000 | 0x4000)                          # MS_BIND | MS_REC
    no_suid_no_dev = 2 | 4                                          # MS_NOSUID | MS_NODEV
    empty = ctypes.c_ulong(no_suid_no_dev)
    call("mount", "tmpfs", new, "tmpfs", empty, "size=64k,mode=755")
    for path in show:
        if os.path.isdir(path):
            os.makedirs(new + path, exist_ok=True)
        else:
            os.makedirs(new + os.path.dirname(path), exist_ok=True)
            open(new + path, "w").close()                           # a file is bound onto a file
        call("mount", path, new + path, None, bind, None)
    for link, target in links:
        os.symlink(target, new + link)
    for path in hide:
        call("mount", "tmpfs", new + path, "tmpfs", empty, "size=4k,mode=755")
    os.mkdir(new + "/work")

    # Make the mount and all mounts below it read-only. A remount, which older kernels know too,
    # would leave those below writable.
    read_only = 1                                                   # MOUNT_ATTR_RDONLY
    attributes = struct.pack("QQQQ", read_only | no_suid_no_dev, 0, 0, 0)
    mount_setattr = ctypes.c_ulong(442)
    from_here = ctypes.c_long(-100)                                 # AT_FDCWD
    recursive = ctypes.c_ulong(0x8000)                              # AT_RECURSIVE
    size = ctypes.c_ulong(len(attributes))
    call("syscall", mount_setattr, from_here, new, recursive, attributes, size)

    os.chdir(new)
    column = MACHINES[os.uname().machine][1]
    pivot_root = ctypes.c_ulong(DENIED["pivot_root"][column])
    call("syscall", pivot_root, ".", ".")                           # the old root lies on top now
    call("umount2", ".", 2)                                         # MNT_DETACH: and is gone
    os.chdir("/work")


def limit(seconds):
    """Set limits, drop all capabilities and filter system calls: for this process and for good.

    What this system lacks is left out: macOS has no MSGQUEUE and refuses AS, and only Linux has
    capabilities and filters.
    """
    import resource
    limits = {
        "CPU": seconds,         # seconds of processor time
        "AS": MEMORY,           # bytes of address space
        "FSIZE": 0,             # bytes of a file written
        "NOFILE": 64,           # open files
        "CORE": 0,              # bytes of a core dump
        "NPROC": 0,             # processes and threads
        "MSGQUEUE": 0,          # bytes in message queues
    }
    for name, most in limits.items():
        try:
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
        except (AttributeError, ValueError, OSError):
            pass
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    for capability in range(64):
        libc.prctl(24, capability, 0, 0, 0)                         # PR_CAPBSET_DROP
    version_3_of_this_process = struct.pack("II", 0x20080522, 0)
    none_of_any_kind = bytes(24)
    libc.capset(version_3_of_this_process, none_of_any_kind)
    libc.prctl(38, 1, 0, 0, 0)                                      # PR_SET_NO_NEW_PRIVS
    if os.uname().machine in MACHINES:
        filter_system_calls(libc)


def filter_system_calls(libc):
    """From here on each call of DENIED returns EPERM. The kernel runs a program before each call:

        load the architecture; is it this machine's?        no: kill the process
        load the number of the call; is it one of x32's?    yes: refuse
        is it the first of DENIED?                          yes: refuse
        ...
        allow
        refuse

    x32 gives the same calls other numbers.
    """
    architecture, column = MACHINES[os.uname().machine]
    numbers = [row[column] for row in DENIED.values() if row[column] is not None]
    load, jump_if_equal, jump_if_at_least, give = 0x20, 0x15, 0x35, 0x06
    allow, refuse, kill = 0x7FFF0000, 0x00050001, 0x80000000

    # An instruction is (code, lines to skip if true, lines to skip if false, operand).
    lines = [
        (load, 0, 0, 4),
        (jump_if_equal, 1, 0, architecture),
        (give, 0, 0, kill),
        (load, 0, 0, 0),
        (jump_if_at_least, len(numbers) + 1, 0, 0x40000000),
    ]
    for n, number in enumerate(numbers):
        to_refuse = len(numbers) - n
        lines.append((jump_if_equal, to_refuse, 0, number))
    lines.append((give, 0, 0, allow))
    lines.append((give, 0, 0, refuse))

    packed = b"".join(struct.pack("HBBI", *line) for line in lines)
    memory = ctypes.create_string_buffer(packed, len(packed))
    header = struct.pack("HP", len(lines), ctypes.addressof(memory))
    libc.prctl(22, 2, header, 0, 0)                                 # PR_SET_SECCOMP, by a filter


# ---- Values on their way out ---------------------------------------------------------------------

PLAIN = (bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict)


def plain_type(value):
    """The type of PLAIN that the value's type is or comes from, or None."""
    for kind in PLAIN:
        if issubclass(type(value), kind):
            return kind
    return None


def encode(value, depth=0):
    """A plain value -> the JSON text of [type, content], all the way down to words and hex digits.

    TypeError for what is no plain value. A value of a subclass (Counter, namedtuple) goes as the
    plain type, and is read by the plain type's own methods: an overridden one has no say. Hex
    digits need no escapes, and so not the module json, whose import takes 6 ms.
    """
    if value is None:
        return '["none", ""]'
    kind = plain_type(value)
    if kind is None:
        raise TypeError(f"it is of type {type(value).__name__}")
    if depth > DEEPEST:
        raise TypeError(f"it is nested more than {DEEPEST} deep")

    if kind in (bool, int):
        size = int.bit_length(value) // 4
    elif kind in (float, complex):
        size = 0
    else:
        size = kind.__len__(value)
    if size > LARGEST_VALUE:
        raise TypeError("it is too large")

    if kind in (bool, int):
        # In hex: Python limits how many decimal digits it writes, and takes long for them.
        content = f'"{hex(int.__index__(value))}"'
    elif kind is float:
        content = f'"{float.hex(float.__pos__(value))}"'            # exact, and nan and inf too
    elif kind is complex:
        real = float.hex(complex.real.__get__(value))
        imaginary = float.hex(complex.imag.__get__(value))
        content = f'["{real}", "{imaginary}"]'
    elif kind is str:
        encoded = str.encode(value, "utf-8", "surrogatepass")
        content = f'"{encoded.hex()}"'
    elif kind is bytes:
        content = f'"{bytes.__getitem__(value, slice(None)).hex()}"'
    elif kind is dict:
        pairs = (f"[{encode(k, depth + 1)}, {encode(v, depth + 1)}]" for k, v in dict.items(value))
        content = f"[{joined(pairs)}]"
    else:
        items = (encode(item, depth + 1) for item in kind.__iter__(value))
        content = f"[{joined(items)}]"
    return f'["{kind.__name__}", {content}]'


def joined(texts):
    """Texts with commas between them. TypeError as soon as they are too long together.

    A list that holds one list ten times, which holds one list ten times, and so on, is small in the
    program and stands for billions of items here.
    """
    parts = []
    length = 0
    for text in texts:
        length += len(text)
        if length > LARGEST_VALUE:
            raise TypeError("it is too large")
        parts.append(text)
    return ", ".join(parts)


def hex_of(text):
    """The beginning of a text as hex digits."""
    return text[:200].encode("utf-8", "replace").hex()


# ---- The fork, which runs the program ------------------------------------------------------------

def raised(error):
    message = hex_of(f"{type(error).__name__}: {error}")
    return f'["raised", "{message}"]'


def evaluate(expression, space):
    """-> the JSON text of ["value", encoded], ["raised", error] or ["no plain value", why]."""
    try:
        value = eval(compile(expression, "<test>", "eval"), space)
    except BaseException as error:
        return raised(error)
    try:
        encoded = encode(value)
        if len(encoded) > LARGEST_VALUE:
            raise TypeError("it is too large")
    except BaseException as error:
        reason = hex_of(f"{error}")
        return f'["no plain value", "{reason}"]'
    return f'["value", {encoded}]'


def run_program(job):
    """Run the program, the setup and the expressions -> JSON text.

    ["ok", [evaluated, ...]] or ["raised", error].
    """
    # A module of its own, not __main__: nothing below `if __name__ == "__main__":` shall run.
    module = type(sys)("program")
    sys.modules["program"] = module
    sys.argv[:] = ["program"]
    space = module.__dict__
    try:
        exec(compile(job["program"], "<program>", "exec"), space)
        exec(compile(job["setup"], "<setup>", "exec"), space)       # may use the program's classes
        evaluated = [evaluate(expression, space) for expression in job["expressions"]]
    except BaseException as error:              # SystemExit too: who leaves gives no answer
        return raised(error)
    return f'["ok", [{", ".join(evaluated)}]]'


def fork_main(job, pipe):
    """The fork: give up rights, run the program, write the answer to `pipe`, end."""
    try:
        os.dup2(job["null"], 1)
        os.dup2(job["null"], 2)                 # nobody reads what it prints
        os.dup2(pipe, 3)
        os.closerange(4, 256)                   # and standard input is at its end already
        limit(job["seconds"])
        answer = run_program(job).encode()
        while answer:
            written = os.write(3, answer)
            answer = answer[written:]
    finally:
        os._exit(0)                             # no atexit, no threads, no destructors


# ---- The keeper ----------------------------------------------------------------------------------

def keeper(job):
    """Set up, fork, collect the fork's answer up to a size and a time. Writes to standard output:

        ready                                       before the fork
        LATE STATUS PROCESSOR-SECONDS PEAK-BYTES    how the fork ended
        the answer as the fork wrote it
    """
    os.environ.clear()
    if job["root"]:
        new_root(*job["root"])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: the fork may not trace the keeper
    read_end, write_end = os.pipe()
    os.write(1, b"ready\n")
    pid = os.fork()
    if pid == 0:
        fork_main(job, write_end)
    os.close(write_end)                         # or the pipe would not end with the fork

    watch = select.poll()
    watch.register(read_end, select.POLLIN)
    watch.register(1, 0)                        # reports one thing: that nobody reads any more
    deadline = time.monotonic() + job["wall"]
    answer = b""
    late = abandoned = False
    while len(answer) <= LARGEST_ANSWER:
        seconds_left = max(0, deadline - time.monotonic())
        ready = [descriptor for descriptor, _ in watch.poll(1000 * seconds_left)]
        late = not ready
        abandoned = 1 in ready
        if late or abandoned:
            break
        part = os.read(read_end, 65536)
        if not part:                            # the fork has ended or closed its end
            break
        answer += part
    os.kill(pid, 9)
    _, status, used = os.wait4(pid, 0)
    if not abandoned:
        cpu = used.ru_utime + used.ru_stime
        peak = used.ru_maxrss * 1024
        report = b"%d %d %f %d\n" % (late, status, cpu, peak)
        sys.stdout.buffer.write(report + answer[:LARGEST_ANSWER + 1])
        sys.stdout.flush()
    if not job["contained"]:
        os.kill(0, 9)                           # all that is left in this session, keeper included
    os._exit(0)
