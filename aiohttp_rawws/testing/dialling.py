"""A connection to a URL, by hand."""

import ssl as ssl_module

from yarl import URL

from .wire import Wire

__all__ = ("TLS_SCHEMES", "default_context", "dial", "host_of", "target_of")

TLS_SCHEMES = ("wss", "https")


async def dial(
    url: str | URL,
    *,
    ssl: ssl_module.SSLContext | bool = True,
    unix_socket: str | None = None,
    timeout: float = 10.0,
) -> Wire:
    """Connect to the host of a ws, wss, http or https URL. Nothing is sent.

    `ssl` is a context, True for the system's authorities, False to check nothing. `unix_socket`
    is the path of the socket to connect to in place of the host. Raises OSError, PeerSilent, and
    ValueError for a URL of another kind.
    """
    url = URL(url)
    if url.scheme not in ("ws", "http", *TLS_SCHEMES) or url.host is None:
        raise ValueError(f"a ws, wss, http or https URL is needed, got {str(url)!r}")
    context = None
    if url.scheme in TLS_SCHEMES:
        context = (
            ssl
            if isinstance(ssl, ssl_module.SSLContext)
            else default_context(check=ssl is not False)
        )
    return await Wire.connect(
        url.host,
        url.port or (443 if context else 80),
        path=unix_socket,
        ssl=context,
        server_hostname=url.host,
        timeout=timeout,
    )


def default_context(*, check: bool) -> ssl_module.SSLContext:
    context = ssl_module.create_default_context()
    if not check:
        context.check_hostname = False
        context.verify_mode = ssl_module.CERT_NONE
    return context


def target_of(url: str | URL) -> str:
    """Return the path and query of a URL, as a request line has them."""
    return URL(url).raw_path_qs or "/"


def host_of(url: str | URL) -> str:
    """Return the `Host` of a URL: with the port, unless that is the scheme's own."""
    url = URL(url)
    return url.host_port_subcomponent or ""
