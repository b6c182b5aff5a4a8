# What newcomers meet most: each message names the file, tensor, key or option, and says what to do.
tiny model
cp -r "$DEMO" demo
unset HF_HUB_CACHE HF_HOME XDG_CACHE_HOME

# The command line.
refused 2 nwcodec compres model -o out
refused 2 nwcodec compress model -o out --bit 3
refused 2 nwcodec compress model
refused 2 nwcodec compress model -o -q
refused 2 nwcodec compress --exclude model -o out
refused 2 nwcodec compress model -o out --bits 99
refused 2 nwcodec compress model -o out --bits three
refused 2 nwcodec compress model -o out --normalisation rows
refused 1 nwcodec compress model -o out --codec fast1000
refused 1 nwcodec compress model -o out --exclude '['

# Paths that are no checkpoint.
refused 1 nwcodec compress modle -o out
refused 1 nwcodec compress some-org/some-model -o out
mkdir -p models--some-org--some-model/snapshots/0123abc models--some-org--some-model/refs
printf 0123abc >models--some-org--some-model/refs/main
refused 1 nwcodec compress models--some-org--some-model -o out
refused 1 nwcodec compress model/config.json -o out
mkdir adapter bin pointer
echo '{"base_model_name_or_path": "some-org/some-model"}' >adapter/adapter_config.json
: >adapter/adapter_model.safetensors
refused 1 nwcodec compress adapter -o out
: >bin/pytorch_model.bin
refused 1 nwcodec compress bin -o out
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n' >pointer/model.safetensors
cp pointer/model.safetensors pointer/tokenizer.json
refused 1 nwcodec compress pointer -o out
cp -r model cut
head -c 5000 model/model.safetensors >cut/model.safetensors
refused 1 nwcodec compress cut -o out
cp -r model broken
echo '{"hidden_size": 64,}' >broken/config.json
refused 1 nwcodec compress broken -o out

# Outputs, and inputs of the wrong kind.
mkdir used
echo mine >used/notes.txt
refused 1 nwcodec compress model -o used
refused 1 nwcodec compress model -o model
quietly nwcodec compress model -o small
refused 1 nwcodec compress small -o out
refused 1 nwcodec decompress model -o out
refused 1 nwcodec inspect model
refused 1 nwcodec compress model -o out --bits 11.9 --codec fast-30
flip small/model.safetensors -1000
refused 1 nwcodec decompress small -o out

# Texts, tokenizers, families, devices.
refused 1 nwcodec eval demo --text nowhere.txt
echo short >short.txt
refused 1 nwcodec eval demo --text short.txt --context 256
refused 1 nwcodec generate pointer --prompt Hello
rm demo/tokenizer.json
: >demo/tokenizer.model
refused 1 nwcodec eval demo --text short.txt
cp "$DEMO/tokenizer.json" demo
sed -i 's/"llama"/"mamba2"/' demo/config.json
refused 1 nwcodec generate demo --prompt Hello
refused 1 nwcodec generate "$DEMO" --prompt Hello --device gpu
absent out
