"""Until when certificates are good, and what an operator is told of it."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SynchronousTestCase

from lumina.validity import Doubt, File, Use, doubts
from tests.pki import Authority, Issued


class ValidityTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.now = datetime.now(UTC)

    def saved(self, *issued: Issued) -> str:
        path = self.folder / "some.pem"
        path.write_bytes(b"".join(each.certificate.public_bytes(Encoding.PEM) for each in issued))
        return str(path)

    def told(self, path: str, use: Use = Use.OWN, days: float = 30, later: float = 0.0) -> Sequence[Doubt]:
        """@param later: days from now on."""
        file = File("listen.secure", "certificate", path, use)
        return list(doubts([file], days, self.now + timedelta(later)))

    def clause(self, path: str, use: Use = Use.OWN, days: float = 30, later: float = 0.0) -> str:
        """The one thing that there is to tell, without the beginning that all have."""
        (doubt,) = self.told(path, use, days, later)
        return doubt.sentence.removeprefix(f"listen.secure: certificate '{path}' ")

    def test_own(self) -> None:
        """
        A certificate is good, then about to expire, then expired; before its time it is not valid yet.
        """
        issued = Authority().issue("lumina", first_day=-1, last_day=365, server=True)
        path, end = self.saved(issued), f"{issued.certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        self.assertEqual(self.told(path, later=334.9), [])
        self.assertEqual(self.clause(path, later=335.1), f"expires in 30 days, on {end} (CN=lumina,O=Works)")
        self.assertEqual(self.clause(path, later=364.5), f"expires in 12 hours, on {end} (CN=lumina,O=Works)")
        over = f"has expired, on {end} (CN=lumina,O=Works); whoever verifies it refuses it"
        self.assertEqual(self.clause(path, later=365.1), over)
        self.assertIn("is not valid before ", self.clause(path, later=-2.0))
        self.assertIn("the clock says ", self.clause(path, later=-2.0))
        bad = [self.told(path, later=later)[0].is_bad for later in (-2.0, 335.1, 365.1)]
        self.assertEqual(bad, [True, False, True])

    def test_days(self) -> None:
        """
        From when on it is told can be chosen; what is made for a short time is told of in its last quarter.
        """
        long = self.saved(Authority().issue("lumina", last_day=365))
        self.assertEqual(self.told(long, days=0, later=364.9), [])
        self.assertEqual(len(self.told(long, days=60, later=306)), 1)
        short = self.saved(Authority().issue("lumina", first_day=0, last_day=8))
        self.assertEqual((len(self.told(short, later=5.9)), len(self.told(short, later=6.1))), (0, 1))

    def test_each(self) -> None:
        """
        Each certificate of a chain, and each authority, is told of; of two by one name the later counts.
        """
        old = Authority("Old CA", last_day=-1)
        path = self.saved(Authority("Works CA", last_day=-1), old, Authority("Works CA", last_day=365))
        for use in (Use.OWN, Use.AUTHORITIES):
            self.assertIn("(CN=Old CA,O=Works)", self.clause(path, use))

    def test_roots(self) -> None:
        """
        Of many roots, in a file or in a directory, some are always expired; it is told when all are.
        """
        old, new = Authority("Old CA", last_day=-2), Authority("New CA", last_day=365)
        self.assertEqual(self.told(self.saved(old, new), Use.ROOTS), [])
        self.assertIn("has expired", self.clause(self.saved(old), Use.ROOTS))
        self.assertEqual(len(self.told(str(self.folder), Use.ROOTS)), 1)
        new.save(self.folder, "more")
        self.assertEqual(self.told(str(self.folder), Use.ROOTS), [])

    def test_lists(self) -> None:
        """
        A list of revoked certificates has to be renewed.
        """
        path = Authority().revoke(self.folder, last_day=9)
        self.assertEqual(self.told(path, Use.LISTS), [])
        self.assertIn(
            "has a list of CN=Works CA,O=Works to be renewed within 2 days, by ",
            self.clause(path, Use.LISTS, later=6.9),
        )
        late = self.clause(path, Use.LISTS, later=9.1)
        self.assertIn("has a list of CN=Works CA,O=Works that was to be renewed by ", late)
        self.assertIn("; nobody who is signed for by that authority is let in", late)
        self.assertIn("has a list of CN=Works CA,O=Works from ", self.clause(path, Use.LISTS, later=-10))

    def test_unreadable(self) -> None:
        """
        What cannot be read, or would never come to an end, is passed over.
        """
        damaged = self.folder / "damaged.pem"
        damaged.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        os.mkfifo(self.folder / "pipe.pem")
        for path in ("/nowhere/a.pem", "/dev/zero", str(self.folder / "pipe.pem"), str(damaged)):
            self.assertEqual(self.told(path), [])
        damaged.write_bytes(b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
        self.assertEqual(self.told(str(damaged), Use.LISTS), [])
