"""Does a score of a set of negatives tell, without training, what training with it will bring?

Run with `python -m studies.eci`; see `studies.eci.__main__`. What came out is told in docs/studies/eci.md.
"""
