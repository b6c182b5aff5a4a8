nwcodec doctor --json | check_json /version /instruction_sets /threads /models /cuda /codecs
nwcodec doctor | says '^instruction sets .*scalar'
