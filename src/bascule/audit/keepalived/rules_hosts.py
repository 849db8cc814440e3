"""Rules about what one host's keepalived notices, and how soon. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Edit, Found
from bascule.audit.keepalived.configuration import Configuration
from bascule.audit.keepalived.routers import routers, seconds, whole
from bascule.audit.objectives import shortest_rto
from bascule.audit.rule import rule


@rule(
    "BSC-KAL-003",
    "nothing-tracked",
    severity="high",
    technology="keepalived",
    breaks=("availability", "rto"),
    why="The address stays on a host as long as its keepalived lives, however dead the service behind the address is.",
    fix="Add a `vrrp_script` that asks the service, and name it in `track_script`.",
    source="keepalived.conf(5), vrrp_instance, track_script",
)
def nothing_tracked(estate: Estate) -> Iterator[Found]:
    """Instances that know nothing of what they give an address to."""
    for one in estate.index(routers).instances:
        if one.is_tracked:
            continue
        what = f"{one.subject} keeps its address when the service behind it is dead: it tracks nothing"
        yield Found(place=one.block.place, what=what, subject=one.subject)


@rule(
    "BSC-KAL-005",
    "nopreempt-with-master",
    severity="medium",
    technology="keepalived",
    breaks=("availability",),
    why="keepalived ignores nopreempt on an instance that starts as MASTER: the address moves back, a second outage.",
    fix="Write `state BACKUP` on every host; the highest priority wins at the start.",
    source="keepalived.conf(5), nopreempt: the initial state must be BACKUP",
)
def nopreempt_with_master(estate: Estate) -> Iterator[Found]:
    """Instances that say two things."""
    for one in estate.index(routers).instances:
        state = one.block.one("state")
        if one.state == "MASTER" and one.block.all("nopreempt") and state is not None:
            what = f"{one.subject} starts as MASTER, so its nopreempt is ignored"
            edits = (Edit(place=state.words[1].place, text="BACKUP"),)
            yield Found(place=state.place, what=what, subject=one.subject, edits=edits)


@rule(
    "BSC-KAL-006",
    "adverts-longer-than-rto",
    severity="high",
    technology="keepalived",
    breaks=("rto", "availability"),
    why="A backup waits for three adverts that do not come before it takes the address: longer than was promised.",
    fix="Lower `advert_int` below a third of the RTO; with `vrrp_version 3` it may be below a second.",
    source="RFC 5798, 6.1, Master_Down_Interval; keepalived.conf(5), advert_int",
)
def adverts_too_rare(estate: Estate) -> Iterator[Found]:
    """Instances whose death is noticed too late."""
    promise = shortest_rto(estate)
    if promise is None:
        return
    for one in estate.index(routers).instances:
        advert_s = one.advert_s
        if advert_s is not None and 3 * advert_s > promise.seconds:
            what = (
                f"a backup waits {3 * advert_s:g} s for a dead host;"
                f" an RTO of {promise.time} is promised for the loss of a {promise.scope}"
            )
            yield Found(place=one.at("advert_int"), what=what, subject=one.subject, related=promise.related())


@rule(
    "BSC-KAL-007",
    "one-failed-run-is-enough",
    severity="medium",
    technology="keepalived",
    breaks=("availability",),
    why="One slow run of the script moves the address, and breaks every connection, although the service works.",
    fix="Write `fall 2` or more, and `rise 2`.",
    source="keepalived.conf(5), vrrp_script, fall (default: 1)",
)
def one_run_is_enough(estate: Estate) -> Iterator[Found]:
    """Scripts that may not fail once."""
    for configuration in estate.of(Configuration):
        for script in configuration.root.all("vrrp_script"):
            if not script.varies("fall") and whole(script.value("fall"), 1) == 1:
                fall = script.one("fall")
                subject = f"vrrp_script {script.word(1)}"
                what = f"a single failed run of {script.word(1)} moves the address"
                yield Found(place=fall.place if fall else script.place, what=what, subject=subject)


@rule(
    "BSC-KAL-008",
    "script-slower-than-rto",
    severity="high",
    technology="keepalived",
    breaks=("rto", "availability"),
    why="Until the script has failed often enough, the address stays where nothing answers: longer than was promised.",
    fix="Lower `interval` or `fall`, so that their product is well below the RTO.",
    source="keepalived.conf(5), vrrp_script, interval and fall",
)
def script_too_slow(estate: Estate) -> Iterator[Found]:
    """Scripts that find a dead service too late."""
    promise = shortest_rto(estate, "process", "host")
    if promise is None:
        return
    for configuration in estate.of(Configuration):
        for script in configuration.root.all("vrrp_script"):
            every_s, falls = seconds(script.value("interval"), 1.0), whole(script.value("fall"), 1)
            varies = script.varies("interval") or script.varies("fall")
            if varies or every_s is None or falls is None or every_s * falls <= promise.seconds:
                continue
            place = (script.one("interval") or script).place
            what = (
                f"{script.word(1)} finds a dead service after {falls} x {every_s:g} s;"
                f" an RTO of {promise.time} is promised for the loss of a {promise.scope}"
            )
            subject = f"vrrp_script {script.word(1)}"
            yield Found(place=place, what=what, subject=subject, related=promise.related())


@rule(
    "BSC-KAL-014",
    "address-told-once",
    severity="low",
    technology="keepalived",
    breaks=("availability", "rto"),
    why="A switch or host that missed the announcement goes on sending to the former holder for minutes.",
    fix="Write `garp_master_refresh 60` in the instance, or `vrrp_garp_master_refresh 60` in `global_defs`.",
    source="keepalived.conf(5), garp_master_refresh (default: 0, never)",
)
def address_told_once(estate: Estate) -> Iterator[Found]:
    """Instances that announce their address at the takeover alone."""
    for one in estate.index(routers).instances:
        defaults = one.configuration.root.one("global_defs")
        given = one.block.value("garp_master_refresh")
        if given is None and defaults is not None:
            given = defaults.value("vrrp_garp_master_refresh")
        if one.block.varies("garp_master_refresh") or whole(given, 0) != 0:
            continue
        what = f"{one.subject} announces its address at the takeover alone, and never again"
        yield Found(place=one.at("garp_master_refresh"), what=what, subject=one.subject)


RULES = (
    nothing_tracked, nopreempt_with_master, adverts_too_rare, one_run_is_enough, script_too_slow, address_told_once,
)  # fmt: skip
