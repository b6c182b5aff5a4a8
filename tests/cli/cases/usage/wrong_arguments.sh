# Each is refused by the parser: exit code 2, nothing read or written.
refused 2 nwcodec bogus
refused 2 nwcodec --bogus
refused 2 nwcodec compress
refused 2 nwcodec compress model
refused 2 nwcodec compress model -o
refused 2 nwcodec compress model other -o out
refused 2 nwcodec compress model -o out --unknown
refused 2 nwcodec compress model -o ''
refused 2 nwcodec compress model -o out --codec ''
refused 2 nwcodec compress model -o out --tile-chunks 33
refused 2 nwcodec compress model -o out --tile-chunks 65568
refused 2 nwcodec compress model -o out --tile-chunks 64x
refused 2 nwcodec compress model -o out --bits 0
refused 2 nwcodec compress model -o out --threads -1
refused 2 nwcodec compress model -o out --threads 1000000
refused 2 nwcodec compress model -o out --include
refused 2 nwcodec decompress in -o out --dtype F8
refused 2 nwcodec eval model --text text --context 1
refused 2 nwcodec generate model --prompt p --max-new-tokens -1
refused 2 nwcodec train model -o codec --recipe mine
absent out codec
