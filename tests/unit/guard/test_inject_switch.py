"""Who may switch experiments on, what they reach, and that each of them ends."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from injecting import ALLOWED, Dependency, Stage

from bascule.guard import DISTURBANCES, Disturbances, InjectError, InjectionRefusedError, InjectResult
from bascule.guard.facts import ExperimentRefused, ExperimentSwitchedOff, ExperimentSwitchedOn
from bascule.guard.inject import permission
from bascule.kernel.errors import InputError

UNLOCKED = {**ALLOWED, "ENVIRONMENT": "production", "BASCULE_SERVICE": "shop"}


def refused(check: Any, environment: Mapping[str, str]) -> bool:
    """Whether a check of the permission refuses."""
    try:
        check(environment, environment, permission.service_of(environment))
    except InjectionRefusedError:
        return True
    return False


REFUSED: list[dict[str, str]] = [
    {},
    {"BASCULE_INJECT": ""},
    {"BASCULE_INJECT": "1"},
    {**ALLOWED, "ENVIRONMENT": "production"},
    {**ALLOWED, "APP_ENV": "PROD"},
    {**ALLOWED, "DJANGO_ENV": "live"},
    {**ALLOWED, "ENV": "prod-eu-1"},
    {**ALLOWED, "DJANGO_SETTINGS_MODULE": "shop.settings.production"},
    {**ALLOWED, "BASCULE_ENVIRONMENT": "staging", "ENVIRONMENT": "production"},
    {**ALLOWED, "BASCULE_INJECT_MARKERS": "ZONE, TIER", "TIER": "live"},
    {**ALLOWED, "ENVIRONMENT": "production", "BASCULE_INJECT_IN_PRODUCTION": ""},
    {**ALLOWED, "ENVIRONMENT": "production", "BASCULE_INJECT_IN_PRODUCTION": "shop"},
    {**UNLOCKED, "BASCULE_INJECT_IN_PRODUCTION": "yes"},
    {**UNLOCKED, "BASCULE_INJECT_IN_PRODUCTION": "shop2"},
    {**UNLOCKED, "BASCULE_INJECT_IN_PRODUCTION": "shop", "BASCULE_INJECT": "no"},
]
PERMITTED: list[dict[str, str]] = [
    ALLOWED,
    {**ALLOWED, "ENVIRONMENT": "staging"},
    {**ALLOWED, "APP_ENV": "test", "ENV": "reproduction"},
    {**UNLOCKED, "BASCULE_INJECT_IN_PRODUCTION": "shop"},
    {**ALLOWED, "ENV": "prod", "OTEL_SERVICE_NAME": "shop", "BASCULE_INJECT_IN_PRODUCTION": "shop"},
]


@pytest.mark.parametrize("environment", REFUSED, ids=str)
def test_a_process_that_may_not_inject_is_refused_and_nothing_is_on(environment: dict[str, str]) -> None:
    assert refused(permission.check, environment)
    stage = Stage(environment=environment)
    guard = stage.guard(InjectError(1.0, disturbances=stage.switch))
    with pytest.raises(InjectionRefusedError, match="nothing may be injected"):
        stage.switch.on("prices", for_s=60.0)
    assert not stage.switch.is_armed
    assert guard.call(Dependency().ask) == "good ada"
    assert stage.switch.snapshot() == {"permitted": False, "running": []}


@pytest.mark.parametrize("environment", PERMITTED, ids=str)
def test_a_process_that_may_inject_does(environment: dict[str, str]) -> None:
    assert not refused(permission.check, environment)
    stage = Stage(environment=environment)
    guard = stage.guard(InjectResult(1.0, "wrong", disturbances=stage.switch))
    with stage.switch.on("prices", for_s=60.0):
        assert guard.call(Dependency().ask) == "wrong"


def mutant_any_word(started: Mapping[str, str], now: Mapping[str, str], service: str) -> None:
    """Unlocks production by any word, the right one or not."""
    if started.get(permission.UNLOCK) is None:
        permission.check(started, now, service)


def mutant_nameless(started: Mapping[str, str], now: Mapping[str, str], service: str) -> None:
    """Takes a missing word for the name of a service that has none."""
    if not (permission.is_opted_in(started) and started.get(permission.UNLOCK, "") == service):
        permission.check(started, now, service)


def mutant_opt_out(started: Mapping[str, str], now: Mapping[str, str], service: str) -> None:
    """Lets everything inject that is not in production."""
    if permission.production_marker(now):
        permission.check(started, now, service)


@pytest.mark.parametrize("mutant", [mutant_any_word, mutant_nameless, mutant_opt_out])
def test_a_permission_that_is_too_easy_is_noticed(mutant: Any) -> None:
    assert any(not refused(mutant, environment) for environment in REFUSED)


def test_a_refusal_says_what_would_let_it() -> None:
    with pytest.raises(InjectionRefusedError, match="start it with BASCULE_INJECT=allowed"):
        Disturbances(environment={}).check()
    with pytest.raises(
        InjectionRefusedError, match=r"ENVIRONMENT=production says .* BASCULE_INJECT_IN_PRODUCTION=shop"
    ):
        Disturbances(environment=UNLOCKED).check()
    with pytest.raises(InjectionRefusedError, match="name the service in BASCULE_SERVICE"):
        Disturbances(environment={**ALLOWED, "ENV": "prod"}).check()


def test_only_the_start_allows_and_what_is_set_later_can_refuse() -> None:
    late: dict[str, str] = {}
    switch = Disturbances(environment=late)
    late.update(ALLOWED)
    with pytest.raises(InjectionRefusedError):
        switch.on("prices", for_s=1.0)
    environment = dict(ALLOWED)
    switch = Disturbances(environment=environment)
    experiment = switch.on("prices", for_s=1.0)
    environment |= {**UNLOCKED, "BASCULE_INJECT_IN_PRODUCTION": "shop"}
    with pytest.raises(InjectionRefusedError, match="production"):
        switch.on("prices", for_s=1.0)
    with pytest.raises(InjectionRefusedError, match="production"):
        experiment.renew()


def test_production_that_is_unset_after_the_start_stays_production() -> None:
    environment = {**ALLOWED, "ENVIRONMENT": "production"}
    switch = Disturbances(environment=environment)
    del environment["ENVIRONMENT"]
    with pytest.raises(InjectionRefusedError, match="ENVIRONMENT=production"):
        switch.on("prices", for_s=1.0)


def test_the_switch_of_the_process_follows_the_file_that_its_environment_names(tmp_path: Path) -> None:
    code = (
        "from bascule.guard import Guard, InjectResult\n"
        "print(Guard(InjectResult(1.0, 'wrong'), name='prices').call(str.upper, 'good'))\n"
    )
    path = tmp_path / "experiments.toml"
    path.write_text("[prices]\nfor_s = 60.0\n")
    path.chmod(0o600)
    plain = {name: value for name, value in os.environ.items() if name not in permission.MARKERS}
    environment = {**plain, **ALLOWED, "BASCULE_INJECT_FILE": str(path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "wrong\n"


def test_the_switch_of_the_process_reads_its_environment() -> None:
    code = "from bascule.guard import DISTURBANCES\nwith DISTURBANCES.on('prices', for_s=1.0): print('on')"
    plain = {name: value for name, value in os.environ.items() if name not in permission.MARKERS}
    done = [
        subprocess.run([sys.executable, "-c", code], env=plain | more, capture_output=True, text=True, check=False)
        for more in ({}, ALLOWED, UNLOCKED)
    ]
    assert [one.stdout for one in done] == ["", "on\n", ""]
    assert "InjectionRefusedError" in done[0].stderr
    assert "ENVIRONMENT=production" in done[2].stderr
    assert isinstance(DISTURBANCES, Disturbances)


def test_an_experiment_ends_by_itself_when_nobody_renews_it() -> None:
    stage, dependency = Stage(), Dependency()
    ask = stage.guard(InjectResult(1.0, "wrong", disturbances=stage.switch))(dependency.ask)
    experiment = stage.switch.on("prices", for_s=10.0)
    stage.clock.advance(9.0)
    assert ask() == "wrong"
    experiment.renew()
    stage.clock.advance(9.9)
    assert (ask(), experiment.is_on) == ("wrong", True)
    stage.clock.advance(0.1)
    assert (ask(), experiment.is_on, stage.switch.is_armed) == ("good ada", False, False)
    with pytest.raises(InputError, match="off already"):
        experiment.renew()
    (begun,), (ended,) = stage.told(ExperimentSwitchedOn), stage.told(ExperimentSwitchedOff)
    assert (begun.experiment, begun.for_s) == ("prices", 10.0)
    assert (ended.experiment, ended.reason, ended.injected) == ("prices", "expired", 2)


def test_a_block_that_raises_switches_off_and_the_name_may_be_that_of_the_injection() -> None:
    stage = Stage()
    ask = stage.guard(InjectResult(1.0, "wrong", experiment="bad prices", disturbances=stage.switch))(Dependency().ask)

    def fail() -> None:
        with stage.switch.on("bad prices", for_s=10.0):
            raise KeyError(ask())

    with pytest.raises(KeyError, match="wrong"):
        fail()
    assert ask() == "good ada"
    with stage.switch.on("prices", for_s=10.0):
        assert ask() == "good ada"


def test_experiments_of_one_name_run_beside_each_other() -> None:
    stage = Stage()
    ask = stage.guard(InjectResult(1.0, "wrong", key=str, disturbances=stage.switch))(Dependency().ask)
    with stage.switch.on("prices", for_s=9.0, keys=["ada"]) as first:
        with stage.switch.on("prices", for_s=9.0, keys=["bob"]) as second:
            assert [ask("ada"), ask("bob"), ask("cyd")] == ["wrong", "wrong", "good cyd"]
            assert [one["experiment"] for one in running(stage)] == ["prices", "prices"]
        assert [ask("ada"), ask("bob")] == ["wrong", "good bob"]
        assert (first.injected, second.injected) == ({"InjectResult": 2}, {"InjectResult": 1})
        stage.switch.off()
        assert ask("ada") == "good ada"
    assert len(stage.told(ExperimentSwitchedOff)) == 2


def running(stage: Stage) -> Any:
    """What the snapshot says of what runs."""
    return stage.switch.snapshot()["running"]


def test_keys_are_compared_as_text_and_a_call_without_a_key_is_spared() -> None:
    stage = Stage()
    keyed = InjectResult(1.0, "wrong", key=lambda number: number, disturbances=stage.switch)
    keyless = InjectResult(1.0, "wrong", disturbances=stage.switch)
    with stage.switch.on("prices", for_s=9.0, keys=["7", 8]):
        assert [stage.guard(keyed).call("good {}".format, number) for number in (7, 8, 9)] == [
            "wrong", "wrong", "good 9",
        ]  # fmt: skip
        assert stage.guard(keyless).call("good {}".format, 7) == "good 7"


def test_a_rate_of_the_experiment_takes_the_place_of_the_others() -> None:
    stage = Stage([0.29, 0.3])
    ask = stage.guard(InjectResult(0.0, "wrong", disturbances=stage.switch))(Dependency().ask)
    with stage.switch.on("prices", for_s=9.0, rate=0.3):
        assert [ask(), ask()] == ["wrong", "good ada"]
    stage = Stage([0.0])
    ask = stage.guard(InjectResult(1.0, "wrong", disturbances=stage.switch))(Dependency().ask)
    with stage.switch.on("prices", for_s=9.0, rate=0.0):
        assert ask() == "good ada"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"for_s": 0.0}, "Experiment.for_s: 0.0 must be a number above 0 and at most 3600"),
        ({"for_s": 3601.0}, "Experiment.for_s"),
        ({"for_s": math.inf}, "Experiment.for_s"),
        ({"for_s": "1"}, "Experiment.for_s"),
        ({"for_s": 1.0, "rate": 2.0}, "Experiment.rate: 2.0 must be a share"),
        ({"for_s": 1.0, "keys": "ada"}, "Experiment.keys: 'ada' must be a list of keys"),
        ({"for_s": 1.0, "name": ""}, "Experiment.name"),
    ],
)
def test_an_experiment_that_cannot_be_is_refused(options: dict[str, Any], words: str) -> None:
    stage = Stage()
    with pytest.raises(InputError, match=words):
        stage.switch.on(**{"name": "prices", **options})
    assert not stage.switch.is_armed


def test_counts_are_exact_when_threads_are_struck() -> None:
    switch = Disturbances(environment=ALLOWED)
    injected = InjectResult(1.0, "wrong", experiment="prices", disturbances=switch)
    ask = injected(Dependency().ask)
    with switch.on("prices", for_s=60.0) as experiment:
        threads = [threading.Thread(target=lambda: [ask() for _ in range(500)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert experiment.injected == {"InjectResult": 2000}
    assert injected.snapshot()["injected"] == 2000


class File:
    """A control file, and a stage that watches it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.path = folder / "experiments.toml"
        self.stage = Stage(environment={**ALLOWED, "BASCULE_INJECT_FILE": str(self.path), **environment})
        guard = self.stage.guard(InjectResult(1.0, "wrong", key=str, disturbances=self.stage.switch))
        self._ask = guard(Dependency().ask)

    def write(self, text: str, age_s: float = 0.0, mode: int = 0o600) -> None:
        self.path.write_text(text)
        self.path.chmod(mode)
        os.utime(self.path, (self.stage.world.wall_s() - age_s,) * 2)

    def ask(self, who: str = "ada") -> str:
        """Ask, half a second later: what was written since is known by then."""
        self.stage.clock.advance(0.5)
        return self._ask(who)


def test_a_file_switches_on_and_off_and_ends_by_itself(tmp_path: Path) -> None:
    file = File(tmp_path)
    assert file.ask() == "good ada"
    file.write("[prices]\nfor_s = 10.0\nkeys = ['ada']")
    assert [file.ask("ada"), file.ask("bob")] == ["wrong", "good bob"]
    file.stage.clock.advance(9.0)
    assert file.ask() == "good ada"
    file.write("[prices]\nfor_s = 10.0")
    assert file.ask("bob") == "wrong"
    file.write("")
    assert file.ask("bob") == "good bob"
    file.write("[prices]\nfor_s = 10.0\nrate = 1.0")
    assert file.ask() == "wrong"
    file.path.unlink()
    assert file.ask() == "good ada"
    assert [fact.reason for fact in file.stage.told(ExperimentSwitchedOff)] == ["expired", "file", "file"]


def test_a_file_is_as_old_as_its_writing_for_a_process_that_starts_later(tmp_path: Path) -> None:
    file = File(tmp_path)
    file.write("[prices]\nfor_s = 10.0", age_s=11.0)
    assert file.ask() == "good ada"
    file.write("[prices]\nfor_s = 10.0", age_s=8.0)
    assert file.ask() == "wrong"
    file.stage.clock.advance(2.0)
    assert file.ask() == "good ada"


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("[prices", {}, "no TOML"),
        ("prices = 1", {}, "a table with for_s"),
        ("[prices]", {}, "a table with for_s"),
        ("[prices]\nfor_s = 1.0\nrat = 1.0", {}, "a table with for_s"),
        ("[prices]\nfor_s = 1e9", {}, "'prices': .* at most 3600"),
        ("[prices]\nfor_s = 1.0\nkeys = 'ada'", {}, "keys is a list"),
        ("[prices]\nfor_s = 60.0", {"mode": 0o666}, "everybody may write it"),
        ("[prices]\nfor_s = 60.0", {"age_s": -60.0}, "written in the future"),
    ],
)
def test_a_file_that_cannot_be_taken_over_breaks_no_call_and_switches_off(
    text: str, options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    file = File(tmp_path)
    file.write("[prices]\nfor_s = 60.0")
    assert file.ask() == "wrong"
    file.write(text, **options)
    assert [file.ask(), file.ask()] == ["good ada", "good ada"]
    (told,) = file.stage.told(ExperimentRefused)
    assert told.experiment == str(file.path)
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(told.reason)


def test_a_file_is_refused_in_production_and_not_looked_at_without_the_opt_in(tmp_path: Path) -> None:
    file = File(tmp_path, ENVIRONMENT="production")
    file.write("[prices]\nfor_s = 60.0")
    assert file.ask() == "good ada"
    assert "ENVIRONMENT=production" in file.stage.told(ExperimentRefused)[0].reason
    file = File(tmp_path, BASCULE_INJECT="no")
    assert file.ask() == "good ada"
    assert not file.stage.switch.is_armed
