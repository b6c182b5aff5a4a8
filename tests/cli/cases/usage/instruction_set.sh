tiny model
NWCODEC_ISA=nonsense refused 2 nwcodec compress model -o out
NWCODEC_ISA=AVX2 refused 2 nwcodec inspect model
absent out
