# A page about the divergence, with its figures beside it; the same bytes each time.
quietly nwcodec compress "$DEMO" -o small
evaluate() { nwcodec eval small --reference "$DEMO" --text "$DEMO_TEXT" --context 128 --windows 2 --quiet "$@"; }
evaluate --report page.html --json >stdout.json
check_json <page.json /schema=1 '/checkpoint="small"' '/reference="demo"' '/texts/0="demo-text.txt"' /windows=2 \
  /context=128 /tokens=254 /kl_divergence /kl_divergence_standard_error /perplexity /reference_perplexity \
  /top1_agreement /quantiles/0/kl_divergence /concentration/0/share_of_divergence /positions/0/first=2 \
  '/classes/0/class="word start"' /worst_windows/1/window /worst_tokens/49/text /costly_tokens/0/text \
  /worst_tokens/0/reference_top/text
# What the page says is what the command says.
for key in kl_divergence perplexity top1_agreement; do
  figure=$(grep -m 1 -oE "\"$key\": [0-9.]{8}" stdout.json)
  [ "$(grep -m 1 -oE "\"$key\": [0-9.]{8}" page.json)" = "$figure" ] || fail "$figure is not in the page's figures"
done
[ "$(wc -l <page.csv)" -eq 255 ] || fail "$(wc -l <page.csv) lines"
[ "$(head -n 1 page.csv)" = window,position,id,class,text,kl_divergence,reference_nll,nll,reference_top,top ]
says '<h2>The worst windows</h2>' <page.html
says "nwcodec eval small --text .*/demo-text.txt --reference .*/models/demo --context 128 --windows 2" <page.html
mkdir again
cp page.* again
evaluate --report page.html >stdout.txt
for file in html csv json; do
  diff <(sed 's/ --json//' again/page.$file) page.$file
done
refused 2 nwcodec eval small --text "$DEMO_TEXT" --report page.html
refused 2 nwcodec eval small --text "$DEMO_TEXT" --reference "$DEMO" --report page.json
refused 1 evaluate --report nowhere/page.html
