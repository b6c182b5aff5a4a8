# Several checkpoints of one model: sizes and quality, recorded or measured anew.
quietly nwcodec compress "$DEMO" -o three --bits 3
quietly nwcodec compress "$DEMO" -o "a four" --bits 4
nwcodec compare three "a four" 2>notes
[ "$(grep -c 'records no quality' notes)" -eq 2 ]
nwcodec compare three "a four" --reference "$DEMO" --text "$DEMO_TEXT" "$DEMO_TEXT" --context 128 --windows 1 \
  --threads 1 --report page.html
check_json <page.json '/checkpoints/0/checkpoint="three"' '/checkpoints/1/checkpoint="a four"' \
  '/reference="demo"' '/texts/1="demo-text.txt"' /checkpoints/0/profile/windows=2 /unbeaten/1 \
  /checkpoints/1/bits_per_weight /checkpoints/0/profile/classes/0/kl_divergence
says '<h2>Divergence over size</h2>' <page.html
says "nwcodec compare three &#39;a four&#39; --reference" <page.html
[ "$(wc -l <page.csv)" -eq 3 ] || fail "$(wc -l <page.csv) lines"
# The figures are those of each by itself: the window is there twice.
nwcodec eval "a four" --reference "$DEMO" --text "$DEMO_TEXT" --context 128 --windows 1 --threads 1 --json >alone.json
alone=$(grep -m 1 -oE '"kl_divergence": [0-9.]{8}' alone.json)
grep -qF "$alone" page.json || fail "$alone is not among the figures"
# Recorded ones, where there are any.
quietly nwcodec compress "$DEMO" --text "$DEMO_TEXT" -o calibrated --bits 3 --sequences 1 --length 64 --quiet
nwcodec compare calibrated three --json --quiet |
  check_json '/checkpoints/0/quality/kl_divergence' '/checkpoints/1/quality=null' '/checkpoints/0/made_by' '/texts=[]'
