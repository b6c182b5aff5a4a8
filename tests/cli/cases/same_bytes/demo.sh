# Thread count and instruction set on two of the example model's blocks.
quietly nwcodec compress "$DEMO" --exclude 'layers\.[2-5]\.' -o out
NWCODEC_ISA=scalar quietly nwcodec compress "$DEMO" --exclude 'layers\.[2-5]\.' -o scalar --threads 1
same out scalar
