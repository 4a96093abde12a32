"""Runs the Python parts of docs/from-folder-to-model.md in a folder where its commands were run.

    python scripts/reference/guide.py FOLDER    (needs numpy, safetensors, tensorboard and onnxruntime)
"""

import os
import re
import sys

guide = os.path.join(os.path.dirname(__file__), "../../docs/from-folder-to-model.md")
parts = re.findall(r"```python\n(.*?)```", open(guide).read(), re.S)
os.chdir(sys.argv[1])
for part in parts:
    exec(part, {})
print(f"{len(parts)} parts ran")
