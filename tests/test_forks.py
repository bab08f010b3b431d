"""A process that forks while one of its threads compiles: the child compiles too."""

import os
import threading

import pytest

from edgelstm.runtime.forks import COMPILING, IMPORTING


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # Python 3.12 and later warn of what is tried here
def test_a_child_finds_no_lock_of_the_compiler_held():
    ended, held = threading.Event(), threading.Event()

    def compile_on_and_on():
        while not ended.is_set():
            with IMPORTING, COMPILING:
                held.set()

    thread = threading.Thread(target=compile_on_and_on)
    thread.start()
    try:
        assert held.wait(10)
        codes = []
        for _ in range(10):
            if not (child := os.fork()):
                os._exit(0 if all(lock.acquire(blocking=False) for lock in (IMPORTING, COMPILING)) else 1)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    finally:
        ended.set()
        thread.join()
    assert codes == [0] * 10
