from bascule.measure.route import Route


def test_the_first_target_is_kept_while_it_answers() -> None:
    route = Route(3)
    assert [route.choose(t) for t in (0.0, 1.0, 2.0)] == [0, 0, 0]


def test_a_target_that_does_not_answer_is_left_and_not_gone_back_to_while_the_next_one_answers() -> None:
    route = Route(2)
    route.leave(0, 10.0)
    assert [route.choose(t) for t in (10.0, 10.9, 11.5, 99.0)] == [1, 1, 1, 1]
    route.leave(1, 100.0)
    assert route.choose(100.0) == 0


def test_trouble_on_a_target_not_in_use_changes_nothing() -> None:
    route = Route(2)
    route.leave(1, 10.0)
    assert route.choose(10.0) == 0


def test_with_all_left_the_one_left_longest_ago_is_tried() -> None:
    route = Route(3)
    for place, now_s in ((0, 10.0), (1, 10.2), (2, 10.4)):
        route.leave(place, now_s)
    assert route.choose(10.5) == 0


def test_a_pinned_client_stays() -> None:
    route = Route(1)
    route.leave(0, 10.0)
    assert route.choose(10.0) == 0
