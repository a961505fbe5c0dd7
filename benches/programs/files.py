# Files as programs in Python use them: written, read by lines, appended to, listed, renamed, removed; the result is checked.
import os

total = 0
for turn in range(4):
    os.mkdir("work")
    for number in range(150):
        name = "work/%d.txt" % number
        with open(name, "w") as file:
            for line in range(40):
                file.write("%d %d %d\n" % (turn, number, line))
        with open(name, "a") as file:
            file.write("the end\n")
        with open(name) as file:
            total += sum(len(line.split()) for line in file)
        with open(name, "r+b") as file:
            file.seek(10)
            file.write(b"x" * 20)
            file.seek(0, 2)
            total += file.tell() % 7
        os.rename(name, name + ".old")
    for entry in sorted(os.listdir("work")):
        path = os.path.join("work", entry)
        total += os.stat(path).st_size % 5
        os.remove(path)
    os.rmdir("work")
print(total)
