"""Labels are validated as strictly as code, and every fault is named with its place."""

import csv
import io
import json

import pytest

from rectify_nlp import LabelsError, load_examples
from rectify_nlp.examples import digest

GOOD = {"problem": "党费收缴不规范", "category": "党建"}


def line(**fields):
    return json.dumps({**GOOD, **fields}, ensure_ascii=False)


def as_csv(rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_shipped_labels_load(taxonomy, examples):
    assert len(taxonomy.category_names) == 15
    assert taxonomy.status_names == ("未完成", "长期坚持", "已完成")
    assert {"seed", "authored"} <= {e.origin for e in examples}
    assert all(e.category in taxonomy.category_names for e in examples)
    assert {e.status for e in examples} == {None, *taxonomy.status_names}


# File name, content, line of the fault (0: the whole file), what the message must tell.
BROKEN = {
    "unknown category": ("a.jsonl", line() + "\n" + line(problem="b", category="党务"), 2,
                         ["unknown category '党务'", "allowed: 政治建设, 意识形态, 党建"]),
    "unknown secondary": ("a.jsonl", line(also=["党务"]), 1,
                          ["unknown category '党务'", "allowed: 政治建设"]),
    "secondary repeated": ("a.jsonl", line(also=["党建"]), 1,
                           ["also repeats a category", "name each category once"]),
    "unknown status": ("a.jsonl", line(status="完成了"), 1,
                       ["unknown status '完成了'", "allowed: 未完成, 长期坚持, 已完成"]),
    "the same segment": ("a.jsonl", line() + "\n\n" + line(category="执法"), 3,
                         ["the same segment as", "a.jsonl:1", "give each segment once"]),
    "empty text": ("a.jsonl", line(problem=" \n"), 1,
                   ["problem is empty", "every example needs its problem text"]),
    "bad JSON": ("a.jsonl", line() + '\n{"problem": ', 2,
                 ["bad JSON", "one JSON object a line is wanted"]),
    "no object": ("a.jsonl", '["党建"]', 1,
                  ["not a JSON object", "one JSON object a line is wanted"]),
    "unknown column": ("a.jsonl", line(labels="党建"), 1,
                       ["unknown column labels", "allowed: problem, measures, category, status"]),
    "missing column": ("a.jsonl", '{"problem": "党费收缴不规范"}', 1,
                       ["no column category", "needed: problem, category"]),
    "also is a text": ("a.jsonl", line(also="执法"), 1, ["also is not a list of texts"]),
    "path of numbers": ("a.jsonl", line(path=[1, 2]), 1, ["path is not a list of texts"]),
    "measures is a list": ("a.jsonl", line(measures=["a"]), 1, ["measures is not a text"]),
    "not UTF-8": ("a.jsonl", line().encode("gb18030"), 0, ["not UTF-8", "save it as UTF-8"]),
    "CSV: unknown category": ("a.csv", "problem,category\na,党建\nb,党务\n", 3,
                              ["unknown category '党务'", "allowed: 政治建设"]),
    "CSV: too many fields": ("a.csv", "problem,category\na,党建\nb,党建,x\n", 3,
                             ["not as many fields as the header has"]),
    "CSV: too few fields": ("a.csv", "problem,category\na\n", 2,
                            ["not as many fields as the header has"]),
    "CSV: quote left open": ("a.csv", 'problem,category\n"a,党建\n', 2, ["bad CSV"]),
    "CSV: unknown column": ("a.csv", "problem,category,labels\na,党建,x\n", 2,
                            ["unknown column labels", "allowed: problem"]),
    "CSV: missing column": ("a.csv", "problem\na\n", 2, ["no column category", "needed: problem"]),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content", "at", "told"), BROKEN.values(), ids=BROKEN)
def test_broken_labels_are_refused_with_their_place(name, content, at, told, tmp_path, taxonomy):
    path = write(tmp_path, name, content)
    with pytest.raises(LabelsError) as caught:
        load_examples([path], taxonomy)
    assert (caught.value.path, caught.value.line) == (path, at)
    message = str(caught.value)
    assert message.startswith(f"{path}:{at}: " if at else f"{path}: ")
    assert [words for words in told if words not in message] == []
    assert "\n" not in message


def test_the_same_segment_in_two_files_names_both(tmp_path, taxonomy):
    first, second = write(tmp_path, "a.jsonl", line()), write(tmp_path, "b.jsonl", line())
    with pytest.raises(LabelsError) as caught:
        load_examples([tmp_path], taxonomy)
    assert str(caught.value).startswith(f"{second}:1: the same segment as {first}:1")


def test_no_labels_at_all(tmp_path, taxonomy):
    with pytest.raises(LabelsError, match=r"no \*.jsonl or \*.csv file found"):
        load_examples([tmp_path], taxonomy)
    with pytest.raises(LabelsError, match="nowhere: no such file or folder"):
        load_examples([tmp_path / "nowhere"], taxonomy)


ROWS = [
    {"problem": "甲,“乙”", "measures": "一是\n二是", "category": "党建", "also": ["执法", "作风建设"],
     "path": ["一、", "(一)"], "status": "已完成", "notice": "n", "origin": "own", "number": "1."},
    {"problem": "丙", "measures": "", "category": "执法", "also": [], "path": [], "status": "",
     "notice": "", "origin": "", "number": ""},
]  # fmt: skip


def test_csv_and_jsonl_give_the_same_examples(tmp_path, taxonomy):
    flat = [{**row, "also": "|".join(row["also"]), "path": "|".join(row["path"])} for row in ROWS]
    from_csv = load_examples([write(tmp_path, "a.csv", as_csv(flat))], taxonomy)
    records = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    assert load_examples([write(tmp_path, "a.jsonl", records)], taxonomy) == from_csv
    first, second = from_csv
    assert (first.path, first.also) == (("一、", "(一)"), ("执法", "作风建设"))
    assert (first.problem, first.measures) == ("甲,“乙”", "一是\n二是")
    assert (second.status, second.notice, second.origin) == (None, "a", "own")


def test_a_column_that_is_there_twice_is_refused(run, tmp_path, taxonomy):
    twice = write(tmp_path, "a.csv", "problem,category,category\n甲,党建,执法\n")
    with pytest.raises(LabelsError, match=r"a\.csv:1: has two columns category; rename one"):
        load_examples([twice], taxonomy)
    # Of segments to judge, too, as `batch` has it.
    done = run("predict", twice)
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"] == "LabelsError: has two columns category; rename one"


def test_half_a_character_has_a_digest(tmp_path, taxonomy):
    halves = [line(problem=half).encode(errors="backslashreplace") for half in "\ud800\ud801"]
    found = [load_examples([write(tmp_path, "a.jsonl", half)], taxonomy) for half in halves]
    assert digest(found[0]) != digest(found[1])


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_byte_order_mark_and_crlf_are_tolerated(name, tmp_path, taxonomy):
    content = line() + "\n" if name == "a.jsonl" else as_csv([GOOD])
    plain = load_examples([write(tmp_path, name, content)], taxonomy)
    windows = b"\xef\xbb\xbf" + content.replace("\n", "\r\n").encode()
    assert load_examples([write(tmp_path, name, windows)], taxonomy) == plain


def test_digest_knows_content_only(tmp_path, taxonomy, small_files, small_examples):
    lines = [row for path in small_files for row in path.read_text("utf-8").splitlines()]
    (tmp_path / "deeper").mkdir()
    write(tmp_path / "deeper", "z.jsonl", "\n".join(lines[::-2]))
    write(tmp_path, "a.jsonl", "\r\n".join(lines[-2::-2]))
    again = load_examples([tmp_path], taxonomy)
    assert again != small_examples
    assert digest(again) == digest(small_examples) == digest(small_examples[::-1])


@pytest.mark.parametrize(
    ("field", "value"),
    [("problem", "乙"), ("measures", "乙"), ("category", "执法"), ("also", ["执法"]),
     ("status", "已完成"), ("path", ["一"]), ("notice", "b"), ("origin", "seed")],
)  # fmt: skip
def test_digest_changes_with_every_field_that_trains(field, value, tmp_path, taxonomy):
    plain = load_examples([write(tmp_path, "a.jsonl", line())], taxonomy)
    changed = load_examples([write(tmp_path, "a.jsonl", line(**{field: value}))], taxonomy)
    assert digest(changed) != digest(plain)
