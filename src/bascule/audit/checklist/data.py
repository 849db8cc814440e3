"""Points about data. What a system file says of backups is a claim: it can fail a point, but not prove it. Pure."""

from __future__ import annotations

from collections.abc import Callable

from bascule.audit.checklist.words import DAY_S, Evidence, Says
from bascule.audit.system.path import keeps_data
from bascule.system.dependability import Backup

HOW_FILE = "give a system file whose objectives promise an RPO"
HOW_BACKUP = "restore the last backup elsewhere and count what is missing; the file's word is no proof"


def replication(evidence: Evidence) -> Says | None:
    """Whether no loss takes more acknowledged work than was promised."""
    if evidence.prediction is None or evidence.system is None:
        return None
    if not any(keeps_data(one) for one in evidence.system.components.values()):
        return Says("not applicable", "no component is known to keep data")
    asked = [one for one in evidence.prediction.recovery if one.promised_rpo_s is not None]
    worse = [one.scope for one in asked if one.meets_rpo is False]
    if worse:
        return Says("failed", f"the loss of one {', '.join(worse)} loses more than was promised")
    if not asked:
        return Says("not applicable", "no RPO is promised")
    lost = [one for one in evidence.drilled(float("inf")) if one.outcome == "FAIL"]
    if all(one.meets_rpo for one in asked) and not lost:
        return Says("proved", "replication as configured loses nothing beyond the RPO")
    return None


def _backups(evidence: Evidence, wrong: Callable[[Backup], bool], told: str) -> Says | None:
    """Failed where the file itself says so; else still unknown."""
    if evidence.system is None:
        return None
    kept = {name: one for name, one in evidence.system.components.items() if keeps_data(one)}
    if not kept:
        return Says("not applicable", "no component keeps data")
    bad = [name for name, one in kept.items() if one.backup is not None and wrong(one.backup)]
    if bad:
        return Says("failed", f"{', '.join(bad)}: {told}")
    said = [name for name, one in kept.items() if one.backup is not None]
    return Says("unknown", f"the system file says so of {', '.join(said)}, and nothing proves it") if said else None


def daily(evidence: Evidence) -> Says | None:
    """Whether backups are made at least daily."""
    return _backups(evidence, lambda backup: backup.every.seconds > DAY_S, "less than one backup a day")


def restored(evidence: Evidence) -> Says | None:
    """Whether restores are rehearsed."""
    return _backups(evidence, lambda backup: backup.restored_every is None, "a restore is never rehearsed")


def sites(evidence: Evidence) -> Says | None:
    """Whether a copy stands elsewhere."""
    return _backups(evidence, lambda backup: not backup.off_site, "no copy is kept off site")


def encrypted(evidence: Evidence) -> Says | None:
    """Whether the copies are encrypted."""
    return _backups(evidence, lambda backup: not backup.encrypted, "the copies are not encrypted")
