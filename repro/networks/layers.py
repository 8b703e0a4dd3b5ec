"""The paper's layer numbers, and their like in networks of another depth."""

PAPER_DEPTH = 110


def equivalent_layer(paper_layer: int, depth: int) -> int:
    """The layer of a network of `depth` that stands where `paper_layer` stands among the paper's 110.

    Same stage, same relative place within it, same position within its block; the identity at depth 110.
    """
    if paper_layer <= 1:
        return 1
    if paper_layer >= PAPER_DEPTH:
        return depth
    blocks_paper, blocks = (PAPER_DEPTH - 2) // 6, (depth - 2) // 6
    block, position = divmod(paper_layer - 2, 2)
    stage, place = divmod(block, blocks_paper)
    return 2 * (stage * blocks + (2 * place + 1) * blocks // (2 * blocks_paper)) + 2 + position
