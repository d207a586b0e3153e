"""Shows weir's tasks in gdb, in a live process or a core file: `weir tasks`.

    gdb -x tools/gdb/weir.py PROGRAM CORE
    (gdb) weir tasks

Reads the two tables weir_debug_runtimes and weir_debug_tasks (src/runtime/debug_root.hpp): symbols
are enough, no debug information is needed. Calls nothing in the process.
"""

import collections
import struct

import gdb

VERSIONS = {"weir_debug_runtimes": 1, "weir_debug_tasks": 3}
POINTER = struct.calcsize("P")
LONGEST_LIST = 10_000_000  # of a list that is broken in the core


def read(address, form):
    data = gdb.selected_inferior().read_memory(address, struct.calcsize(form))
    return struct.unpack(form, bytes(data))


def pointer(address):
    return read(address, "P")[0]


def text(address, most=400):
    if not address:
        return ""
    found = b""
    while len(found) < most:
        byte = bytes(gdb.selected_inferior().read_memory(address + len(found), 1))
        if byte == b"\0":
            break
        found += byte
    return found.decode("utf-8", "replace")


def std_string(address):
    data, size = read(address, "PN")
    return bytes(gdb.selected_inferior().read_memory(data, min(size, 400))).decode("utf-8", "replace")


def table(symbol, form):
    try:
        address = int(gdb.parse_and_eval(f"(unsigned long)&{symbol}"))
    except gdb.error as problem:
        raise gdb.GdbError(f"no weir in this program: {problem}")
    fields = read(address, form)
    if fields[0] != VERSIONS[symbol]:
        raise gdb.GdbError(f"this script knows version {VERSIONS[symbol]} of {symbol}, "
                           f"not {fields[0]}")
    return address, fields


def links(head):
    """The addresses of the links of an intrusive list, whose head is one of them."""
    link = pointer(head)
    for _ in range(LONGEST_LIST):
        if link in (0, head):
            return
        yield link
        link = pointer(link)


Task = collections.namedtuple("Task", "name file line since note")


Shape = collections.namedtuple(
    "Shape", "version shards shard_size in_shard name site since note "
    "calls live mask first call_size call_name call_site call_since "
    "chunks place_size place_id place_name place_site place_since place_note")


def file_and_line(where):
    if not where:
        return "", 0
    file_at, _, line = read(where, "PPI")
    return text(file_at), line


def tasks_of(shards, shape):
    for index in range(shape.shards):
        for link in links(shards + index * shape.shard_size + shape.in_shard):
            called = pointer(link + shape.name)
            if not called:
                continue  # the mark of a snapshot
            busy = pointer(link + shape.note)
            yield Task(text(called), *file_and_line(pointer(link + shape.site)),
                       read(link + shape.since, "q")[0], std_string(busy) if busy else "")


def calls_of(threads, shape):
    for index in range(shape.calls):
        thread = pointer(threads + index * POINTER)
        if not thread:
            return
        for number in range(read(thread + shape.live, "I")[0] & shape.mask):
            call = thread + shape.first + number * shape.call_size
            yield Task(text(pointer(call + shape.call_name)),
                       *file_and_line(pointer(call + shape.call_site)),
                       read(call + shape.call_since, "q")[0], "")
        chunk = pointer(thread + shape.chunks)
        while chunk:
            places, first, chunk = read(chunk, "NPP")
            for number in range(places):
                yield from task_at(first + number * shape.place_size, shape)


def task_at(place, shape):
    if not read(place + shape.place_id, "Q")[0]:
        return
    note = pointer(place + shape.place_note)
    busy = pointer(note) if note else 0
    yield Task(text(pointer(place + shape.place_name)),
               *file_and_line(pointer(place + shape.place_site)),
               read(place + shape.place_since, "q")[0], std_string(busy) if busy else "")


def runtimes():
    """Yields (runtime's name, [(stopper's name, [Task])])."""
    address, (_, slots) = table("weir_debug_runtimes", "II")
    shape = Shape(*table("weir_debug_tasks", "II21Q")[1])
    first = address + 8
    entry_view = read(first + slots * POINTER, "Q")[0]
    for slot in range(slots):
        runtime = pointer(first + slot * POINTER)
        if not runtime:
            continue
        name, entries = read(runtime, "PP")
        found = []
        for link in links(entries):
            entry_name, shards, threads = read(link + entry_view, "PPP")
            if shards:
                live = [*tasks_of(shards, shape), *calls_of(threads, shape)]
                found.append((text(entry_name), sorted(live, key=lambda task: task.since)))
        yield text(name), found


class Weir(gdb.Command):
    """Looks into programs that use weir."""

    def __init__(self):
        super().__init__("weir", gdb.COMMAND_STATUS, prefix=True)


class Tasks(gdb.Command):
    """Lists the live tasks of all stoppers: name, where it was spawned, age, note.

Ages count back from the youngest task, for a core file does not know when it was made."""

    def __init__(self):
        super().__init__("weir tasks", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        everything = list(runtimes())
        now = max((task.since for _, stoppers in everything for _, tasks in stoppers
                   for task in tasks), default=0)
        for runtime, stoppers in everything:
            print(f"runtime '{runtime}'")
            for stopper, tasks in stoppers:
                print(f"  stopper '{stopper}': {len(tasks)} live")
                for task in tasks:
                    age = (now - task.since) / 1e9
                    note = f": {task.note}" if task.note else ""
                    print(f"    '{task.name}' ({task.file}:{task.line}) {age:.3f} s older than "
                          f"the youngest{note}")


Weir()
Tasks()
