"""The process of the exchange, as the client's process sees it."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread
from typing import Any, Self

from soak.checks import Violations

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Made:
    """A fault, and how long the client took to be back after it."""

    kind: str
    seconds: float


class Peer:
    """Starts the exchange, and takes what it says."""

    def __init__(self, rate: int, seed: int, violations: Violations) -> None:
        self.violations = violations
        self.faults: Counter[str] = Counter()
        self.in_vain: Counter[str] = Counter()
        self.slowest_back = Made("", 0.0)
        self._said: dict[str, Any] = {}
        self._condition = Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "soak.server", f"--rate={rate}", f"--seed={seed}"],
            env=os.environ | {"PYTHONPATH": str(TESTS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._thread = Thread(target=self._hear, name="peer")
        self._thread.start()

    def _hear(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            match json.loads(line):
                case {"fault": kind, "happened": happened}:
                    (self.faults if happened else self.in_vain)[kind] += 1
                case {"back": kind, "seconds": seconds}:
                    self.slowest_back = max(
                        self.slowest_back, Made(kind, seconds), key=lambda made: made.seconds
                    )
                case {"lost": kind, "seconds": seconds}:
                    self.violations.add(
                        "the client is back after each fault",
                        f"nothing came within {seconds:.0f} s after {kind!r}",
                    )
                case {"trouble": trouble}:
                    self.violations.add("the exchange does what it should", trouble)
                case said:
                    with self._condition:
                        self._said |= said
                        self._condition.notify_all()
        with self._condition:
            self._said["ended"] = True
            self._condition.notify_all()

    def say(self, *words: object) -> None:
        """Write a line to it."""
        assert self._process.stdin is not None
        try:
            print(*words, file=self._process.stdin, flush=True)
        except OSError as error:
            self.violations.add("the exchange goes on", error)

    def ask(self, *words: object, answer: str, seconds: float) -> Any:
        """Write a line, and wait for what it says."""
        with self._condition:
            self._said.pop(answer, None)
        if words:
            self.say(*words)
        return self.wait_for(answer, seconds)

    def wait_for(self, answer: str, seconds: float) -> Any:
        """Wait until it says something.

        Raises
        ------
        TimeoutError
            If it does not, or has ended.
        """
        with self._condition:
            self._condition.wait_for(lambda: answer in self._said or "ended" in self._said, seconds)
            if answer not in self._said:
                msg = f"the exchange did not say {answer!r} within {seconds} s"
                raise TimeoutError(msg)
            return self._said[answer]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            code = self._process.wait(15)
            self.violations.check(code == 0, "the exchange goes on", f"it ended with {code}")
        except subprocess.TimeoutExpired:
            self.violations.add("the exchange ends when it is told to", "it was killed")
            self._process.kill()
            self._process.wait()
        self._thread.join()
        self._process.stdout.close()
