"""What name_variants.py and value_variants.py share: checkpoints on disk, runs of nwcodec, the list of variants."""
import json
import logging
import os
import random
import subprocess
import tempfile
import warnings

warnings.filterwarnings("ignore")
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", OMP_NUM_THREADS="1",
                  HF_HUB_DISABLE_PROGRESS_BARS="1")
import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file

torch.set_num_threads(1)
transformers.utils.logging.disable_progress_bar()
logging.disable(logging.CRITICAL)  # what from_pretrained() has to say of variants that it does not load
NW = os.environ["NW"]
ROOT = tempfile.mkdtemp(prefix="nwcodec-sweep-")
VOCABULARY, CONTEXT, WINDOWS = 300, 48, 3
TINY = dict(vocab_size=VOCABULARY, hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=512, pad_token_id=None, bos_token_id=0, eos_token_id=1)


def words(n, seed=1):
    r = random.Random(seed)
    return " ".join("".join(r.choice("etaoinshrdlu") for _ in range(r.randint(2, 7))) for _ in range(n // 5))


def make_tokenizer():
    t = tokenizers.Tokenizer(tokenizers.models.BPE())
    t.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = tokenizers.decoders.ByteLevel()
    t.train_from_iterator([words(4000)], tokenizers.trainers.BpeTrainer(
        vocab_size=VOCABULARY, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return t


TOKENIZER, TEXT = make_tokenizer(), os.path.join(ROOT, "text.txt")
with open(TEXT, "w") as file:
    file.write(words(3000))
IDS = TOKENIZER.encode(words(3000)).ids


def run(*arguments):
    """Exit code, what it printed, its messages."""
    done = subprocess.run([NW, *map(str, arguments)], capture_output=True, timeout=300)
    return done.returncode, done.stdout.decode("utf8", "replace"), done.stderr.decode("utf8", "replace").strip()


def path(name):
    return os.path.join(ROOT, name)


def write(name, tensors, config):
    directory = path(name)
    os.makedirs(directory)
    save_file({k: v.clone().contiguous() for k, v in tensors.items()}, directory + "/model.safetensors",
              {"format": "pt"})
    with open(directory + "/config.json", "w") as out:
        json.dump(config, out)
    TOKENIZER.save(directory + "/tokenizer.json")
    return directory


def tensors_of(directory):
    return load_file(directory + "/model.safetensors")


RIGHT, REFUSED, WRONG = "right", "refused", "WRONG"
VARIANTS = []
