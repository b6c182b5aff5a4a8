# Two-sided feedback by itself where the calibration kept the output side; refused where it did not.
nwcodec calibrate "$DEMO" --text "$DEMO_TEXT" -o both --sequences 2 --length 64 --quiet >/dev/null
nwcodec calibrate "$DEMO" --text "$DEMO_TEXT" -o inputs --no-output-side --sequences 2 --length 64 --quiet >/dev/null
bytes() { cat "$1"/*.safetensors | wc -c; }
if [ "$(bytes both)" -le "$(bytes inputs)" ]; then fail "nothing more is kept"; fi
# Two of the six blocks.
small() { nwcodec compress "$DEMO" --keep-embeddings --exclude 'layers\.[2-5]\.' --bits 3 --quiet "$@" >/dev/null; }
small -o default --hessians both
small -o two-sided --hessians both --feedback two-sided
same default two-sided
small -o columns --hessians both --feedback columns
small -o inputs-only --hessians inputs
same columns inputs-only
if cmp -s default/model.safetensors columns/model.safetensors; then fail "rows change nothing"; fi
refused 1 nwcodec compress "$DEMO" -o none --bits 3 --hessians inputs --feedback two-sided --quiet
refused 1 nwcodec compress "$DEMO" -o none --bits 3 --hessians both --feedback two-sided --steps levels --quiet
refused 2 nwcodec compress "$DEMO" -o none --bits 3 --hessians both --feedback rows
refused 2 nwcodec compress "$DEMO" -o none --bits 3 --hessians both --row-shrinkage 2
