# Thread count and instruction set on the example model.
quietly nwcodec compress "$DEMO" -o out
NWCODEC_ISA=scalar quietly nwcodec compress "$DEMO" -o scalar --threads 1
same out scalar
