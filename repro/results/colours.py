"""The colours of figures: Okabe and Ito's, then four of Tol's muted ones, distinguishable with any colour vision."""

BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
BLACK, INDIGO, WINE, OLIVE, TEAL = "#000000", "#332288", "#882255", "#999933", "#44AA99"
