#!/usr/bin/env python3
"""A command for the tests to retry: actor.py [--member] [NAME=DOES]...

Says "leader ready", and with --member a child of the same process group says "member ready". Then
both wait for signals, for ever: NAME=CODE says "leader NAME" and exits with the code, once its
child has ended; NAME=leave says it and exits at once; NAME=note says it and goes on; NAME=ignore
does nothing. With "leader:" or "member:" before it, it holds for that one alone.
"""

import os
import signal
import sys


def say(text):
    os.write(1, (text + "\n").encode())


def main():
    words = sys.argv[1:]
    member = words[:1] == ["--member"]
    child = os.fork() if member else None
    who = "member" if child == 0 else "leader"

    def act(does):
        def handler(number, _):
            say(f"{who} {signal.Signals(number).name.removeprefix('SIG')}")
            if does == "leave":
                os._exit(0)
            if does != "note":
                if child:
                    os.waitpid(child, 0)
                os._exit(int(does))
        return signal.SIG_IGN if does == "ignore" else handler

    for word in words[member:]:
        whose, _, rest = word.rpartition(":")
        if whose not in ("", who):
            continue
        name, does = rest.split("=")
        signal.signal(getattr(signal, "SIG" + name), act(does))
    say(f"{who} ready {os.getpid()}")
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
