"""Work that is done side by side, each piece as soon as what it needs is done."""

from __future__ import annotations

import concurrent.futures
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Report = Callable[[str, float], None]


@dataclass(frozen=True)
class Task:
    """A piece of work. Of those that it `needs`, only the ones that are run with it count."""

    name: str
    work: Callable[[], object]
    needs: tuple[str, ...] = ()


def run(tasks: Iterable[Task], done: Report) -> None:
    """Run all tasks; `done` gets the name of each that ends and its seconds.

    Of those that could begin, the first does. When one fails, the running ones are waited for, no
    other begins, and the exception is raised.
    """
    todo = {task.name: task for task in tasks}
    running: dict[concurrent.futures.Future[float], str] = {}
    # The tasks wait for programs that they start; one more worker than there are cores keeps the
    # cores busy while a task waits for the network.
    with concurrent.futures.ThreadPoolExecutor((os.cpu_count() or 1) + 1) as pool:
        while todo or running:
            busy = {*todo, *running.values()}
            for task in list(todo.values()):
                if busy.isdisjoint(task.needs):
                    running[pool.submit(_timed, task)] = task.name
                    del todo[task.name]
            finished, _ = concurrent.futures.wait(
                running, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in finished:
                name = running.pop(future)
                try:
                    done(name, future.result())
                except BaseException:
                    todo.clear()
                    raise


def told(name: str, seconds: float) -> None:
    """A `Report` that prints."""
    print(f"built {name} in {seconds:.1f} s", flush=True)


def _timed(task: Task) -> float:
    start = time.monotonic()
    task.work()
    return time.monotonic() - start
