# The help of every command is plain text: choices are listed by their names.
for command in compress decompress convert inspect eval generate train polish calibrate study "study ablation"; do
  nwcodec $command --help >help
  if LC_ALL=C grep -q '[^[:print:]]' help; then fail "$command --help holds control bytes"; fi
done
nwcodec compress --help | tr -s ' \n' ' ' >help
grep -q 'one of column, row, both, tensor, model' help || fail "--normalisation does not list its choices"
refused 2 nwcodec compress model -o out --steps fine --hessians h
refused 2 nwcodec compress model -o out --sensitivity mean --hessians h
refused 2 nwcodec train model -o codec --device tpu
refused 2 nwcodec study ablation model -o out --of everything
