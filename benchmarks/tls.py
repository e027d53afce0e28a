"""TLS: the certificates of a run, and what Python peers make of them."""

import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .build import NotInstalled

#: What the load generator offers and takes, so that all peers use the same; one of TLS 1.3.
SUITE = "TLS_AES_128_GCM_SHA256"


@contextmanager
def certificates(wanted: bool) -> Iterator[Path | None]:
    """A folder for as long as the block runs, None if there shall be no TLS.

    In it are `server.pem`, a key with its certificate for 127.0.0.1, and `ca.pem`, who signed that.
    """
    if not wanted:
        yield None
        return
    try:
        # Imported only here: whoever measures without TLS needs none.
        import trustme
    except ImportError:
        raise NotInstalled(
            "TLS needs certificates: install trustme (pip install trustme)"
        ) from None
    with tempfile.TemporaryDirectory(prefix="rawws-benchmark-") as directory:
        folder = Path(directory)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        certificate = authority.issue_cert("127.0.0.1")
        certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        yield folder


def describe() -> dict[str, str]:
    return {"tls": f"TLS 1.3, {SUITE}; Python has {ssl.OPENSSL_VERSION}"}


def server_context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


def client_context(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=folder / "ca.pem")
