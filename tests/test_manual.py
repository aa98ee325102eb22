"""Help pages: complete in both languages, in the reader's language, with examples that work."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import openpyxl
import pytest
import typer
from rich.cells import cell_len
from typer.testing import CliRunner

from rectify_nlp import Taxonomy, manual
from rectify_nlp.cli import app
from rectify_nlp.cli_batch import Form
from rectify_nlp.labelsheet import sheet
from rectify_nlp.picking import Candidate
from rectify_nlp.render import FORMATS

LOCALE = ("RECTIFY_NLP_LANG", "LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command and group with the name of its texts."""
    yield " ".join(path) or manual.ROOT, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


def parameters(command: Any) -> list[Any]:
    context = typer.Context(command, info_name="x", help_option_names=["-h", "--help"])
    return [p for p in command.get_params(context) if not getattr(p, "hidden", False)]


def faults(group: Any, texts: dict[str, Any]) -> list[str]:
    """What is missing in help.toml, left over there, or said in the code instead."""
    found = []

    def look(where: str, text: dict[str, str]) -> None:
        found.extend(f"help.toml: {where}: no text in {lang}"
                     for lang in manual.LANGUAGES if not text.get(lang, "").strip())  # fmt: skip
        if text.get("zh") and not CHINESE.search(text["zh"]):
            found.append(f"help.toml: {where}: zh is not Chinese")

    for word, both in texts["words"].items():
        look(f"[words] {word}", both)
    own = {"--help", "--install-completion", "--show-completion"}  # typer gives these a help
    shared, known = set(), {"words", "shared"}
    for path, command in commands(group):
        known.add(path)
        table = texts.get(path, {})
        look(f"[{path}]", table)
        if not 2 <= len(table.get("examples", ())) <= 3:
            found.append(f"help.toml: [{path}]: two or three examples are needed")
        for example in table.get("examples", ()):
            look(f"[{path}] {example['run']}", example)
        names = {manual.name_of(parameter) for parameter in parameters(command)}
        for name in sorted(names):
            look(f"[{path}] {name}", table.get(name) or texts["shared"].get(name, {}))
        shared |= names - set(table)
        over = set(table) - names - {*manual.LANGUAGES, "examples"}
        found += [
            f"help.toml: [{path}] {name}: no such option or argument" for name in sorted(over)
        ]
        found += [
            f"code: {path} {manual.name_of(p)}: move its help to help.toml"
            for p in parameters(command)
            if p.help and manual.name_of(p) not in own
        ]
        if not isinstance(command, manual.Manual):
            found.append(f"code: {path}: make the group with manual.App, so that it has such pages")
    found += [f"help.toml: [{path}]: no such command" for path in sorted(set(texts) - known)]
    unused = set(texts["shared"]) - shared
    return found + [f"help.toml: [shared] {name}: no command uses it" for name in sorted(unused)]


@pytest.fixture(scope="module")
def program() -> Any:
    return typer.main.get_command(app)


@pytest.fixture(autouse=True)
def no_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LOCALE:
        monkeypatch.delenv(name, raising=False)


def test_commands_and_texts_agree(program):
    assert faults(program, manual.texts()) == []


def test_what_is_missing_or_left_over_is_named():
    group = manual.App(name="rectify-nlp")
    group.callback()(lambda: None)

    @group.command()
    def watch(
        port: Annotated[int, typer.Option("--port")] = 8000,
        host: Annotated[str, typer.Option("--host", help="Address")] = "localhost",
    ) -> None:
        pass

    other = typer.Typer(name="label")
    other.command()(lambda: None)
    group.add_typer(other)
    told = "\n".join(faults(typer.main.get_command(group), manual.texts()))
    assert "help.toml: [watch]: no text in en\nhelp.toml: [watch]: no text in zh\n" in told
    assert "help.toml: [watch]: two or three examples are needed" in told
    assert "help.toml: [watch] --port: no text in zh" in told
    assert "code: watch --host: move its help to help.toml" in told
    assert "code: label: make the group with manual.App" in told
    assert "help.toml: [batch]: no such command" in told
    assert "help.toml: [shared] --quiet: no command uses it" in told
    assert "help.toml: [rectify-nlp] --lang: no such option or argument" in told


def test_formats_are_listed():
    texts = manual.texts()
    for command, formats in (("predict", FORMATS), ("batch", Form)):
        for lang in manual.LANGUAGES:
            text = texts[command]["--format"][lang]
            assert [form for form in formats if not re.search(rf"\b{form}\b", text, re.A)] == []


# -- pages -----------------------------------------------------------------------------------


def page(path: str, **env: str) -> list[str]:
    args = [] if path == manual.ROOT else path.split()
    done = CliRunner().invoke(app, [*args, "--help"], env=env, prog_name="rectify-nlp")
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


@pytest.mark.parametrize("lang", manual.LANGUAGES)
@pytest.mark.parametrize("columns", [50, 80, 200])
def test_pages(lang, columns, program):
    words = {name: both[lang] for name, both in manual.texts()["words"].items()}
    for path, command in commands(program):
        shown = page(path, RECTIFY_NLP_LANG=lang, COLUMNS=str(columns))
        examples = [example["run"] for example in manual.texts()[path]["examples"]]
        assert [line.strip() for line in shown if line.strip() in examples] == examples
        wide = [line for line in shown if cell_len(line) > columns and line.strip() not in examples]
        assert [line for line in wide if not line.startswith(words["usage"])] == []
        usage = next(i for i, line in enumerate(shown) if line.startswith(words["usage"]))
        options = shown.index(words["options"])
        assert shown.index(words["examples"]) == 0 < usage < options
        assert shown[usage].startswith(f"{words['usage']}rectify-nlp")
        rest = "\n".join(shown[options:])
        for parameter in parameters(command):
            if parameter.param_type_name == "option":
                assert all(name in rest for name in parameter.opts)


def test_defaults_and_what_is_required():
    for lang, default, required in (
        ("en", "(default 120)", "(required)"),
        ("zh", "（默认 120）", "（必填）"),
    ):
        text = "\n".join(page("batch", RECTIFY_NLP_LANG=lang, COLUMNS="80"))
        assert default in text
        assert text.count(required) == 1


def test_no_line_begins_with_closing_punctuation():
    for columns in range(40, 80, 3):
        for path in ("rectify-nlp", "predict"):
            lines = page(path, RECTIFY_NLP_LANG="zh", COLUMNS=str(columns))
            assert [line for line in lines if line.lstrip()[:1] in tuple("，。；：、）")] == []
            assert [line for line in lines if line.endswith("（")] == []


def test_without_a_command_the_page_is_shown(run):
    done = run(RECTIFY_NLP_LANG="zh", PYTHONIOENCODING="utf-8")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith("示例：\n")


def test_completion_speaks_the_language(monkeypatch):
    monkeypatch.setenv("RECTIFY_NLP_LANG", "zh")
    program: Any = typer.main.get_command(app)  # completing puts texts into it
    context = typer.Context(program, info_name="rectify-nlp")
    (found,) = program.shell_complete(context, "pre")
    assert found.help == "切分通报"
    split = program.commands["split"]
    (found,) = split.shell_complete(typer.Context(split, parent=context, info_name="split"), "--tr")
    assert found.help == manual.texts()["split"]["--trace"]["zh"]


# -- the language ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "lang"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.GB18030"}, "zh"),
        ({"LANG": "zh_TW.UTF-8"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, "zh"),
        ({"LC_MESSAGES": "en_US.UTF-8", "LC_ALL": "zh_CN.UTF-8"}, "zh"),
        ({"LC_ALL": "", "LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "de:zh"}, "zh"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "zh"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "RECTIFY_NLP_LANG": "en"}, "en"),
        ({"LC_ALL": "C", "RECTIFY_NLP_LANG": "zh"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "RECTIFY_NLP_LANG": ""}, "zh"),
    ],
)
def test_language(env, lang, monkeypatch):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert manual.language() == lang


def test_lang_stands_anywhere(monkeypatch):
    monkeypatch.setenv("RECTIFY_NLP_LANG", "en")
    for given, kept, lang in (
        (["--lang", "zh", "predict", "-h"], ["predict", "-h"], "zh"),
        (["predict", "-h", "--lang=en"], ["predict", "-h"], "en"),
        (["predict", "--lang", "zh", "--", "x"], ["predict", "--", "x"], "zh"),
        (["predict", "--", "--lang", "en"], ["predict", "--", "--lang", "en"], "zh"),
    ):
        assert manual.take_language(given) == kept
        assert manual.language() == lang


def test_lang_on_the_command_line(run):
    done = run("predict", "--help", "--lang", "zh", PYTHONIOENCODING="gbk", LC_ALL="C")
    assert done.stdout.decode("gbk").startswith("示例：\n")
    done = run("--lang", "fr", "predict", "--help")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"error: --lang: one of en, zh is needed\n"


def test_a_prediction_reads_no_help(guangzhou):
    manual.texts.cache_clear()
    assert CliRunner().invoke(app, ["split", str(guangzhou)]).exit_code == 0
    assert manual.texts.cache_info().currsize == 0


# -- the examples ----------------------------------------------------------------------------


def test_the_examples_work(tmp_path, monkeypatch, few_resamples, program, guangzhou, linyi, root):
    monkeypatch.chdir(tmp_path)
    authored = root / "labels/authored"
    for folder in ("notices", "my-labels"):
        (tmp_path / folder).mkdir()
    shutil.copy(guangzhou, "notice.txt")
    shutil.copy(linyi, "notices")
    shutil.copy(root / "labels/seeds.jsonl", "my-labels")
    with (authored / "starter-d.jsonl").open(encoding="utf-8") as lines:
        Path("my-labels/few.jsonl").write_text("".join(islice(lines, 45)), encoding="utf-8")
    shutil.copy(authored / "notice-011.jsonl", "other-labels.jsonl")
    Path("segments.jsonl").write_text('{"problem": "党费收缴不规范"}\n', encoding="utf-8")
    fill_in(tmp_path / "filled.xlsx")
    examples = [
        example["run"]
        for path, _ in commands(program)
        for example in manual.texts()[path]["examples"]
        if path != "serve"  # ends only when it is ended: test_web runs them
    ]
    # What needs a model of one's own comes after the example that trains it.
    for example in sorted(
        dict.fromkeys(examples), key=lambda run: "my-model" in run.partition("-o")[0]
    ):
        assert works(example), example


def fill_in(path: Path) -> None:
    """A sheet of one segment with its label and annotator."""
    segment = Candidate(problem="党费收缴不规范", measures="已补缴。", notice="通报")
    path.write_bytes(sheet([segment], Taxonomy.load(), path))
    book = openpyxl.load_workbook(path)
    header = [cell.value for cell in book["标注"][1]]
    for name, value in (("类别", "党建"), ("标注人", "李")):
        book["标注"].cell(2, header.index(name) + 1).value = value
    book.save(path)


def works(example: str) -> bool:
    """Whether an example ends well and gives something: printed, or a new file."""
    before = set(Path().iterdir())
    if set("|>") & set(example):
        script = f'rectify-nlp() {{ "{sys.executable}" -m rectify_nlp "$@"; }}; set -o pipefail; '
        done = subprocess.run(["bash", "-c", script + example], capture_output=True, check=True)
        return bool(done.stdout) or set(Path().iterdir()) > before
    program, *args = shlex.split(example)
    result = CliRunner().invoke(app, args)
    assert (program, result.exit_code) == ("rectify-nlp", 0), (example, result.output)
    return bool(result.stdout) or "--resume" in args or set(Path().iterdir()) > before
