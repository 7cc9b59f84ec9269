"""Mend the slips for which mypy refuses to read tensorrt-stubs: parameters named `in`, and one without its default."""

import re
import sysconfig
from pathlib import Path

stubs = Path(sysconfig.get_path("purelib")) / "tensorrt_bindings" / "tensorrt.pyi"
text = stubs.read_text(encoding="utf-8")
text = re.sub(r"([(,] ?)in: ", r"\1in_: ", text)
text = text.replace("channel_axis: int) -> IScaleLayer", "channel_axis: int = ...) -> IScaleLayer")
stubs.write_text(text, encoding="utf-8")
