"""Answers requests on standard input with replies on standard output: the process that reads user functions for a JVM.

Run it with `python -m udf_compiler.service`. User code runs in this process: modules are imported, pickles are read,
functions are traced. It must not be able to touch the protocol or end the process. So file descriptors 0 and 1 are taken
away before anything else is imported, and every fault of a request becomes its reply. `udf_compiler.service.protocol` describes
the messages.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, BinaryIO

from sparkweld.contract.constants import PROTOCOL
from sparkweld.contract.decoding import MessageError
from sparkweld.errors import Refusal
from sparkweld.reasons import has, refusal
from udf_compiler.function.module_paths import Stale
from udf_compiler.function.modules import MODULES
from udf_compiler.process.cpu_time import CpuLimit, OutOfTime
from udf_compiler.process.lru_cache import Bounded
from udf_compiler.process.process_state import ignore_warning_options
from udf_compiler.process.sandbox import cpu_seconds, enter
from udf_compiler.requests.trace_cache import no_traces, remembering
from udf_compiler.service.blob_store import BlobStore, MissingBlobs
from udf_compiler.service.protocol import Message, StreamError, read_message, write_message
from udf_compiler.service.replies import Make, error_reply, or_refused, out_of_memory, out_of_time
from udf_compiler.service.request_keys import request_keys

#: Replies cached for repeated requests: the same query planned twice, or the same UDF in many queries.
MAX_CACHED_REPLIES = 512
MAX_CACHED_BYTES = 64 << 20

_GRACE_SECONDS = 5.0
_WATCH_SECONDS = 1.0

Reply = tuple[dict[str, Any], tuple[bytes | memoryview, ...]]


#: Operation -> the function that answers it: its module, which is loaded on demand, and its name.
_TRANSLATIONS = {
    "aggregate": ("udf_compiler.backends.worker_pipelines.native_states", "compile_aggregate"),
    "twin": ("udf_compiler.requests.catalyst_replies", "compile_twin"),
    "implied": ("udf_compiler.requests.catalyst_replies", "compile_implied"),
    "independent": ("udf_compiler.requests.catalyst_replies", "compile_independent"),
    "reads": ("udf_compiler.requests.catalyst_replies", "compile_reads"),
    "parts": ("udf_compiler.requests.catalyst_replies", "compile_parts"),
    "fuse": ("udf_compiler.backends.worker_pipelines.compile", "compile_fused"),
    "partial": ("udf_compiler.backends.worker_pipelines.partial", "compile_partial"),
    "cascade": ("udf_compiler.backends.cascades.cascade_payloads", "with_cascade"),
    "full_model": ("udf_compiler.backends.cascades.full_models", "full_model"),
    "ranking": ("udf_compiler.backends.cascades.ranking_payloads", "with_ranking"),
}


class Service:
    """Answers requests; holds the state across requests: cached replies, and traced calls."""

    def __init__(self) -> None:
        self.warm_up = WarmUp()
        self.stopped = False
        self._replies = ReplyCache()
        self._traces = no_traces()
        self._blobs = BlobStore()
        self._operations: dict[str, Callable[[Message], Reply]] = {
            "hello": self._hello,
            "compile": self._compile,
            **dict.fromkeys(_TRANSLATIONS, self._translate),
            "object": self._object,
            "shutdown": self._shutdown,
        }

    def answer(self, message: Message) -> Reply:
        """Returns the reply to one request, with its id. Never raises: an exception becomes status "error" with its traceback."""
        identity = message.header.get("id")
        limit = CpuLimit(int(message.header.get("cpuMs") or 0))
        try:
            message = self._blobs.complete(message)
            with limit.enforced(), cpu_seconds(limit.milliseconds):
                reply = self._cached(message, limit)
            header, blobs = without_known(reply, message.header.get("has", ()))
            json.dumps(header, allow_nan=False)
        except MissingBlobs:
            return {"id": identity, "status": "needs"}, ()
        except Stale:
            return {"id": identity, "status": "stale"}, ()
        except OutOfTime:
            return {"id": identity, **out_of_time(message.header, limit)}, ()
        except MemoryError as error:
            return {"id": identity, **out_of_memory(error)}, ()
        except BaseException as error:  # noqa: BLE001 - also SystemExit of user code, RecursionError
            return {"id": identity, **error_reply(error)}, ()
        return {"id": identity, **header}, blobs

    def _cached(self, message: Message, limit: CpuLimit) -> Reply:
        operation = self._operations.get(message.header.get("op", ""))
        if operation is None:
            raise MessageError(f"unknown request {message.header.get('op')!r}; known: {', '.join(self._operations)}")
        if message.header["op"] in ("hello", "shutdown"):
            return operation(message)
        keys = request_keys(message)
        reply = next((known for key in keys if (known := self._replies.get(key)) is not None), None)
        if reply is None or not all(map(_is_unchanged, reply[0].get("files", ()))) or not self._has_modules(message, reply[0]):
            # in a separate context: a variable that the request sets and fails to reset is invisible to the next one
            reply = copy_context().run(self._recorded, operation, message)
            limit.check()
            if reply[0].get("status") != "error" and not _lacks_a_file(reply[0]):
                self._replies.put(keys[reply[0].get("status") == "refused"], reply)
        return reply

    def _recorded(self, operation: Callable[[Message], Reply], message: Message) -> Reply:
        with remembering(self._traces), MODULES.recording():
            header, blobs = operation(message)
            return with_modules(message.header, header, MODULES.record()), blobs

    def _has_modules(self, message: Message, reply: dict[str, Any]) -> bool:
        """Whether the modules that a reply depends on are still those that the request's functions would import."""
        if not reply.get("modules"):
            return True
        from udf_compiler.function.environment import module_path

        with self.warm_up.at_rest(), MODULES.recording():
            try:
                with module_path(message.header.get("python", {})):
                    return MODULES.holds(reply["modules"])
            except Refusal:
                return False

    def _hello(self, message: Message) -> Reply:
        from udf_compiler.service.host import describe_host

        reply = {"status": "ok", "protocol": PROTOCOL, "pid": os.getpid(), **describe_host()}
        self.warm_up.start()
        return reply, ()

    def _compile(self, message: Message) -> Reply:
        with self.warm_up.at_rest():
            from sparkweld.kernels import check_size
            from udf_compiler.requests.pipeline import compile_pipeline

            def compiled(header: dict[str, Any], blobs: Sequence[bytes]) -> dict[str, Any]:
                return compile_pipeline(header, blobs, check_size)

            reply = or_refused(compiled, message.header, message.blobs)
            blocks = reply.get("blocks", ())
            about = [{"digest": block.digest, "bytes": block.size} for block in blocks]
            return {**reply, "blocks": about}, tuple(block.data.data for block in blocks)

    def _translate(self, message: Message) -> Reply:
        """Returns the result of the operation's function, or its refusal. Its module loads while the warm-up imports nothing."""
        module, name = _TRANSLATIONS[message.header["op"]]
        with self.warm_up.at_rest():
            make: Make = getattr(importlib.import_module(module), name)
            return or_refused(make, message.header, message.blobs), ()

    def _object(self, message: Message) -> Reply:
        from sparkweld.ir import parse_program
        from sparkweld.kernels import ObjectCache, compile_program

        program = parse_program(message.header["program"])
        cache = ObjectCache()
        if cache.get(program) is None:
            self.warm_up.wait_for_kernels()
        made = compile_program(program, cache)
        header = {"status": "ok", "symbol": made.symbol, "imports": list(made.imports), "cpu": made.cpu, "memory": made.memory}
        if cache.warning is not None:
            header["warning"] = cache.warning
        return {**header, "cached": made.cached, "seconds": made.seconds}, (made.data,)

    def _shutdown(self, message: Message) -> Reply:
        self.stopped = True
        return {"status": "ok"}, ()


class WarmUp:
    """Imports the modules of the first requests, in a separate thread, once the hello is answered.

    It imports the modules of a compile first, then Numba for an object that is not in the cache. A compile runs user code,
    which imports under another `sys.path`. The thread imports nothing meanwhile. So neither waits for an import lock of the
    other, finds the other's modules, or competes with it for the interpreter.
    """

    def __init__(self) -> None:
        self._frontend, self._kernels = threading.Event(), threading.Event()
        self._change = threading.Condition()
        self._compiles = 0
        self._importing = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sparkweld-warm-up", daemon=True)
            self._thread.start()

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Waits for the frontend's import, and keeps the thread idle inside the block."""
        with self._change:
            self._compiles += 1
        self.start()
        self._frontend.wait()
        try:
            with self._change:
                self._change.wait_for(lambda: not self._importing)
            yield
        finally:
            with self._change:
                self._compiles -= 1
                self._change.notify_all()

    def wait_for_kernels(self) -> None:
        """Waits until Numba is warm or has failed; after a failure, the request's own import raises the error again."""
        self.start()
        self._kernels.wait()

    def _run(self) -> None:
        from udf_compiler.service.host import import_frontend, import_kernels

        self._load(import_frontend, self._frontend)
        with self._change:
            self._change.wait_for(lambda: not self._compiles)
            self._importing = True
        self._load(import_kernels, self._kernels)
        with self._change:
            self._importing = False
            self._change.notify_all()

    def _load(self, load: Callable[[], None], done: threading.Event) -> None:
        try:
            load()
        except Exception as error:  # noqa: BLE001 - a broken package is the reply of the request that needs it
            print(f"sparkweld: {load.__name__}: {type(error).__name__}: {error}", file=sys.stderr)
        finally:
            done.set()


class ReplyCache:
    """Cached replies by request key."""

    def __init__(self) -> None:
        self._replies: Bounded[Reply] = Bounded(MAX_CACHED_REPLIES, MAX_CACHED_BYTES)

    def get(self, key: str) -> Reply | None:
        return self._replies.get(key)

    def put(self, key: str, reply: Reply) -> None:
        self._replies.put(key, reply, len(json.dumps(reply[0])) + sum(map(len, reply[1])))


def without_known(reply: Reply, known: Sequence[str]) -> Reply:
    """Returns the reply without the bytes of constant blocks whose digests the client already knows."""
    header, blobs = reply
    digests = [block["digest"] for block in header.get("blocks", ())]
    if not known or not digests:
        return reply
    return header, tuple(blob for digest, blob in zip(digests, blobs, strict=True) if digest not in known)


def with_modules(request: dict[str, Any], reply: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """Adds the record of the modules that a reply depends on; the files that they have opened join its files.

    Only a task compares the record with its workers. So an answer that Spark uses without a task is refused (SW873) in one
    case. Workers are then on other machines, and the answer depends on user modules that are not installed.
    """
    if not any(step["kind"] in ("python", "map") for step in request.get("steps", ())):
        return reply
    opened = record.pop("opened", [])
    shipped = [module["name"] for module in record.get("modules", ()) if not module.get("installed")]
    if request["op"] != "compile" and shipped and not request.get("python", {}).get("local", True):

        def unchecked(*_: Any) -> dict[str, Any]:
            raise refusal("SW873", module=shipped[0])

        reply = or_refused(unchecked, request, ())
    return {**reply, **record, **({"files": [*reply.get("files", ()), *opened]} if opened else {})}


def _is_unchanged(file: dict[str, Any]) -> bool:
    from udf_compiler.function.model_files import unchanged

    return unchanged(file)


def _lacks_a_file(reply: dict[str, Any]) -> bool:
    """Whether a file or module that a function needs was unreadable: a later request may find it."""
    return any(has(refused["code"], "files") for refused in reply.get("refusals", ()))


def claim_streams() -> tuple[BinaryIO, BinaryIO]:
    """Returns the request and reply pipes, out of reach of user code: its input is empty, its prints go to standard error."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, replies


def serve(service: Service, requests: BinaryIO, replies: BinaryIO) -> None:
    """Answers requests in order until shutdown or the end of the stream."""
    inbox: queue.Queue[Message | MessageError | StreamError | None] = queue.Queue(maxsize=64)
    threading.Thread(target=_receive, args=(requests, inbox), name="sparkweld-requests", daemon=True).start()
    while not service.stopped:
        item = inbox.get()
        if item is None:
            return
        if isinstance(item, Message):
            header, blobs = service.answer(item)
        else:
            header, blobs = {"id": None, **error_reply(item)}, ()
        write_message(replies, header, blobs)
        if isinstance(item, StreamError):
            return


def _receive(requests: BinaryIO, inbox: queue.Queue[Any]) -> None:
    """Reads ahead of the requests' work, so that the end of the stream is noticed while user code hangs."""
    while True:
        item: Message | MessageError | StreamError | None
        try:
            item = read_message(requests)
        except (MessageError, StreamError) as error:
            item = error
        inbox.put(item)
        if item is None or isinstance(item, StreamError):
            time.sleep(_GRACE_SECONDS)
            os._exit(1)  # nobody is left to receive the running request's reply


def _watch_parent(parent: int) -> None:
    """Ends the process when its parent is gone: another child of the JVM may hold the pipe's other end open."""
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)


def main() -> None:
    enter()
    ignore_warning_options()
    requests, replies = claim_streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a shell reaches the whole process group; the JVM decides
    threading.Thread(target=_watch_parent, args=(os.getppid(),), name="sparkweld-parent", daemon=True).start()
    status = 0
    try:
        serve(Service(), requests, replies)
    except BrokenPipeError:
        status = 1
    sys.stderr.flush()
    os._exit(status)  # no teardown: user modules may have left threads and exit handlers behind
