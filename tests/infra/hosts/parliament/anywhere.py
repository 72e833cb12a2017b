"""`python -m parliament`, listening where LISTEN_ADDRESS says: the real one knows 0.0.0.0:8080 alone."""

import importlib
import os
import runpy
from typing import Any


def main() -> None:
    waitress: Any = importlib.import_module("waitress")  # only parliament's environment has it
    serve = waitress.serve

    def serve_there(app: Any, host: str, port: int) -> None:
        assert (host, port) == ("0.0.0.0", 8080)
        host, _, number = os.environ["LISTEN_ADDRESS"].rpartition(":")
        serve(app, host=host, port=int(number))

    waitress.serve = serve_there
    runpy.run_module("parliament", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
