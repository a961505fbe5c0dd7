#!/usr/bin/env python3
"""Runs a guest from Python, checkpoints it into memory half-way, and goes on from there in a second instance.

    wat2wasm ../count.wat && python3 checkpoint.py count.wasm

LIBIWASM names the library, if it is not where the system looks for libraries.
"""

import ctypes
import os
import sys
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_bool, c_char_p, c_int, c_int32, c_uint8, c_uint32
from ctypes import c_uint64, c_void_p


class NativeSymbol(Structure):
    _fields_ = [("symbol", c_char_p), ("func_ptr", c_void_p), ("signature", c_char_p), ("attachment", c_void_p)]


class CheckpointArgs(Structure):
    _fields_ = [
        ("path", c_char_p),
        ("use_fd", c_bool),
        ("fd", c_int),
        ("compression_level", c_int),
        ("then", c_uint32),
    ]


class Report(Structure):
    _fields_ = [
        ("ok", c_bool),
        ("error", c_char_p),
        ("image", c_void_p),
        ("image_size", c_uint64),
        ("memory_size", c_uint64),
        ("paused_us", c_uint64),
    ]


STOP = 1
Done = CFUNCTYPE(None, c_void_p, POINTER(Report), c_void_p)
Progress = CFUNCTYPE(None, c_void_p, c_int32, c_int32)


def load_library():
    """The library, with the types of what is called here."""
    lib = ctypes.CDLL(os.environ.get("LIBIWASM", "libiwasm.so.2"))
    pointer = c_void_p
    types = {
        "wasm_runtime_init": (c_bool, []),
        "wasm_runtime_destroy": (None, []),
        "wasm_runtime_register_natives": (c_bool, [c_char_p, POINTER(NativeSymbol), c_uint32]),
        "wasm_runtime_load": (pointer, [POINTER(c_uint8), c_uint32, c_char_p, c_uint32]),
        "wasm_runtime_unload": (None, [pointer]),
        "wasm_runtime_instantiate": (pointer, [pointer, c_uint32, c_uint32, c_char_p, c_uint32]),
        "wasm_runtime_deinstantiate": (None, [pointer]),
        "wasm_runtime_get_module_inst": (pointer, [pointer]),
        "wasm_runtime_get_exec_env_singleton": (pointer, [pointer]),
        "wasm_runtime_lookup_function": (pointer, [pointer, c_char_p]),
        "wasm_runtime_call_wasm": (c_bool, [pointer, pointer, c_uint32, POINTER(c_uint32)]),
        "wasm_runtime_get_exception": (c_char_p, [pointer]),
        "wayfarer_checkpoint_request": (
            c_bool, [pointer, POINTER(CheckpointArgs), Done, pointer, c_char_p, c_uint32]),
        "wayfarer_restore_from_memory": (pointer, [pointer, pointer, c_char_p, c_uint64, c_char_p, c_uint32]),
        "wayfarer_resume": (c_bool, [pointer, POINTER(c_uint32)]),
    }
    for name, (result, arguments) in types.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def main():
    lib = load_library()
    images = []

    @Done
    def done(_instance, report, _user_data):
        """The image lasts until this returns, so it is copied."""
        report = report.contents
        if not report.ok:
            sys.exit(f"no checkpoint: {report.error.decode()}")
        images.append(ctypes.string_at(report.image, report.image_size))

    @Progress
    def progress(env, n, total):
        print(f"{n}: {total}")
        if n == 5 and not images:
            args = CheckpointArgs(then=STOP)
            lib.wayfarer_checkpoint_request(lib.wasm_runtime_get_module_inst(env), byref(args), done, None, None, 0)

    def check(made, error):
        if not made:
            sys.exit(error.value.decode())
        return made

    # The library keeps addresses of all these: they live as long as the module.
    natives = (NativeSymbol * 1)(NativeSymbol(b"progress", ctypes.cast(progress, c_void_p), b"(ii)", None))
    with open(sys.argv[1], "rb") as file:
        wasm = file.read()
    wasm = (c_uint8 * len(wasm)).from_buffer_copy(wasm)
    error = ctypes.create_string_buffer(256)
    results = (c_uint32 * 1)()

    lib.wasm_runtime_init()
    lib.wasm_runtime_register_natives(b"env", natives, 1)
    module = check(lib.wasm_runtime_load(wasm, len(wasm), error, len(error)), error)

    instance = check(lib.wasm_runtime_instantiate(module, 8192, 0, error, len(error)), error)
    env = lib.wasm_runtime_get_exec_env_singleton(instance)
    run = lib.wasm_runtime_lookup_function(instance, b"run")
    lib.wasm_runtime_call_wasm(env, run, 0, results)
    print(lib.wasm_runtime_get_exception(instance).decode())
    lib.wasm_runtime_deinstantiate(instance)

    image = images[0]
    print("restoring")
    instance = check(
        lib.wayfarer_restore_from_memory(module, None, image, len(image), error, len(error)), error)
    if not lib.wayfarer_resume(lib.wasm_runtime_get_exec_env_singleton(instance), results):
        sys.exit(lib.wasm_runtime_get_exception(instance).decode())
    print(f"result: {results[0]}")
    lib.wasm_runtime_deinstantiate(instance)
    lib.wasm_runtime_unload(module)
    lib.wasm_runtime_destroy()


if __name__ == "__main__":
    main()
