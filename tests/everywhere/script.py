# Much of CPython, in the hands of a test that stops it at any point: files, dicts, big integers, floats, generators,
# exceptions, deep recursion (in Python, and in C through Python), sorting, regular expressions, hashing, compressing.
import binascii
import collections
import functools
import gc
import hashlib
import itertools
import math
import os
import struct
import sys
import zlib

import _decimal
import _json


def primes():
    found = {}
    n = 2
    while True:
        factor = found.pop(n, None)
        if factor is None:
            yield n
            found[n * n] = n
        else:
            m = n + factor
            while m in found:
                m += factor
            found[m] = factor
        n += 1


class Odd(Exception):
    def __init__(self, number):
        super().__init__(f"{number} is odd")
        self.number = number


def even(number):
    if number % 2:
        raise Odd(number)
    return number


def files():
    digest = hashlib.sha256()
    counts = {}
    with open("/data/notes.txt", "w+") as notes, open("/data/log.bin", "ab") as log:
        for i, prime in enumerate(itertools.islice(primes(), 60)):
            try:
                word = f"even {even(prime * i)}"
            except Odd as odd:
                word = f"odd {odd.number}"
            finally:
                counts[prime % 10] = counts.get(prime % 10, 0) + 1
            notes.write(f"{i} {prime} {word}\n")
            digest.update(word.encode())
            log.write(digest.digest()[:4])
            if i % 12 == 0:
                print(prime, word, digest.hexdigest()[:16])
                sys.stdout.flush()
                notes.flush()
        notes.seek(0)
        lines = sum(1 for _ in notes)
    print("lines", lines, "bytes", os.path.getsize("/data/log.bin"), dict(sorted(counts.items())))
    os.mkdir("/data/folder")
    os.rename("/data/notes.txt", "/data/folder/notes.txt")
    os.symlink("folder/notes.txt", "/data/link")
    print("folder", os.listdir("/data/folder"), os.readlink("/data/link"))
    try:
        open("/data/missing")
    except FileNotFoundError as error:
        print("errno", error.errno)


# Each level is a frame of Python's only: the interpreter's loop does not call itself.
def ackermann(m, n):
    if m == 0:
        return n + 1
    return ackermann(m - 1, 1 if n == 0 else ackermann(m, n - 1))


def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)


# Each level goes through C: max calls map's iterator, that calls this. At the bottom it takes its time.
def through_c(n):
    if n == 0:
        return len({i * i % 97 for i in range(8000)}) - 49
    return 1 + max(map(through_c, [n - 1]))


class Key:
    """A dict's key, and a list's element: C calls its methods in the middle of looking up and of sorting."""

    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return self.value % 7

    def __eq__(self, other):
        return self.value == other.value

    def __lt__(self, other):
        return self.value * 37 % 101 < other.value * 37 % 101


def keys():
    table = {Key(i * 5 % 64): i for i in range(90)}
    ordered = sorted(table, reverse=True)
    print("keys", len(table), table[Key(11)], [key.value for key in ordered[:8]])


def numbers():
    big = math.factorial(120) + 7**150
    print("big", str(big)[:40], big % 1_000_003, pow(big, 65537, 2**127 - 1), math.isqrt(big) & 0xFFFFFFFF)
    quotient, rest = divmod(big, 3**90)
    print("quotient", hex(quotient)[:24], rest % 99991, int("zz9" * 20, 36) % 10007)
    x, sums = 0.1, []
    for i in range(60):
        x = math.sin(x) * 3.7 + math.sqrt(i) / (1 + x * x)
        sums.append(x)
    print("floats", repr(x), repr(math.fsum(sums)), x.hex(), f"{sum(sums):.6e}", float("1e308") * 10, complex(x, 1) ** 2)
    exact = functools.reduce(lambda a, b: a / 7 + b, map(_decimal.Decimal, range(1, 20)))
    print("decimal", exact, struct.pack("<dfhq", x, x, -7, -(2**40)).hex())


def generators():
    def echo(limit):
        total = 0
        while total < limit:
            try:
                total += yield total
            except ValueError as error:
                total += len(error.args[0])
        return total

    def outer():
        result = yield from echo(40)
        yield "got", result

    walk = outer()
    seen = [next(walk)]
    for i in range(12):
        seen.append(walk.throw(ValueError("abc")) if i % 4 == 3 else walk.send(i))
        if not isinstance(seen[-1], int):
            break
    nested = {n: [a * b for a, b in itertools.permutations(range(n), 2)] for n in range(5)}
    print("generators", seen, sum(map(sum, nested.values())))


def unwinding(depth):
    try:
        if depth == 0:
            raise KeyError("bottom")
        unwinding(depth - 1)
    except KeyError as error:
        if depth % 3 == 1:
            raise KeyError(depth) from error
        raise
    finally:
        trail.append(depth)


trail = []


class Node:
    def __init__(self, below):
        self.below = below
        self.me = self

    def __del__(self):
        trail.append(-1)


def objects():
    try:
        unwinding(20)
    except KeyError as error:
        causes = 0
        while error.__cause__ is not None:
            causes, error = causes + 1, error.__cause__
        print("causes", causes, error, trail)
    functools.reduce(lambda below, _: Node(below), range(25), None)
    print("collected", gc.collect() > 0, trail.count(-1))
    Point = type("Point", (), {"__slots__": ("x", "y"), "__add__": lambda a, b: (a.x + b.x, a.y - b.y)})
    a, b = Point(), Point()
    a.x, a.y, b.x, b.y = 1, 2.5, 10**20, -4
    print("sum", a + b, collections.Counter("mississippi").most_common(2))


def texts():
    text = "Ünïcödé, " * 12 + "ΑΒΓ".lower()
    packed = zlib.compress(text.encode("utf-16"), 9)
    print("text", len(text.title()), zlib.crc32(packed), zlib.decompress(packed).decode("utf-16") == text)
    print("replaced", text.replace("ï", "i").upper().split(", ")[3], binascii.b2a_base64(packed)[:24])
    source = "[n * n for n in range(12) if n % 3] + [len(str(2**200)), 'é'.encode()]"
    print("compiled", eval(compile(source, "<text>", "eval")), _json.encode_basestring_ascii(text[:9]))
    for name in ("md5", "sha1", "sha3_256", "blake2b"):
        print(name, hashlib.new(name, text.encode() * 9).hexdigest()[:24])


files()
print("ackermann", ackermann(2, 6), "deep", deep(900), "through C", through_c(40))
keys()
numbers()
generators()
objects()
texts()
print("done")
sys.exit(7)
