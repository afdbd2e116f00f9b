"""The demo of a model, served from a thread or from a process of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mnistburn.demo.content import Content
from mnistburn.demo.server import listen, server


@contextmanager
def served(content: Content, *, body_seconds: float = 10.0) -> Iterator[int]:
    """Serve a page from a thread, and give its port."""
    answers = threading.Event()
    with listen(0) as listening:
        running = server(content, listening, answers.set, body_seconds=body_seconds)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            assert answers.wait(60)
            yield int(listening.getsockname()[1])
        finally:
            running.should_exit = True
            thread.join()
