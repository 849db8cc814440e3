"""Modules: what shares nothing with the rest is solved on its own, and gates that say the same are one."""

from bascule.availability.structure import Basic, Event, Node, Structure, all_of, any_of, at_least
from bascule.availability.trees.coalescing import coalesced
from bascule.availability.trees.modules import modules, whole
from bascule.availability.trees.network import flat
from bascule.availability.trees.orders import depth_first, shared_first

A, B, C, D, E, F = (Basic(name) for name in "ABCDEF")


def sizes(top: Node) -> list[int]:
    structure = Structure(top, dict.fromkeys("ABCDEF", Event(0.1)))
    return sorted(len(one.inputs) for one in modules(coalesced(flat(structure))))


def test_gates_that_share_nothing_are_modules() -> None:
    assert sizes(any_of(all_of(A, B), all_of(C, D))) == [2, 2, 2]
    assert sizes(at_least(2, all_of(A, B), all_of(C, D), E)) == [2, 2, 3]


def test_gates_that_share_an_event_are_none() -> None:
    assert sizes(any_of(all_of(A, B), all_of(B, C))) == [3]


def test_children_that_share_among_themselves_alone_become_a_module() -> None:
    assert sizes(any_of(all_of(A, B), all_of(B, C), all_of(D, E), all_of(E, F))) == [2, 3, 3]


def test_a_module_may_be_shared_as_a_whole() -> None:
    both = all_of(A, B)
    assert sizes(at_least(2, any_of(both, C), any_of(both, D), E)) == [2, 4]


def test_undivided_a_network_is_one_module_of_all_its_events() -> None:
    structure = Structure(any_of(all_of(A, B), all_of(C, D)), dict.fromkeys("ABCD", Event(0.1)))
    assert len(whole(flat(structure)).inputs) == 4


def test_gates_that_only_repeat_their_likes_vanish() -> None:
    structure = Structure(
        any_of(A, any_of(B, any_of(C, D)), all_of(E, all_of(F, A))), dict.fromkeys("ABCDEF", Event(0.1))
    )
    network = coalesced(flat(structure))
    assert sum(least > 0 for least in network.least) == 2
    assert len(network.children[network.top]) == 5


def test_orders_have_every_input_once_and_put_what_all_share_first() -> None:
    zone = Basic("zone")
    services = [at_least(2, *(any_of(Basic(f"{name}{number}"), zone) for number in range(3))) for name in "abcd"]
    names = ["zone", *(f"{name}{number}" for name in "abcd" for number in range(3))]
    network = flat(Structure(any_of(*services), dict.fromkeys(names, Event(0.1))))
    module = modules(network)[-1]
    for order in (depth_first(module), shared_first(module)):
        assert sorted(order) == list(range(len(module.inputs)))
    first = module.inputs[shared_first(module)[0]]
    assert network.events[first] == "zone"
