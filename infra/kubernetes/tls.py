"""The TLS side of a connection to an API server."""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from infra.kubernetes.credentials import Certificate
from infra.kubernetes.settings import ClusterSettings, InvalidSettings


def tls_context(settings: ClusterSettings, certificate: Certificate | None) -> ssl.SSLContext:
    """How to know the server, and what to show it. Raises InvalidSettings."""
    if settings.skip_verify:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context = _verifying(settings)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        _present(context, certificate)
    return context


def _verifying(settings: ClusterSettings) -> ssl.SSLContext:
    try:
        text = settings.ca.decode("ascii") if settings.ca else None
        context = ssl.create_default_context(cafile=settings.ca_file or None, cadata=text)
    except (OSError, ValueError) as error:  # includes ssl.SSLError
        where = settings.ca_file or "certificate-authority-data"
        raise InvalidSettings(f"the cluster's CA in {where} cannot be loaded ({type(error).__name__})") from None
    # Python 3.13 began to ask for extensions that the certificates of many clusters lack, and kubectl does not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _present(context: ssl.SSLContext, certificate: Certificate) -> None:
    # OpenSSL reads keys from files only; one in memory is on no disk.
    try:
        with _in_memory(certificate.chain) as chain, _in_memory(certificate.key.reveal()) as key:
            context.load_cert_chain(chain, key, password=_no_password)
    except (OSError, ValueError) as error:
        raise InvalidSettings(
            f"the client certificate or its key cannot be loaded ({type(error).__name__}); both must be PEM, the key "
            "without a password, and belong together"
        ) from None


def _no_password() -> bytes:
    raise ValueError  # OpenSSL would ask at the terminal


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("lockstep")
        path = f"/proc/self/fd/{descriptor}"
    else:
        descriptor, path = tempfile.mkstemp()  # mode 0600
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield path
    finally:
        os.close(descriptor)
        if not path.startswith("/proc/"):
            os.unlink(path)
