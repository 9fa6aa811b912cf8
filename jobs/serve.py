"""Answers HTTP requests with a program, by Python's own server; jobs/serve_fastapi.py is the same service for FastAPI.

    python jobs/serve.py --model late.joblib --example flights.parquet --proba [--port 8000]
    python jobs/serve.py --program late.sparkweld
    curl localhost:8000/predict -d '{"dep_delay": 12.0, "carrier": "UA", ...}'

POST /predict takes one row as a JSON object and answers {"result": ...}, or {"error": ...} with status 422. GET /columns names
the columns. Rows of concurrent requests are scored together. Status 503 asks the client to come back later. The server
listens on the loopback interface only: put a proxy before it that checks who may ask.
"""

import argparse
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import sparkweld
from sparkweld.serving.batching import Batcher, QueueFull, as_json
from sparkweld.serving.program import ServedProgram

MOST_BYTES = 1 << 20


class Handler(BaseHTTPRequestHandler):
    """One connection. `batcher`: set by `server_of`."""

    batcher: Batcher
    protocol_version = "HTTP/1.1"  # keeps connections open
    timeout = 60
    wbufsize = -1  # the status, the headers and the body in one packet

    def do_GET(self) -> None:
        if self.path != "/columns":
            return self.answer(404, {"error": "there are POST /predict and GET /columns"})
        self.answer(200, {column.name: column.type for column in self.batcher.program.inputs})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != "/predict" or not length.isdecimal() or int(length) > MOST_BYTES:
            self.close_connection = True  # since the body was not read
            error = f"POST to /predict, with a Content-Length of at most {MOST_BYTES}"
            return self.answer(404 if self.path != "/predict" else 413, {"error": error})
        try:
            row = json.loads(self.rfile.read(int(length)))
            if not isinstance(row, dict):
                raise sparkweld.UserError("the body is no JSON object with a value for each column")
            result = self.batcher.submit(row).result()
        except QueueFull as error:
            self.answer(503, {"error": str(error)})
        except Exception as error:  # noqa: BLE001 - a function may raise anything for a row, and the client gets its message
            self.answer(422, {"error": f"{type(error).__name__}: {error}"})
        else:
            self.answer(200, {"result": as_json(result)})

    def answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Logs no request: rows may be confidential."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def server_of(program: ServedProgram, port: int, most_waiting: int = 10_000) -> Server:
    """Returns a server on the loopback interface that is ready to run; port 0 chooses a free one."""
    handler = type("Handler", (Handler,), {"batcher": Batcher(program, most_waiting=most_waiting)})
    return Server(("127.0.0.1", port), handler)


def program_of(args: argparse.Namespace) -> ServedProgram:
    """Loads the program, or compiles the model for the columns of the example."""
    if args.program is not None:
        return sparkweld.load(args.program)
    # Here, since a stored program requires neither pyspark nor the model's library.
    import pyarrow.parquet

    from sparkweld.api.fitted import feature_names
    from sparkweld.api.saved_models import load_local_model

    if args.example is None:
        raise sparkweld.UserError("pass --example with a Parquet file that has the columns of the model")
    model, schema = load_local_model(args.model), pyarrow.parquet.read_schema(args.example)
    read = set(args.features or feature_names(model) or schema.names)
    columns = pyarrow.schema([field for field in schema if field.name in read])
    return sparkweld.compile(model, columns, features=args.features, proba=args.proba)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--program", help="file of a program")
    source.add_argument("--model", help="file of a model, which is compiled")
    parser.add_argument("--example", help="Parquet file with the columns of the model")
    names = lambda text: [name.strip() for name in text.split(",") if name.strip()]  # noqa: E731
    parser.add_argument("--features", type=names, help="a,b,c in the order of fitting; default: the model's names")
    parser.add_argument("--proba", nargs="?", const=True, default=False, metavar="CLASS", help="probabilities, or that of CLASS")
    parser.add_argument("--port", type=int, default=8000)
    return parser


def main() -> None:
    args = arguments().parse_args()
    try:
        program = program_of(args)
    except (sparkweld.UserError, sparkweld.Refusal) as error:
        sys.exit(f"serve: {error}")
    server = server_of(program, args.port)
    print(f"{program.parts.title()}\nhttp://127.0.0.1:{server.server_address[1]}/predict", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


if __name__ == "__main__":
    main()
