"""Time and accuracy of the singular values of a product, beside numpy.linalg.svd of the explicit product, in one run.

Run from the repository's root: OMP_NUM_THREADS=1 PYTHONPATH=. python benchmarks/random_matrices.py
Seconds are processor time of one process, so that other work on the machine does not count; medians over the draws.
"""

import argparse
import functools
import time

import numpy as np

from repro.random_matrices import gaussian_factors, graded_product, product_singular_values


def main() -> None:
    """Print one row of a Markdown table for every number of factors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1000)
    parser.add_argument("--factors", type=int, nargs="+", default=[1, 3, 5, 16])
    parser.add_argument("--draws", type=int, default=3)
    arguments = parser.parse_args()
    print(
        "| M | accurate, s | per factor, s | explicit product, s | condition | its condition when explicit | cond(C) |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for factors in arguments.factors:
        rows = []
        for draw in range(arguments.draws):
            matrices = gaussian_factors([arguments.size] * (factors + 1), seed=draw)
            start = time.process_time()
            values = product_singular_values(matrices)
            middle = time.process_time()
            naive = np.linalg.svd(functools.reduce(np.matmul, matrices), compute_uv=False)
            end = time.process_time()
            rows.append([middle - start, end - middle, values[0] / values[-1], naive[0] / naive[-1]])
        accurate, explicit, condition, naive_condition = np.median(rows, axis=0)
        rows_condition = np.linalg.cond(graded_product(matrices).rows)
        print(
            f"| {factors} | {accurate:.2f} | {accurate / factors:.2f} | {explicit:.2f} | {condition:.1e} "
            f"| {naive_condition:.1e} | {rows_condition:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
