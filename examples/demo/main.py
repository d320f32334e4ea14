"""The project that `multinode demo` deploys: a function for each thing to see."""

import time
from datetime import timedelta

from multinode import Multinode

from words import longest_word

mn = Multinode()


@mn.function(cpu=0.1, memory="256 MiB", timeout=timedelta(minutes=1))
def greet(name, punctuation="!"):
    """A plain function: takes arguments, returns a result."""
    return f"Hello, {name}{punctuation}"


@mn.function(timeout=timedelta(minutes=1))
def count_primes(limit):
    """Yields its progress while it runs; what it prints is its log."""
    primes = []
    for step in range(1, 6):
        for n in range((step - 1) * limit // 5 + 1, step * limit // 5 + 1):
            if n > 1 and all(n % p for p in primes if p * p <= n):
                primes.append(n)
        print(f"looked at the numbers up to {step * limit // 5}", flush=True)
        yield {"done": f"{step * 20}%", "primes": len(primes)}
        time.sleep(0.3)


@mn.function(max_retries=1, timeout=timedelta(minutes=1))
def unreliable(path):
    """Fails the first time and succeeds when it is tried again."""
    try:
        with open(path, "x") as marker:  # fails where the file exists already
            marker.write("tried once\n")
    except FileExistsError:
        return "succeeded at the second attempt"
    raise ConnectionError("the first attempt fails, as the network sometimes does")


@mn.function(max_concurrency=4, timeout=timedelta(minutes=1))
def longest(text):
    """A subtask of `survey`."""
    return longest_word(text)


@mn.function(timeout=timedelta(minutes=2))
def survey(texts):
    """Starts a subtask for each text; they run at the same time."""
    words = longest.map(texts)
    return max(words, key=len)
