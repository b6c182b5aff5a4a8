tiny model
sums model >before
refused 1 nwcodec compress model -o model
refused 1 nwcodec compress model -o ./model/../model/
refused 1 nwcodec compress model -o model --force
ln -s model link
refused 1 nwcodec compress model -o link --force
refused 1 nwcodec compress link -o model --force
diff before <(sums model)
quietly nwcodec compress model -o out
sums out >before
refused 1 nwcodec decompress out -o out --force
diff before <(sums out)
