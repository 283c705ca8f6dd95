"""Whether a client that was let in is still to be, once there are other authorities or lists."""

from OpenSSL import SSL
from OpenSSL.crypto import X509, X509Store, X509StoreContext, X509StoreContextError

from lumina.certificates import Files

#: OpenSSL's number for it that there is no list of an authority, so that nothing is known against anybody.
_NO_LIST = 3

_REVOKED = 23


class Trust:
    """
    Whom the files of a listener trust.

    Time ends no connection: neither that of a client whose certificate has
    expired since, nor all of them because a list was not renewed.
    """

    def __init__(self, files: Files) -> None:
        """@raise ValueError: which files cannot be used, and why."""
        self._store = X509Store() if files.clients else None
        if self._store is not None and (wrong := files.judge(self._store)):
            raise ValueError("; ".join(wrong))

    def objection(self, connection: SSL.Connection) -> str:
        """Why its client is not to be let in, by its certificate; empty: it is, or had not to show any."""
        shown = connection.get_peer_certificate()
        if self._store is None or shown is None:
            return ""
        try:
            X509StoreContext(self._store, shown, connection.get_peer_cert_chain()).verify_certificate()
        except X509StoreContextError as error:
            return _sentence(error.errors[0], shown)
        return ""


def _sentence(error: int, shown: X509) -> str:
    if error == _NO_LIST:
        return ""
    why = "is revoked" if error == _REVOKED else "is signed by nobody in `clients`"
    return f"its certificate ({_subject(shown)}) {why}"


def _subject(shown: X509) -> str:
    try:
        return shown.to_cryptography().subject.rfc4514_string()
    except ValueError:  # no right text
        return "of a subject that cannot be read"
