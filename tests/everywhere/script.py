# Files, dicts, generators, exceptions and hashlib, in the hands of a test that stops the interpreter at any point.
import hashlib
import os
import sys

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

digest = hashlib.sha256()
counts = {}
with open("/data/notes.txt", "w+") as notes, open("/data/log.bin", "ab") as log:
    for i, prime in enumerate(primes()):
        if i == 120:
            break
        try:
            word = f"even {even(prime * i)}"
        except Odd as odd:
            word = f"odd {odd.number}"
        finally:
            counts[prime % 10] = counts.get(prime % 10, 0) + 1
        notes.write(f"{i} {prime} {word}\n")
        digest.update(word.encode())
        log.write(digest.digest()[:4])
        if i % 24 == 0:
            print(prime, word, digest.hexdigest()[:16])
            sys.stdout.flush()
            notes.flush()
    notes.seek(0)
    lines = sum(1 for _ in notes)

print("lines", lines, "bytes", os.path.getsize("/data/log.bin"))
print("last digits", dict(sorted(counts.items())))
for name in ("md5", "sha1", "sha512", "sha3_256", "blake2b"):
    print(name, hashlib.new(name, open("/data/notes.txt", "rb").read()).hexdigest()[:24])
try:
    open("/data/missing")
except FileNotFoundError as error:
    print("errno", error.errno)
squares = (n * n for n in range(50) if n % 3)
print("sum", sum(squares), "nested", [list(range(n)) for n in range(4)])
print("done")
sys.exit(7)
