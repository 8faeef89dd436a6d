"""device.py - which device to compute on, in which dtype, and with how many threads."""
import functools
import math
import os
import time

import torch

from data.checkpoints import LoadError


def usable(device):
    """The device, or the best one for None; LoadError when it does not exist."""
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, device=device).tolist()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise LoadError(f"device {device}: cannot be used ({reason}); try cpu") from None
    return torch.device(device)


def precision(device):
    """(dtype to compute in, why in one line) on this device, by what the processor says of itself.

    Measured once for each kind, on the bundled model (5M parameters), as time in bf16 / in fp32:

                       sampling   training
        AVX2             4.0        8.1
        AVX512_BF16      0.7        0.7
        AMX              -          -         (its products are 3 to 7 times AVX512_BF16's)
    """
    device = torch.device(device)
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.bfloat16, "this GPU multiplies bf16 in hardware"
        return torch.float32, "this GPU has no bf16 units"
    if device.type != "cpu":
        return torch.float32, f"bf16 is not tried on {device.type}"
    if torch.backends.cpu.get_cpu_capability() == "AVX512":         # heeds ATEN_CPU_CAPABILITY
        limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
        for unit, name, flag in (("AMX", "AMX", "_is_amx_tile_supported"),
                                 ("BF16", "AVX512_BF16", "_is_avx512_bf16_supported")):
            has_unit = getattr(torch.cpu, flag, lambda: False)()    # private, absent in some
            if has_unit and (limit in ("ALL", "DEFAULT") or unit in limit or "AMX" in limit):
                return torch.bfloat16, f"{name} multiplies bf16 faster than fp32"
    return torch.float32, "this processor multiplies bf16 no faster than fp32"


@functools.cache
def free_threads():
    """(threads to compute with, how many there could be), by what else this machine does just now.

    Threads that wait for each other spin. On two idle cores two threads train 1.0 to 1.5 times as
    fast as one; beside other work on the same cores they are several times slower, since each waits
    for the one that has lost its core.
    """
    most = torch.get_num_threads()           # the cores, or what OMP_NUM_THREADS says
    if most == 1:
        return 1, 1
    return threads_for(most, cores_got()), most


def threads_for(most, got):
    """Of `most` threads those that had a core of their own, when all of them together got `got`."""
    if got > most - 0.3:                     # a little noise is no other work
        return most
    return max(1, int(got))


def cores_got(seconds=0.4):
    """How many cores this process gets when all its threads compute.

    Measured, since the load average is a minute late and does not know a container's limit.
    """
    side = 256 * math.ceil(math.sqrt(torch.get_num_threads()))      # enough work for each thread
    square = torch.ones(side, side)
    square @ square                          # the threads are started
    began = time.perf_counter()
    computed = time.process_time()
    while time.perf_counter() - began < seconds:
        square @ square
    return (time.process_time() - computed) / (time.perf_counter() - began)
