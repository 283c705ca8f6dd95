"""Why a connection to a device has ended, in words."""

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from lumina.bus.sockets import parting


class PartingTests(SynchronousTestCase):
    def test_sentences(self) -> None:
        """
        What TLS objects to is said without the words of Python; who closes a connection needs no reason.
        """
        alert = [("SSL routines", "", "tlsv13 alert certificate required")]
        verify = [("SSL routines", "", "certificate verify failed")]
        for error, sentence in (
            (ConnectionDone(), ""),
            (SSL.Error(alert), "TLS: tlsv13 alert certificate required"),
            (
                SSL.Error(verify),
                "TLS: certificate verify failed: it has expired, or nobody who is trusted has signed it",
            ),
            (SSL.Error([]), "TLS: it was ended"),
            (VerificationError([]), "TLS: its certificate is for another name than that of the endpoint"),
            (OSError(113, "No route to host"), "[Errno 113] No route to host"),
        ):
            self.assertEqual(parting(Failure(error)), sentence)
        self.assertIn("Connection to the other side was lost", parting(Failure(ConnectionLost())))
