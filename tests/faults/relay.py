"""A network that can be cut: passes connections on to a server until it has carried so many bytes."""

import contextlib
import socket
import threading


class Relay:
    """Listens on the loopback and passes all on to ``port``; ``cut_after`` makes it fail, ``mend`` work again."""

    def __init__(self, port: int):
        self._target = port
        self._left: int | None = None  # bytes it still carries towards the server; None: any number
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True, name="relay").start()

    def cut_after(self, count: int) -> None:
        """Break every connection, and refuse new ones, once ``count`` more bytes have been sent to the server."""
        self._left = count

    def mend(self) -> None:
        """Work again."""
        self._left = None

    def close(self) -> None:
        self._listener.close()

    @property
    def down(self) -> bool:
        return self._left is not None and self._left <= 0

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.down:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open |= {client, server}
                for source, sink, counted in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._carry, args=(source, sink, counted), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(512):
                with self._lock:
                    if counted and self._left is not None:
                        self._left -= len(data)
                    if self.down:
                        break
                sink.sendall(data)
        if self.down:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
