# Refinements that are damaged, or of another base, are refused by name; the base stays what it was.
tiny model
tiny other --seed 2
quietly nwcodec compress model -o good --layers 3,5
quietly nwcodec compress other -o other_good --layers 3,5
quietly nwcodec decompress good -o base --layers 1 --quiet
broken() { rm -rf bad && cp -r good bad; }
refuse() {
  refused 1 nwcodec inspect bad --verify
  refused 1 nwcodec decompress bad -o out
  rm -rf out base2
  quietly nwcodec decompress bad -o base2 --layers 1 --quiet
  same base base2
}
broken; rm -r bad/refinement-1; cp -r other_good/refinement-1 bad; refuse
# Trimming leaves a damaged layer behind, and says so.
broken; truncate -s -10 bad/refinement-1/model.safetensors
nwcodec trim bad -o trimmed --layers 1 2>&1 >/dev/null | says 'layers above are left out unread: .*the file may be' ||
  fail "trim does not say what it left out"
quietly nwcodec decompress trimmed -o base3 --quiet
same base base3
refused 1 nwcodec trim bad -o x --layers 2
absent x
broken; flip bad/refinement-1/model.safetensors -100; refuse
broken; truncate -s -10 bad/refinement-1/model.safetensors; refuse
broken; rm bad/refinement-1/model.safetensors; refuse
broken; rm bad/refinement-1/codec.safetensors; refuse
broken; cp bad/codec.safetensors bad/refinement-1; refuse
broken; mv bad/refinement-1 bad/refinement-2
nwcodec decompress bad -o out 2>&1 | says 'refinement-2 is not read: there is no refinement-1' ||
  fail "a gap is not said"
nwcodec inspect bad 2>&1 | says 'refinement-2 is not read: there is no refinement-1' || fail "inspect passes over a gap"
same base out
