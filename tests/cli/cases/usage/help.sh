# Every command explains itself, and the program lists them all.
nwcodec --help
for command in compress decompress convert recompress trim inspect eval compare generate train polish doctor; do
  nwcodec $command --help >help 2>&1
  grep -q "^Usage: nwcodec $command \[OPTIONS\]" help || fail "no usage line: $command"
  for option in --help --json --quiet --threads; do
    grep -q -e "$option" help || fail "$command --help does not mention $option"
  done
done
