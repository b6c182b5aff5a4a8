# What is wrong in a task file is named by file, line and key.
task() { printf '{"context": "Q", "choices": ["a", "b"], "label": 0}\n%s\n' "$1" >task.jsonl; }
task '{"context": "Q", "choices": ["a", "b"], "label": 2}'
refused 1 nwcodec eval "$DEMO" --tasks task.jsonl
quietly nwcodec eval "$DEMO" --tasks task.jsonl --limit 1 --quiet
task '{"context": "Q", "choices": ["a", "b"], "label": 0'
refused 1 nwcodec eval "$DEMO" --tasks task.jsonl
task '{"context": "Q", "choices": [], "label": 0}'
refused 1 nwcodec eval "$DEMO" --tasks task.jsonl
task '{"context": "Q", "choices": ["a", ""], "label": 0}'
refused 1 nwcodec eval "$DEMO" --tasks task.jsonl
task '{"choices": ["a", "b"], "label": 0}'
refused 1 nwcodec eval "$DEMO" --tasks task.jsonl
: >empty.jsonl
refused 1 nwcodec eval "$DEMO" --tasks empty.jsonl
refused 1 nwcodec eval "$DEMO" --tasks nowhere.jsonl
task ''
cp task.jsonl again.jsonl
sed -i 's/"label": 0/"label": 0, "task": "task"/' again.jsonl
refused 1 nwcodec eval "$DEMO" --tasks task.jsonl again.jsonl
refused 1 nwcodec eval "$DEMO" --tasks task.jsonl --items nowhere/items.jsonl
# A choice longer than the context; and an item whose context is, which loses its beginning.
cp -r "$DEMO" short
sed 's/"max_position_embeddings": 2048/"max_position_embeddings": 8/' "$DEMO/config.json" >short/config.json
task '{"context": "Q", "choices": ["one two three four five six seven eight nine", "b"], "label": 0}'
refused 1 nwcodec eval short --tasks task.jsonl
task '{"context": "one two three four five six seven eight nine", "choices": ["a", "b"], "label": 0}'
nwcodec eval short --tasks task.jsonl --quiet --json | check_json /tasks/0/truncated=1
nwcodec eval short --tasks task.jsonl >/dev/null
refused 2 nwcodec eval "$DEMO" --tasks task.jsonl --text "$DEMO_TEXT"
refused 2 nwcodec eval "$DEMO" --tasks task.jsonl --context 128
refused 2 nwcodec eval "$DEMO" --tasks task.jsonl --protocol gptq
refused 2 nwcodec eval "$DEMO" --text "$DEMO_TEXT" --limit 3
refused 2 nwcodec eval "$DEMO" --text "$DEMO_TEXT" --items items.jsonl
refused 2 nwcodec eval "$DEMO" --tasks task.jsonl --limit -1
