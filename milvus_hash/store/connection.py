"""A connection to Milvus: opened when first needed, every call with a timeout, every error a StoreError."""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from milvus_hash.arguments import check_arguments
from milvus_hash.errors import AnswerTooLarge
from milvus_hash.store import clients, float_codes, lite
from milvus_hash.store.address import DEFAULT_URI, Address, ConnectionOptions
from milvus_hash.store.call import Result, Steps
from milvus_hash.store.consistency import Consistency
from milvus_hash.store.deadline import Deadline
from milvus_hash.store.faults import errors, failed, is_not_loaded, passes, refused
from milvus_hash.store.opening import open_client
from milvus_hash.store.quiet import quietly
from milvus_hash.store.tls import Tls

if TYPE_CHECKING:
    from typing_extensions import Never

    from milvus_hash.store.driver import MilvusClient


class Connection:
    """A lazily opened connection; those with equal options share one client.

    The arguments are :class:`~milvus_hash.store.address.ConnectionOptions`.

    Attributes:
        address: Where it goes, and how.
        uri: That, without credentials.
        place: What messages call it: the uri, with the database.
        lite: Whether it is a file of Milvus Lite, of whichever version.
        timeout: Seconds that every call may take, retries included.
    """

    def __init__(
        self,
        uri: str | os.PathLike[str] = DEFAULT_URI,
        token: str = "",
        db: str = "",
        timeout: float = 30.0,
        *,
        user: str = "",
        password: str = "",
        tls: Tls | None = None,
        **unknown: Never,
    ) -> None:
        check_arguments(unknown, ConnectionOptions.__annotations__)
        import_module("milvus_hash.store.driver")  # here, lest its import take a part of a call's time
        self.address = Address.of(uri, token, db, timeout, user=user, password=password, tls=tls)
        self.uri = self.address.shown
        self.place = self.address.place
        self.lite = self.address.lite
        self.timeout = timeout
        self._client: MilvusClient | None = None
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle: where it goes and how, the token included; it connects again where it is needed."""
        to = self.address
        return partial(Connection, tls=to.tls), (to.uri, to.token, to.db, to.timeout)

    @property
    def client(self) -> MilvusClient:
        """The client; the first use opens it.

        Raises:
            StoreError: The server does not answer or refuses the login, or the local file cannot be opened.
            MissingExtra: Milvus Lite is needed and not installed.
        """
        return self.open(Deadline(self.timeout))

    def open(self, deadline: Deadline) -> MilvusClient:
        """As :attr:`client`, by ``deadline``, whoever else is opening one."""
        client = self._client
        if client is not None:
            return client
        try:
            with deadline.holding(self._lock):
                if self._client is None:
                    self._client = clients.acquire(self.address, open_client, deadline)
                return self._client
        except errors() as error:
            raise refused(self.address, error) from None

    def call(self, doing: str, method: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (any client method)
        """Call ``method`` of the client with a timeout.

        Args:
            doing: What the call is for, as the message of an error should say it: ``searching 'clipart'``.
            method: Name of a ``MilvusClient`` method.
            args: For the method; the first one is the collection's name, where it takes one.
            kwargs: For the method; ``timeout`` may override the connection's.

        Raises:
            StoreError: Milvus refused or failed.
        """
        deadline = Deadline(kwargs.pop("timeout", self.timeout))
        if not self.lite3:
            return self._send(doing, float_codes.Sent(method, args, kwargs), deadline)
        try:
            sending = float_codes.sending(method, args, kwargs)
            sent = next(sending)
            while True:
                sent = sending.send(self._send(doing, sent, deadline))
        except StopIteration as end:
            return end.value

    def _send(self, doing: str, sent: float_codes.Sent, deadline: Deadline) -> Any:  # noqa: ANN401 (any answer)
        method, args, kwargs = sent
        function = getattr(self.open(deadline), method)
        while True:
            try:
                return quietly(function, *args, **kwargs, timeout=deadline.left)
            except errors() as error:
                name = kwargs.get("collection_name") or next(iter(args), "")
                loading = is_not_loaded(error) and self.is_loading(name, deadline.left)
                pause = deadline.pause() if loading or passes(error) else None
                if pause is None:
                    raise failed(self.address, doing, error, deadline.seconds, loading=loading) from None
            time.sleep(pause)

    def run(self, steps: Steps[Result], consistency: Consistency) -> Result:
        """Carry out ``steps`` call by call.

        Raises:
            StoreError: Milvus refused or failed; the steps are not taken further.
        """
        try:
            call = next(steps)
            while True:
                unknown = consistency.unknown_times
                level = {"consistency_level": consistency.level} if call.read else {}
                try:
                    answer = self.call(call.doing, call.method, **call.kwargs, **level)
                except AnswerTooLarge as error:  # the steps may ask for it in parts
                    call = steps.throw(error)
                    continue
                if call.read:
                    consistency.has_read(unknown)
                call = steps.send(answer)
        except StopIteration as end:
            result: Result = end.value
            return result

    @property
    def lite2(self) -> bool:
        """Whether it is a file of Milvus Lite 2, which lacks partitions, aliases and more.

        Raises:
            MissingExtra: It is a file, and Milvus Lite is not installed.
        """
        return self.lite and not lite.is_three()

    @property
    def lite3(self) -> bool:
        """Whether it is a folder of Milvus Lite 3, which has no binary vectors.

        Raises:
            MissingExtra: It is, and Milvus Lite is not installed.
        """
        return self.lite and lite.is_three()

    def is_loading(self, name: str, timeout: float | None = None) -> bool:
        """Whether the server brings the collection into memory by itself, as it does after a restart, or just did."""
        timeout = timeout or self.timeout
        try:
            if self.lite3:  # it forgets with every process what was loaded, and the file may have been closed meanwhile
                self.client.load_collection(name, timeout=timeout)
            found = self.client.get_load_state(name, timeout=timeout)
        except errors() as error:
            return passes(error)  # unlike the want of the right to ask, for instance
        return found["state"].name in ("Loading", "Loaded")

    def close(self) -> None:
        """Give the client back, which closes it if nobody else has it; the next call opens a new one."""
        with self._lock:
            if self._client is None:
                return
            self._client = None
            if clients.release(self.address) and self.lite:
                lite.release(Path(self.address.uri))
