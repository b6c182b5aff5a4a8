# Every command has a page, with every option of its help.
for command in compress decompress convert inspect eval compare generate train polish calibrate study doctor \
  completion man; do
  nwcodec man $command >page
  head -n 1 page | grep -q "^.TH \"nwcodec.\\-$command\" 1" || { head -n 3 page >&2; exit 1; }
  nwcodec $command --help | grep -oE '^ +(-[a-z],)?--[a-z-]+' | grep -oE -- '--[a-z-]+' | while read -r option; do
    grep -qF -- "${option//-/\\-}" page || { echo "$command: no $option in its page" >&2; exit 1; }
  done
done
nwcodec man | says '^.SH COMMANDS'
refused 1 nwcodec man nothing
