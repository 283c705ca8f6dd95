"""Files of certificates and keys: what OpenSSL is given of them, and why it cannot use them."""

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.x509 import (
    Certificate,
    CertificateRevocationList,
    load_pem_x509_certificates,
    load_pem_x509_crl,
)
from OpenSSL import SSL
from OpenSSL.crypto import X509Store, X509StoreFlags

#: Bytes of a file; the authorities of all browsers are a quarter of a million.
LARGEST = 16_000_000

#: What OpenSSL says, for people.
_WORDS = {
    "unsupported": "it has nothing of the kind in PEM",
    "no start line": "it has nothing of the kind in PEM",
    "no certificate or crl found": "it has nothing of the kind in PEM",
    "bad end line": "it is not whole",
    "bad base64 decode": "it is damaged",
    "key values mismatch": "it does not belong to the certificate",
    "key type mismatch": "it does not belong to the certificate",
    "bad decrypt": "it has a passphrase",
    "bad password read": "it has a passphrase",
    "interrupted or cancelled": "it has a passphrase",
}

#: X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which its Python does not name.
_NO_CHECK_TIME = 0x200000

_END_OF_LIST = b"-----END X509 CRL-----"

#: An argument of an endpoint, and the path that it gives.
Named = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Files:
    """
    Where the certificates of a listener are, in PEM.

    @ivar certificate: the listener's own, those who signed it behind it.
    @ivar key: its private key, without a passphrase.
    @ivar clients: the authorities that sign for clients; empty: they need show nothing.
    @ivar revoked: their lists of revoked certificates, one for each; empty: nothing is revoked.
    """

    certificate: str
    key: str
    clients: str = ""
    revoked: str = ""

    @property
    def state(self) -> tuple[object, ...]:
        """Changes with the files."""
        paths = (self.certificate, self.key, self.clients, self.revoked)
        return state(*filter(None, paths))

    def give(self, context: SSL.Context) -> list[str]:
        """@return: why files cannot be used, a sentence for each; empty: all are in the context."""
        wrong = pair(context, ("certificate", self.certificate), ("key", self.key))
        if self.clients:
            wrong += _complaints("clients", self.clients, lambda path: _clients(context, path))
        if self.revoked:
            wrong += _complaints("revoked", self.revoked, lambda path: _revoked(_store_of(context), path))
        return wrong

    def judge(self, store: X509Store) -> list[str]:
        """
        Let a store know whose certificates are accepted, be they in time or not.

        @return: as `give` does.
        """
        store.set_flags(_NO_CHECK_TIME | X509StoreFlags.PARTIAL_CHAIN)
        wrong = _complaints("clients", self.clients, store.load_locations)
        if self.revoked:
            wrong += _complaints("revoked", self.revoked, lambda path: _revoked(store, path))
        return wrong


def state(*paths: str) -> tuple[object, ...]:
    """Changes with files, and with those in directories."""
    return tuple(_state(each) for path in paths for each in (path, *_within(path)))


def pair(context: SSL.Context, certificate: Named, key: Named) -> list[str]:
    """
    Give OpenSSL a certificate and its key.

    @return: why they cannot be used, a sentence for each file.
    """
    context.set_passwd_cb(lambda *_: b"")  # else OpenSSL would ask on the terminal
    wrong = _complaints(*certificate, context.use_certificate_chain_file)
    if not wrong or key[1] != certificate[1]:
        wrong += _complaints(*key, context.use_privatekey_file)
    return wrong or _complaints(*key, lambda _: context.check_privatekey())


def trusted(context: SSL.Context, authorities: Named) -> list[str]:
    """
    Give OpenSSL the authorities to trust.

    @return: why they cannot be used: a sentence, or nothing.
    """
    return _complaints(*authorities, context.load_verify_locations)


def certificates_in(path: str) -> Sequence[Certificate]:
    """
    The certificates of a file.

    @raise OSError: it cannot be read.
    @raise ValueError: something in it is none, at least for a reader that is stricter than OpenSSL.
    """
    return load_pem_x509_certificates(Path(path).read_bytes())


def lists_in(path: str) -> Sequence[CertificateRevocationList]:
    """
    The lists of revoked certificates of a file, whatever else it has.

    @raise OSError: it cannot be read.
    @raise ValueError: one of them is damaged.
    """
    parts = Path(path).read_bytes().split(_END_OF_LIST)[:-1]
    return [load_pem_x509_crl(part + _END_OF_LIST) for part in parts]


def _clients(context: SSL.Context, path: str) -> None:
    context.load_verify_locations(path)
    context.load_client_ca(path.encode())
    _store_of(context).set_flags(X509StoreFlags.PARTIAL_CHAIN)  # one is trusted without who signed for it


def _store_of(context: SSL.Context) -> X509Store:
    store = context.get_cert_store()
    assert store is not None
    return store


def _revoked(store: X509Store, path: str) -> None:
    lists = lists_in(path)
    if not lists:
        raise ValueError("it has no list of revoked certificates in PEM")
    for each in lists:
        store.add_crl(each)
    store.set_flags(X509StoreFlags.CRL_CHECK)


def _complaints(name: str, path: str, use: Callable[[str], object]) -> list[str]:
    """Use a file; what is wrong with it as a sentence, if anything."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
                raise ValueError("it is no plain file of a size that certificates have")
            use(path)
    except OSError as error:
        return [f"{name} '{path}' cannot be read: {error.strerror}"]
    except SSL.Error as error:
        return [f"{name} '{path}' cannot be used: {_why(error)}"]
    except ValueError as error:
        return [f"{name} '{path}' cannot be used: {error}"]
    return []


def _within(path: str) -> Sequence[str]:
    return sorted(map(str, Path(path).glob("*.pem"))) if os.path.isdir(path) else ()


def _state(path: str) -> object:
    try:
        found = os.stat(path)
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_size, found.st_ino


def _why(error: SSL.Error) -> str:
    """OpenSSL's own words, where there are no better ones."""
    causes = error.args[0] if error.args and isinstance(error.args[0], list) else []
    reasons = [str(cause[-1]).lower() for cause in causes if cause[-1]]
    known = [_WORDS[reason] for reason in reasons if reason in _WORDS]
    return known[0] if known else ", ".join(dict.fromkeys(reasons)) or "it is not what it should be"
