"""Checks that cascade folders that others can write are not read."""

from __future__ import annotations

import os

import pytest

from sparkweld.cascades import store
from sparkweld.cascades.certificate import CascadeCertificate
from sparkweld.errors import Refusal
from tests.cascades.test_cascades import text_cascade


@pytest.mark.parametrize("harm", ["models", "certificate", "folder", "folder above", "fifo", "device", "nested"])
def test_files_that_everybody_may_write_and_irregular_files_are_not_read(tmp_path, harm):
    """Loading the models executes their content."""
    path = tmp_path / "cascades" / "cascade"
    store.save(text_cascade(), path)
    store.load(path)
    certificate = path / "certificate.json"
    if harm in ("models", "certificate"):
        (path / "cascade.pkl" if harm == "models" else certificate).chmod(0o646)
    elif harm in ("folder", "folder above"):
        (path if harm == "folder" else path.parent).chmod(0o1777)
    else:
        certificate.unlink()
        if harm == "fifo":
            os.mkfifo(certificate)  # nobody writes into it: a plain open waits for ever
        elif harm == "device":
            certificate.symlink_to("/dev/zero")
        else:
            certificate.write_text("[" * 100_000)
    with pytest.raises(Refusal, match="SW950"):
        for found in store.directories(path.parent, CascadeCertificate):
            store.load(found)


def test_a_directory_that_anybody_could_have_put_there_is_not_read(tmp_path, monkeypatch):
    """Under a world-writable folder it must belong to this user, and nobody else may rename it."""
    shared = tmp_path / "shared"
    path = shared / "team" / "cascade"
    store.save(text_cascade(), path)
    shared.chmod(0o1777)
    store.load(path)
    shared.chmod(0o777)
    with pytest.raises(Refusal, match="could have put .*team into .*shared"):
        store.load(path)
    shared.chmod(0o1777)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    if os.getuid():
        with pytest.raises(Refusal, match="could have put .*team into .*shared"):
            store.load(path)
    else:  # root's files are trusted
        os.chown(path.parent, 12345, -1)
        with pytest.raises(Refusal, match="could have put .*team into .*shared"):
            store.load(path)
