"""Opens a published folder with transformers and prints what it makes of it, as one line of JSON."""

import json
import sys

import transformers

directory, saved = sys.argv[1:3]
texts = json.load(sys.stdin)
tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
config = transformers.AutoConfig.from_pretrained(directory)
encoded = [tokenizer(text) for text in texts]
padded = tokenizer(texts, padding=True)
tokenizer.save_pretrained(saved)
print(
    json.dumps(
        {
            "version": transformers.__version__,
            "names": sorted(encoded[0].keys()),
            "ids": [each["input_ids"] for each in encoded],
            "texts": [tokenizer.decode(each["input_ids"]) for each in encoded],
            "entries": len(tokenizer),
            "longest": tokenizer.model_max_length,
            "padToken": tokenizer.pad_token,
            "padId": tokenizer.pad_token_id,
            "padded": padded["input_ids"],
            "mask": padded["attention_mask"],
            "model": type(config).__name__,
            "vocabulary": config.vocab_size,
        }
    )
)
