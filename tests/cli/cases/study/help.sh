# Every study explains itself.
nwcodec study --help
for study in statistics rate-distortion tensors compare reproduce; do
  nwcodec study $study --help >help 2>&1
  grep -q "^Usage: nwcodec study $study \[OPTIONS\]" help || fail "no usage line: $study"
  for option in --output --force --help --json --quiet --threads; do
    grep -q -e "$option" help || fail "study $study --help does not mention $option"
  done
done
