"""Processes that share the shards of a job; one that dies ends the run with a sentence, and what was finished stays."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from .. import errors
from ..errors import EdgeLSTMError
from .scoring import Done, Job, Watch, work

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


def score(job: Job, workers: int, watch: Watch) -> Done:
    """All shards of a job, by so many processes; 1: by this one.

    Raises
    ------
    EdgeLSTMError
        The first that a worker met; parts that were finished before stay.
    """
    workers = min(workers, job.shards)
    if workers > 1:
        return _shared(job, workers, watch)
    done = Done()
    for shard in range(job.shards):
        done = done.plus(work(job, shard, watch))
    return done


def _shared(job: Job, workers: int, watch: Watch) -> Done:
    from multiprocessing import get_context
    from multiprocessing.connection import wait

    context = get_context("spawn")
    done, lines, processes = Done(), dict[Any, Any](), []
    try:
        for number in range(workers):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_worker, args=(job, list(range(number, job.shards, workers)), theirs), daemon=True)
            process.start()
            theirs.close()
            processes.append(process)
            lines[ours] = process
        while lines:
            for line in wait(list(lines)):
                told = _heard(line)
                if told is None:
                    lines.pop(line).join()
                elif isinstance(told, Done):
                    done = done.plus(told)
                else:
                    watch(*told)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()
    return done


def _heard(line: Any) -> Any:
    """What a worker tells: rows and bytes, or what it has done; None where it is at its end.

    Raises
    ------
    EdgeLSTMError
    """
    try:
        kind, told = line.recv()
    except (EOFError, OSError):
        raise EdgeLSTMError("a worker was killed, perhaps for lack of memory; run the same command again, with fewer --workers.") from None
    if kind == "error":
        name, message = told
        raise getattr(errors, name, EdgeLSTMError)(message)
    return told


def _worker(job: Job, shards: list[int], line: Connection) -> None:
    """A process: its shards one after the other; `None` behind the last."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started it ends it
    try:
        for shard in shards:
            line.send(("done", work(job, shard, lambda rows, read: line.send(("read", (rows, read))))))
        line.send(("end", None))
    except EdgeLSTMError as problem:
        line.send(("error", (type(problem).__name__, str(problem))))
    except OSError as problem:
        line.send(("error", ("UsageError", f"{problem.filename or job.output}: {problem.strerror}; check the path and the space left.")))
    except MemoryError:
        line.send(("error", ("UsageError", "not enough memory; run the same command again, with fewer --workers.")))
    finally:
        line.close()
