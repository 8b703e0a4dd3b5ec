from hypothesis import given
from hypothesis import strategies as st

from repro.networks.layers import equivalent_layer

DEPTHS = st.integers(1, 40).map(lambda n: 6 * n + 2)


@given(st.integers(1, 110))
def test_equivalent_layer_is_the_identity_at_the_papers_depth(layer: int):
    assert equivalent_layer(layer, 110) == layer


@given(st.integers(2, 109), DEPTHS)
def test_equivalent_layer_keeps_stage_place_and_position(layer: int, depth: int):
    found = equivalent_layer(layer, depth)
    blocks = (depth - 2) // 6
    block, position = divmod(found - 2, 2)
    paper_block, paper_position = divmod(layer - 2, 2)
    assert 2 <= found < depth
    assert position == paper_position
    assert block // blocks == paper_block // 18
    # the middle of the paper's block, as a share of its stage, lies within the found block
    middle = (paper_block % 18 + 0.5) / 18
    assert block % blocks <= middle * blocks + 1e-9
    assert middle * blocks < block % blocks + 1 + 1e-9


@given(st.integers(2, 109), st.integers(2, 109), DEPTHS)
def test_equivalent_layers_keep_the_order_of_blocks(one: int, other: int, depth: int):
    low, high = sorted((one, other))
    assert (equivalent_layer(low, depth) - 2) // 2 <= (equivalent_layer(high, depth) - 2) // 2


def test_ends_stay_ends():
    for depth in (8, 20, 110):
        assert equivalent_layer(1, depth) == 1
        assert equivalent_layer(110, depth) == depth
