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
from dataclasses import replace
from typing import Any, BinaryIO

from sparkweld.contract.decoding import MessageError, encode
from sparkweld.contract.replies import (
    Compiled,
    ErrorReply,
    FunctionReply,
    ModelFile,
    ObjectReply,
    Refused,
    Reply,
    StatusReply,
)
from sparkweld.contract.requests import ObjectRequest, PipelineRequest, PlainRequest, Request, read_request
from sparkweld.errors import Refusal
from sparkweld.reasons import has, refusal
from udf_compiler.function.distributions import LOCAL_TIME
from udf_compiler.function.module_paths import Stale
from udf_compiler.function.modules import MODULES, ModuleRecord
from udf_compiler.process.cpu_time import CpuLimit, OutOfTime
from udf_compiler.process.lru_cache import Bounded
from udf_compiler.process.process_state import ignore_warning_options
from udf_compiler.process.sandbox import cpu_seconds, enter
from udf_compiler.requests.trace_cache import no_traces, remembering
from udf_compiler.service.blob_store import BlobStore, MissingBlobs
from udf_compiler.service.protocol import Message, StreamError, read_message, write_message
from udf_compiler.service.replies import error_reply, or_refused, out_of_memory, out_of_time, refused
from udf_compiler.service.request_keys import request_keys

#: Replies cached for repeated requests: the same query planned twice, or the same UDF in many queries.
MAX_CACHED_REPLIES = 512
MAX_CACHED_BYTES = 64 << 20

_GRACE_SECONDS = 5.0
_WATCH_SECONDS = 1.0

#: A reply and its blobs.
Answer = tuple[Reply, tuple[bytes | memoryview, ...]]

#: Operation -> the function that answers it: its module, which is loaded on demand, and its name.
TRANSLATIONS = {
    "aggregate": ("udf_compiler.backends.worker_pipelines.native_states", "compile_aggregate"),
    "catalyst_equivalent": ("udf_compiler.requests.catalyst_replies", "compile_catalyst_equivalent"),
    "implied": ("udf_compiler.requests.catalyst_replies", "compile_implied"),
    "side_condition": ("udf_compiler.requests.catalyst_replies", "compile_side_condition"),
    "independent": ("udf_compiler.requests.catalyst_replies", "compile_independent"),
    "keeps_arguments": ("udf_compiler.requests.kept_arguments", "compile_keeps_arguments"),
    "reads": ("udf_compiler.requests.catalyst_replies", "compile_reads"),
    "parts": ("udf_compiler.requests.catalyst_replies", "compile_parts"),
    "fuse": ("udf_compiler.backends.worker_pipelines.compile", "compile_fused"),
    "cut": ("udf_compiler.requests.cuts", "compile_cut"),
    "partial": ("udf_compiler.backends.worker_pipelines.partial", "compile_partial"),
    "cascade": ("udf_compiler.backends.cascades.cascade_payloads", "with_cascade"),
    "full_model": ("udf_compiler.backends.cascades.full_models", "full_model"),
    "table": ("udf_compiler.requests.table_functions", "compile_table"),
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

    def answer(self, message: Message) -> tuple[dict[str, Any], tuple[bytes | memoryview, ...]]:
        """Returns the reply to one request, with its id. Never raises: an exception becomes status "error" with its traceback."""
        reply, blobs = self._answer(message)
        header = encode(reply)
        try:
            json.dumps(header, allow_nan=False)
        except (TypeError, ValueError) as error:
            header, blobs = encode(error_reply(error)), ()
        return {"id": message.header.get("id"), **header}, blobs

    def _answer(self, message: Message) -> Answer:
        try:
            request = read_request(message.header)
        except Exception as error:  # noqa: BLE001 - a fault of the decoder must not end the service
            return error_reply(error), ()
        limit = CpuLimit(request.cpu_ms or 0)
        try:
            blobs = self._blobs.complete(request, message.blobs)
            with limit.enforced(), cpu_seconds(limit.milliseconds):
                answer = self._cached(request, blobs, limit)
            return without_known(answer, request.has if isinstance(request, PipelineRequest) else ())
        except MissingBlobs:
            return StatusReply(status="needs"), ()
        except Stale:
            return StatusReply(status="stale"), ()
        except OutOfTime:
            return out_of_time(request, limit), ()
        except MemoryError as error:
            return out_of_memory(error), ()
        except BaseException as error:  # noqa: BLE001 - also SystemExit of user code, RecursionError
            return error_reply(error), ()

    def _cached(self, request: Request, blobs: Sequence[bytes], limit: CpuLimit) -> Answer:
        if isinstance(request, PlainRequest):
            return self._hello() if request.op == "hello" else self._shutdown()
        keys = request_keys(request, blobs)
        answer = next((known for key in keys if (known := self._replies.get(key)) is not None), None)
        if answer is None or not self._holds(request, answer[0]):
            # in a separate context: a variable that the request sets and fails to reset is invisible to the next one
            answer = copy_context().run(self._recorded, request, blobs)
            limit.check()
            if not isinstance(answer[0], ErrorReply) and not _lacks_a_file(answer[0]):
                self._replies.put(keys[isinstance(answer[0], Refused)], answer)
        return answer

    def _recorded(self, request: Request, blobs: Sequence[bytes]) -> Answer:
        with remembering(self._traces), MODULES.recording():
            reply, made = self._made(request, blobs)
            return with_modules(request, reply, MODULES.record()), made

    def _made(self, request: Request, blobs: Sequence[bytes]) -> Answer:
        if isinstance(request, ObjectRequest):
            return self._object(request)
        assert isinstance(request, PipelineRequest)
        from udf_compiler.function.permitted_modules import permitting

        with permitting(request.conf):
            return self._compile(request, blobs) if request.op == "compile" else self._translate(request, blobs)

    def _holds(self, request: Request, reply: Reply) -> bool:
        """Whether the files and modules that a reply depends on are unchanged."""
        if not isinstance(request, PipelineRequest) or not isinstance(reply, FunctionReply):
            return True
        return all(map(_is_unchanged, reply.files)) and self._has_modules(request, reply)

    def _has_modules(self, request: PipelineRequest, reply: FunctionReply) -> bool:
        """Whether the modules that a reply depends on are still those that the request's functions would import."""
        if not reply.modules:
            return True
        from udf_compiler.function.environment import module_path

        with self.warm_up.at_rest(), MODULES.recording():
            try:
                with module_path(request.python):
                    return MODULES.holds(reply.modules)
            except Refusal:
                return False

    def _hello(self) -> Answer:
        from udf_compiler.service.host import describe_host

        reply = describe_host()
        self.warm_up.start()
        return reply, ()

    def _compile(self, request: PipelineRequest, blobs: Sequence[bytes]) -> Answer:
        with self.warm_up.at_rest():
            from sparkweld.kernels import check_size
            from udf_compiler.requests.pipeline import compile_pipeline

            made = or_refused(lambda request, blobs: compile_pipeline(request, blobs, check_size), request, blobs)
            if isinstance(made, Refused):
                return made, ()
            blocks = made.program.blocks if made.program else ()
            return made.reply, tuple(block.data.data for block in blocks if block.data is not None)

    def _translate(self, request: PipelineRequest, blobs: Sequence[bytes]) -> Answer:
        """Returns the result of the operation's function, or its refusal. Its module loads while the warm-up imports nothing."""
        module, name = TRANSLATIONS[request.op]
        with self.warm_up.at_rest():
            make: Callable[[PipelineRequest, Sequence[bytes]], Reply] = getattr(importlib.import_module(module), name)
            return or_refused(make, request, blobs), ()

    def _object(self, request: ObjectRequest) -> Answer:
        from sparkweld.ir import parse_program
        from sparkweld.kernels import ObjectCache, compile_program

        program = parse_program(request.program)
        cache = ObjectCache()
        if cache.get(program) is None:
            self.warm_up.wait_for_kernels()
        made = compile_program(program, cache)
        reply = ObjectReply(
            symbol=made.symbol,
            imports=tuple(made.imports),
            cpu=made.cpu,
            memory=made.memory,
            cached=made.cached,
            seconds=made.seconds,
            warning=cache.warning,
        )
        return reply, (made.data,)

    def _shutdown(self) -> Answer:
        self.stopped = True
        return StatusReply(status="ok"), ()


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
        self._replies: Bounded[Answer] = Bounded(MAX_CACHED_REPLIES, MAX_CACHED_BYTES)

    def get(self, key: str) -> Answer | None:
        return self._replies.get(key)

    def put(self, key: str, answer: Answer) -> None:
        reply, blobs = answer
        self._replies.put(key, answer, len(json.dumps(encode(reply))) + sum(map(len, blobs)))


def without_known(answer: Answer, known: Sequence[str]) -> Answer:
    """Returns the answer without the bytes of constant blocks whose digests the client already knows."""
    reply, blobs = answer
    if not known or not isinstance(reply, Compiled):
        return answer
    return reply, tuple(blob for block, blob in zip(reply.blocks, blobs, strict=True) if block.digest not in known)


def with_modules(request: Request, reply: Reply, record: ModuleRecord) -> Reply:
    """Adds the record of the modules that a reply depends on; the files that they have opened join its files.

    Only a task compares the record with its workers. So an answer that Spark uses without a task is refused (SW873) in one
    case. Workers are then on other machines, and the answer depends on user modules that are not installed.
    """
    if not isinstance(request, PipelineRequest) or not isinstance(reply, FunctionReply) or not request.udfs:
        return reply
    shipped = [module.name for module in record.modules if not module.installed]
    shipped += [name for name in record.libraries if name == LOCAL_TIME]
    if request.op != "compile" and shipped and not request.python.local:
        reply = refused(refusal("SW873", module=shipped[0]))
    files = (*reply.files, *record.files)
    return replace(reply, files=files, modules=record.modules, searched=record.searched, libraries=record.libraries)


def _is_unchanged(file: ModelFile) -> bool:
    from udf_compiler.function.model_files import unchanged

    return unchanged(file)


def _lacks_a_file(reply: Reply) -> bool:
    """Whether a file or module that a function needs was unreadable: a later request may find it."""
    return isinstance(reply, Refused) and any(has(record.code, "files") for record in reply.refusals)


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
            header, blobs = {"id": None, **encode(error_reply(item))}, ()
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
