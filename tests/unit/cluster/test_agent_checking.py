from __future__ import annotations

import asyncio

from bascule.cluster.agent.checking import Hysteresis, keep_checking
from bascule.cluster.agent.configuration import CheckTimes
from bascule.cluster.checks.port import Health
from bascule.cluster.decisions.events import Checked, Event
from bascule.kernel.quantities import Duration


def test_the_first_answer_counts_at_once() -> None:
    assert Hysteresis(3, 2).hear(answer=True)
    assert not Hysteresis(3, 2).hear(answer=False)


def test_a_verdict_changes_after_several_equal_answers_in_a_row() -> None:
    verdict = Hysteresis(3, 2)
    answers = [True, False, False, True, False, False, False, True, False, True, True]
    heard = [verdict.hear(answer=one) for one in answers]
    assert heard == [True, True, True, True, True, True, False, False, False, False, True]


class Script:
    def __init__(self, *answers: Health) -> None:
        self.answers = list(answers)
        self.done = asyncio.Event()

    async def check(self) -> Health:
        if not self.answers:
            self.done.set()
            await asyncio.Event().wait()
        return self.answers.pop(0)


def test_each_answer_is_told_with_its_lag() -> None:
    async def scene() -> list[Event]:
        heard: list[Event] = []
        script = Script(Health(ok=True, lag_bytes=5), Health(ok=False, why="refused"), Health(ok=False, why="refused"))
        times = CheckTimes(every=Duration(0.0), fall=2)
        task = asyncio.create_task(keep_checking("g", script, times, heard.append))
        await script.done.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return heard

    assert asyncio.run(scene()) == [
        Checked(group="g", ok=True, lag_bytes=5),
        Checked(group="g", ok=True),
        Checked(group="g", ok=False, why="refused"),
    ]
