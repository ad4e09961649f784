"""Images: a whole card or disk for a gate, made from a recipe and a release's bundle.

recipe      what a base system is made of: packages, kernel, partitions
base        the base system's files: Debian's packages, our units, the first slot, and nothing of this machine
contents    every file of an image in one list, whose hash says whether two images are the same
packing     file systems and partitions, in one file
ready       why it can't be built here, before anything is done
build       all of it in order
carried     a base system as a bundle that RAUC installs beside the one that runs
account     what an image says of itself, and whether a card still holds it
"""
