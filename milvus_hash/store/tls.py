"""Certificates for a server that is reached over ``https``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from milvus_hash.errors import InputError


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to trust and who to be on an ``https://`` server; not needed where a public authority vouches for it.

    Attributes:
        ca_pem_path: Certificates of the authorities to trust, instead of the well-known ones; a self-signed
            server's own certificate does too.
        client_pem_path: This side's certificate, where the server asks for one (mutual TLS, which also needs
            ``ca_pem_path`` and the key).
        client_key_path: The key of that certificate.
        server_name: The name in the server's certificate, where it is not the host of the uri.
    """

    ca_pem_path: str | Path = ""
    client_pem_path: str | Path = ""
    client_key_path: str | Path = ""
    server_name: str = ""

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Refuse files that are not there, as on another machine they may not be.

        Raises:
            InputError: A file cannot be found, or a certificate of this side comes without key or authority.
        """
        paths = {"ca_pem_path": self.ca_pem_path, "client_pem_path": self.client_pem_path}
        paths["client_key_path"] = self.client_key_path
        for name, path in paths.items():
            if path and not Path(path).is_file():
                raise InputError(f"{name}={str(path)!r}: there is no such file")
        given = {name for name, path in paths.items() if path}
        if given - {"ca_pem_path"} and len(given) < len(paths):
            raise InputError(
                f"mutual TLS takes {', '.join(paths)} (--ca-cert, --client-cert, --client-key) together; "
                f"{', '.join(sorted(given))} alone cannot be used"
            )

    def arguments(self) -> dict[str, str]:
        """As ``MilvusClient`` takes them; that one leaves ``ca_pem_path`` out of account unless all three are given."""
        found = {"server_name": self.server_name}
        if self.client_pem_path:
            found["ca_pem_path"] = str(self.ca_pem_path)
            found["client_pem_path"] = str(self.client_pem_path)
            found["client_key_path"] = str(self.client_key_path)
        else:
            found["server_pem_path"] = str(self.ca_pem_path)
        return {name: value for name, value in found.items() if value}
