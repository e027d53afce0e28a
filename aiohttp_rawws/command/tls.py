"""The TLS of both sides, from files. ArgumentTypeError tells of a file that does not do."""

import argparse
import ssl
from argparse import ArgumentTypeError
from typing import NoReturn, TypeAlias

__all__ = (
    "add_certificate",
    "add_own_certificate",
    "add_trust",
    "authorities",
    "listen_context",
    "upstream_context",
)

#: A parser, or a group of one.
ActionsContainer: TypeAlias = argparse._ActionsContainer


def add_certificate(group: ActionsContainer) -> None:
    """Add the options of a server with TLS: `listen_cert` and `listen_key`."""
    add = group.add_argument
    add("--listen-cert", metavar="FILE", help="listen with TLS, and this PEM certificate")
    add("--listen-key", metavar="FILE", help="its key, unless that is in the same file")


def add_own_certificate(group: ActionsContainer) -> None:
    """Add the options of a client with a certificate: `cert` and `key`."""
    add = group.add_argument
    add("--cert", metavar="FILE", help="a certificate of our own to show, as PEM")
    add("--key", metavar="FILE", help="its key, unless that is in the same file")


def add_trust(group: ActionsContainer, whose: str = "server") -> None:
    """Add the options of a client with TLS: `ca`, and `secure`, which is False to check nothing."""
    tls = group.add_mutually_exclusive_group()
    tls.add_argument(
        "--ca",
        metavar="FILE",
        type=authorities,
        help="trust the certificate authorities in this PEM file, and no others",
    )
    tls.add_argument(
        "--insecure",
        dest="secure",
        action="store_false",
        help=f"do not check the {whose}'s certificate",
    )


def authorities(path: str) -> str:
    """Return the path of a PEM file with certificate authorities."""
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        reason = "no certificates in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise ArgumentTypeError(f"cannot read {path!r}: {reason}") from None
    return path


def listen_context(
    certificate: str | None, key: str | None, visitor_authorities: str | None
) -> ssl.SSLContext | None:
    """Return the TLS towards visitors, None for plain connections.

    With authorities each visitor has to show a certificate of theirs.
    """
    check_key("--listen-cert", certificate, "--listen-key", key)
    if certificate is None:
        if visitor_authorities is not None:
            raise ArgumentTypeError("--visitor-ca needs --listen-cert")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=visitor_authorities)
    if visitor_authorities is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["http/1.1"])
    load(context, "--listen-cert", certificate, key)
    return context


def upstream_context(
    authorities: str | None, verify: bool, certificate: str | None, key: str | None
) -> ssl.SSLContext | bool:
    """Return the `ssl` of a connector: a context, or whether to check certificates."""
    check_key("--cert", certificate, "--key", key)
    if authorities is None and certificate is None:
        return verify
    context = ssl.create_default_context(cafile=authorities)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        load(context, "--cert", certificate, key)
    return context


def check_key(option: str, certificate: str | None, key_option: str, key: str | None) -> None:
    if key is not None and certificate is None:
        raise ArgumentTypeError(f"{key_option} needs {option}")


def load(context: ssl.SSLContext, option: str, certificate: str, key: str | None) -> None:
    """Load a certificate and its key, which may stand in the same file."""
    names = repr(certificate) if key is None else f"{certificate!r} and {key!r}"
    try:
        context.load_cert_chain(certificate, key, password=no_password)
    except ssl.SSLError as error:
        reason = "no certificate and its key in PEM form"
        if error.reason == "KEY_VALUES_MISMATCH":
            reason = "the key is not that of the certificate"
        raise ArgumentTypeError(f"{option}: cannot use {names}: {reason}") from None
    except OSError as error:
        raise ArgumentTypeError(f"{option}: cannot read {names}: {error.strerror}") from None


def no_password() -> NoReturn:
    # OpenSSL would ask on the terminal.
    raise ArgumentTypeError("a key with a password cannot be used: decrypt it first")
