"""Several seconds of work that keeps state in many places: what `make demo` moves from one process to another.

Everything here lives on through the move, in the guest's memory or as an open file: a generator in the middle of its
search, dictionaries, a hash in progress, a random number generator, an exception being handled, a file half read and
a file half written.
"""

import hashlib
import random
import sys


def queens(size):
    """All ways to put `size` queens on a board, one after the other; a recursive generator, many frames deep."""

    def place(row, columns, rising, falling, board):
        if row == size:
            yield tuple(board)
            return
        for column in range(size):
            if column in columns or row + column in rising or row - column in falling:
                continue
            yield from place(
                row + 1,
                columns | {column},
                rising | {row + column},
                falling | {row - column},
                board + [column],
            )

    return place(0, frozenset(), frozenset(), frozenset(), [])


def main():
    steps = int(sys.argv[1])
    generator = queens(9)
    dice = random.Random(2026)
    digest = hashlib.sha256()
    seen = {}
    with open("/work/words.txt") as words, open("/work/report.txt", "w") as report:
        try:
            raise KeyError("handled for as long as the loop runs")
        except KeyError as error:
            for step in range(steps):
                board = next(generator)
                word = words.readline().strip()
                rolls = sum(dice.randrange(6) for _ in range(2000))
                for _ in range(200):
                    digest.update(f"{word} {board} {rolls}".encode())
                seen[word] = (board, rolls)
                report.write(f"{step} {word} {rolls}\n")
                print(f"step {step + 1:3}: {word:8} {rolls} {digest.hexdigest()[:16]}", flush=True)
            print(f"{len(seen)} words, {type(error).__name__} still at hand, digest {digest.hexdigest()}")
    return 42


sys.exit(main())
