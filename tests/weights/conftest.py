"""A small network of the published kind, checkpoints of it, and a local server that fails the way networks do."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from napari_sam2.network.config import HieraConfig, Sam2Config
from napari_sam2.network.model import Sam2
from napari_sam2.weights.catalogue import ModelInfo

#: Same sizes as the small reference network: 1,470,610 parameters.
MINI = Sam2Config(
    name="mini",
    trunk=HieraConfig(width=16, heads=1, blocks=(1, 2, 3, 1), windows=(8, 4, 6, 3), global_blocks=(4,)),
    image_size=128,
    width=64,
    memory_width=16,
    memory_layers=2,
    memory_ffn=128,
)


@pytest.fixture(autouse=True)
def _one_thread(_few_threads: None) -> Iterator[None]:
    """Everything here is small: more threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def mini_config() -> Sam2Config:
    """The small network's configuration."""
    return MINI


@pytest.fixture(scope="session")
def mini_model() -> Sam2:
    """The small network with random parameters. Do not change it."""
    torch.manual_seed(5)
    return Sam2(MINI).eval()


@pytest.fixture
def mini_state(mini_model: Sam2) -> dict[str, torch.Tensor]:
    """Its tensors, free to be changed."""
    return {name: tensor.clone() for name, tensor in mini_model.state_dict().items()}


@dataclass
class Server:
    """What the local server does, and what it was asked.

    Attributes
    ----------
    body
        The file at every address.
    drops
        For each coming request, after how many bytes the connection breaks; None or an empty list: not at all.
    statuses
        For each coming request, a status to answer instead of the file; None: the file.
    ranges
        Whether Range is understood.
    shift
        Bytes by which answers to Range are wrong.
    stated
        A Content-Length other than the true one.
    stall
        Seconds to wait in the middle of the first answer.
    requests
        The Range header of every request so far.
    """

    address: str = ""
    body: bytes = b""
    drops: list[int | None] = field(default_factory=list)
    statuses: list[int | None] = field(default_factory=list)
    ranges: bool = True
    shift: int = 0
    stated: int | None = None
    stall: float = 0.0
    requests: list[str | None] = field(default_factory=list)

    def info(self, folder: Path, body: bytes | None = None) -> ModelInfo:
        """A catalogue entry for a file of this server that ends up in `folder`."""
        expected = self.body if body is None else body
        return ModelInfo(
            name="test-model", config="mini", version="2.1", file="model.pt", url=f"{self.address}/model.pt",
            bytes=len(expected), sha256=hashlib.sha256(expected).hexdigest(), licence="CC0-1.0", description="",
            path=folder / "model.pt",
        )  # fmt: skip


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An HTTP server on this machine; change its fields to make it fail."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Server(body=bytes(range(256)) * 2000)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.requests.append(asked)
            status = state.statuses.pop(0) if state.statuses else None
            drop = state.drops.pop(0) if state.drops else None
            if status is not None:
                return self.send_error(status)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and state.ranges else 0
            if start and start >= len(state.body):
                return self.send_error(416)
            if start:
                start += state.shift
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(state.body) - 1}/{len(state.body)}")
            else:
                self.send_response(200)
            rest = state.body[start:]
            self.send_header("Content-Length", str(len(rest) if state.stated is None else state.stated))
            self.end_headers()
            if state.stall:
                self.wfile.write(rest[:1000])
                self.wfile.flush()
                wait, state.stall = state.stall, 0.0
                return time.sleep(wait)
            self.wfile.write(rest[:drop])
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield state
    httpd.shutdown()
    httpd.server_close()
    thread.join()
