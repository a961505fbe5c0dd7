# A little of everything that Python programs do; the result is checked.
class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def turned(self):
        return Point(-self.y, self.x)


def primes(limit):
    found = []
    for number in range(2, limit):
        if all(number % prime for prime in found if prime * prime <= number):
            found.append(number)
            yield number


words = {}
for number in range(60000):
    word = "w" + str(number * 7919 % 1013)
    words[word] = words.get(word, 0) + len(word)

point = Point(1, 2)
for _ in range(60001):
    point = point.turned()

floats = sorted((number * 0.37) % 1.0 for number in range(30000))
total = sum(words.values()) + sum(primes(3000)) + (point.x, point.y).count(1) + int(floats[15000] * 1000)
text = ",".join(sorted(words))[:50].upper().replace("W", "v")
assert (total, text) == (828579, "v0,v1,v10,v100,v1000,v1001,v1002,v1003,v1004,v1005"), (total, text)
