"""What people read in Chinese about rows and models, the same in the ledger and in the reports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rectify_nlp.model import Model
from rectify_nlp.records import Row

UNDECIDED = "未判断"
UNNAMED = "（未写明单位）"
STATUS_SOURCE = {"stated": "通报写明", "predicted": "模型判断"}
CAUTION = "类别、状态和概率由模型给出，供人工核对时参考，不能代替组织认定。"
TASK = {"category": "类别", "status": "状态"}

_WARNINGS = (
    (
        r"the notice says (\d+) issues, (\d+) found",
        r"通报自述 \1 个问题，切分出 \2 个",
    ),
    (
        r"the notice says (\d+) issues (.+), (\d+) found",
        r"通报自述“\2”\1 个，写明的有 \3 个",
    ),
    (
        r"no issues found: the text speaks of rectification but lists no single problems",
        r"没有切分出问题：文中谈到整改，但没有逐条列出问题",
    ),
    (
        r"no issues found: by its title this is no rectification notice",
        r"没有切分出问题：从标题看不是整改情况通报",
    ),
    (
        r"no issues found: this does not look like a rectification notice",
        r"没有切分出问题：不像是整改情况通报",
    ),
    (
        r"traditional characters: (.+) reads them better",
        r"正文为繁体字，安装扩展后读得更准：\1",
    ),
    (r"(\d+) bytes could not be decoded", r"有 \1 个字节无法解码"),
    (r"numbering skips before (.+)", r"编号不连续：\1"),
    (r"looks like an issue but was left out: (.+)", r"像是问题但未列入：\1"),
    (r"no measures found for any of them", r"所有问题均未找到整改情况"),
    (r"no measures found for (.+)", r"未找到整改情况：\1"),
    (
        r"no text on page (.+): pictures, in need of OCR",
        r"第 \1 页没有文字，是图片，需要先做文字识别",
    ),
)
# Why a source could not be read.
_FAILURES = (
    (r"this is a picture; save it .+", "这是图片，请先做文字识别，存为 txt、docx 或 PDF"),
    (r"this is (.+); save it .+", r"这是 \1，不是文档，请存为 txt、docx 或 PDF"),
    (r"is larger than (.+) MB.*", r"超过 \1 MB"),
    (r"the file holds no text", "文件里没有文字"),
    (r"the document holds no text|the PDF holds no text", "文档里没有文字"),
    (
        r"the document holds pictures but no text.*|the PDF is a scan.*",
        "是扫描件，只有图片，没有文字，请先做文字识别（OCR）",
    ),
    (r"the web page holds no text.*", "网页里没有正文，请打开网页，把正文复制粘贴过来"),
    (r"the web page nests its tags too deep.*", "网页结构过于复杂，请把正文复制粘贴过来"),
    (r"this zip archive holds no Word document", "压缩包里没有 Word 文档，请先解压"),
    (r"this Office file is .+|this old Office file .+", "不是 Word 文档，请存为 docx"),
    (r"the (?:PDF|document) is locked.*", "文档有密码，请另存为没有密码的副本"),
    (
        r"the \.docx .+|is damaged.*|the PDF .+|its reader crashed.*",
        "文件已损坏，或不是它看起来的格式",
    ),
    (r"\.\w+ is not read.*|LibreOffice cannot read this .*", "无法读取这种旧格式，请另存为 docx"),
    (r"unpacks to .+", "压缩包解开后过大"),
    (r"takes more than .+|was not read within .+", "太大或太复杂，没有在限度内读完"),
    (r"has more than ([\d,]+) characters.*", r"超过 \1 个字，请用命令行 rectify-nlp batch 处理"),
    (r"tables of issues are not read here.*", "已切分的问题表请用命令行 rectify-nlp predict 处理"),
)
# Places within a warning.
_PLACES = (
    (r"line (\d+)", r"第\1行"),
    (r"\((\d+) missing\)", r"（缺\1个）"),
    (r" and (\d+) more$", r"，另有\1处"),
)
_METHODS = (
    (r"(\d+)-fold cross-validation, whole notices left out", r"\1 折交叉验证，整份通报留出"),
)


def warning(text: str) -> str:
    """A warning in Chinese; one that is not known stays as it is."""
    told = _translated(text, _WARNINGS)
    if told != text:
        for place, chinese in _PLACES:
            told = re.sub(place, chinese, told)
    return told


def failure(text: str) -> str:
    """Why a source could not be read, in Chinese; a reason that is not known stays as it is."""
    return _translated(text, _FAILURES)


def _translated(text: str, phrases: Iterable[tuple[str, str]]) -> str:
    for pattern, chinese in phrases:
        if match := re.fullmatch(pattern, text):
            return match.expand(chinese)
    return text


def likeliest(record: Row, task: str) -> tuple[str, float]:
    """The model's first label and its probability, also where it abstains."""
    label, probability = next(iter(record["p"][task].items()))
    return label, probability


def doubts(record: Row) -> list[str]:
    """Why a person should look at a row; empty where nothing asks for it."""
    found = []
    if record["doubtful"]:
        label, probability = likeliest(record, "status")
        found.append(
            f"状态存疑：通报写“{record['stated_text']}”，文本更像“{label}”（{probability:.0%}）"
        )
    for task, name in TASK.items():
        if record[task] is None:
            label, probability = likeliest(record, task)
            found.append(f"{name}未判断：最可能是“{label}”（{probability:.0%}）")
    return found


def deciding_words(record: Row, task: str) -> list[tuple[str, float]]:
    """The words that decided and their weight, a word that counts twice added up, heaviest first."""
    weights: dict[str, float] = {}
    for e in record.get("evidence", ()):
        if e["of"] == task:
            weights[e["term"]] = weights.get(e["term"], 0.0) + e["weight"]
    return sorted(weights.items(), key=lambda pair: -pair[1])


def tones(statuses: Sequence[str]) -> dict[str, str]:
    """Of each status, which run from least to most done: "open", "ongoing" or "done"."""
    inner = dict.fromkeys(statuses[1:-1], "ongoing")
    return {statuses[0]: "open", **inner, statuses[-1]: "done"}


def about_model(model: Model) -> list[tuple[str, str]]:
    """Name and text of what to know of a model: which it is, what it learnt from, how good it is."""
    trained = model.info.get("trained_on", {})
    said = [("模型", model.fingerprint)]
    if trained:
        authored = trained.get("by_origin", {}).get("authored", 0)
        caution = (
            f"，其中 {authored} 个是为训练撰写的，不是公开通报；在公开通报上的效果通常低于下列数字"
            if authored
            else ""
        )
        said.append(
            ("训练数据", f"{trained['notices']} 份通报的 {trained['segments']} 个问题{caution}。")
        )
    for task, name in TASK.items():
        measured = model.info.get("measured", {}).get(task)
        if measured:
            said.append(
                (
                    f"{name}的准确率",
                    f"{measured['accuracy']:.1%}（{_translated(measured['method'], _METHODS)}，"
                    f"{measured['segments']} 个问题；概率的平均偏差 {measured['calibration_error']:.1%}）",
                )
            )
    return said
