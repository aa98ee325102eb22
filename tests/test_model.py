"""The model folder: the same bytes again, nothing broken ever loads, no peeping at the answer."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from rectify_nlp import Model, ModelError, OutputError, notice_from_text, read, rows, split
from rectify_nlp.features import MASK, normalise
from rectify_nlp.folding import fold
from rectify_nlp.model import DOUBT_BELOW, readable
from rectify_nlp.modelfolder import TASKS
from rectify_nlp.splitting import segment

FILES = (
    "terms.txt", "category.columns.npy", "category.weights.npy", "status.columns.npy",
    "status.weights.npy", "taxonomy.toml",
)  # fmt: skip


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# -- saving and loading ----------------------------------------------------------------


def test_save_load_save_gives_the_same_bytes(model_folder, tmp_path):
    Model.load(model_folder).save(tmp_path / "small", card="# Model card\n")
    assert set(contents(model_folder)) == {*FILES, "model.json", "README.md"}
    assert contents(tmp_path / "small") == contents(model_folder)


def test_the_fingerprint_is_that_of_the_folder(model, model_folder, tmp_path):
    loaded = Model.load(model_folder)
    name, _, mark = loaded.fingerprint.partition("@")
    described = (model_folder / "model.json").read_bytes()
    assert (name, mark) == ("small", hashlib.sha256(described).hexdigest()[:12])
    assert model.fingerprint == f"unsaved@{mark}"
    warmer = replace(loaded.classifiers["status"], temperature=9.0)
    other = replace(loaded, classifiers={**loaded.classifiers, "status": warmer})
    assert other.fingerprint != loaded.fingerprint


def test_predictions_survive_saving(model, model_folder, seed_paths):
    # Stored as 32-bit numbers, idf loses what lies below 1e-7.
    loaded = Model.load(model_folder)
    for path in seed_paths:
        before, after = model.predict(read(path)), loaded.predict(read(path))
        assert len(before.findings) == len(after.findings)
        for one, two in zip(before.findings, after.findings, strict=True):
            assert (one.issue, one.also, one.doubtful) == (two.issue, two.also, two.doubtful)
            for task in TASKS:
                first, second = getattr(one, task), getattr(two, task)
                assert first.label == second.label
                assert [name for name, _ in first.ranking] == [name for name, _ in second.ranking]
                assert dict(first.ranking) == pytest.approx(dict(second.ranking), abs=1e-6)


def test_predictions_of_two_loads_are_equal(model_folder, linyi):
    notice = read(linyi)
    one, two = (Model.load(model_folder).predict(notice, explain=True) for _ in range(2))
    assert one == two


def test_saving_where_nothing_can_be_written(model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: cannot be written"):
        model.save(tmp_path / "file")


# -- nothing broken loads ------------------------------------------------------------------


@pytest.fixture
def folder(model_folder, tmp_path):
    """A copy to break."""
    return shutil.copytree(model_folder, tmp_path / "broken")


def refused(folder, name, told=None):
    """Loading fails with one line that names the file (or at least the folder)."""
    with pytest.raises(ModelError, match=told) as caught:
        Model.load(folder)
    message = str(caught.value)
    assert message.startswith(str(folder / name))
    assert "\n" not in message


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("where", [0.0, 0.3, 0.6, 0.999])
def test_a_flipped_byte(name, where, folder):
    data = bytearray((folder / name).read_bytes())
    data[int(where * len(data))] ^= 1
    (folder / name).write_bytes(data)
    refused(folder, name, "altered since it was saved")


@pytest.mark.parametrize("name", [*FILES, "model.json"])
@pytest.mark.parametrize("damage", ["deleted", "emptied", "cut", "folder"])
def test_a_damaged_file(name, damage, folder):
    path = folder / name
    data = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "deleted":
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else b"")
    refused(folder, name)


def test_a_missing_folder(tmp_path):
    refused(tmp_path / "none", "model.json", "No such file or directory; run `rectify-nlp train`")


def test_the_card_may_be_missing(folder, model):
    (folder / "README.md").unlink()
    assert Model.load(folder).info == model.info


def describe(folder, change):
    """Change model.json by `change(description)`, digests made right again."""
    path = folder / "model.json"
    described = json.loads(path.read_bytes())
    described["sha256"] = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in FILES}
    described = change(described) or described
    if isinstance(described, dict) and isinstance(described.get("sha256"), dict):
        rest = {name: value for name, value in described.items() if name != "sha256"}
        canonical = json.dumps(rest, ensure_ascii=False, sort_keys=True).encode()
        described["sha256"]["description"] = hashlib.sha256(canonical).hexdigest()
    path.write_text(json.dumps(described), encoding="utf-8")


@pytest.mark.parametrize(
    ("number", "told"),
    [(3, "format 3, this version reads 2; upgrade"), (1, "format 1, .* train the model again")],
)
def test_another_format(number, told, folder):
    describe(folder, lambda d: d.update(format=number))
    refused(folder, "model.json", told)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("format") and None,
        lambda d: d.pop("sha256") and None,
        lambda d: d.pop("classifiers") and None,
        lambda d: d.update(sha256=[]),
        lambda d: [d],
    ],
    ids=["no format", "no digests", "no classifiers", "digests no object", "a list"],
)
def test_no_model_description(change, folder):
    describe(folder, change)
    refused(folder, "model.json", "no model description")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["classifiers"]["status"].update(temperature=0), "out of range"),
        (lambda d: d["classifiers"]["status"].update(abstain_below=2), "out of range"),
        (lambda d: d["classifiers"]["status"]["blocks"][0].update(fields=["answer"]), "malformed"),
        (lambda d: d.update(format="1"), "format 1, this version reads 2; train"),
    ],
)
def test_settings_that_cannot_be_right(change, told, folder):
    describe(folder, change)
    refused(folder, "", told)


def test_a_changed_description_is_noticed(folder):
    path = folder / "model.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"temperature": ', '"temperature": 9'))
    refused(folder, "model.json", "altered since it was saved")


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe{}", b"null"])
def test_no_json(text, folder):
    (folder / "model.json").write_bytes(text)
    refused(folder, "model.json", "no model description")


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("labels") and None,
        lambda c: c["labels"].pop() and None,
        lambda c: c.update(blocks=[]),
        lambda c: c["blocks"][0].update(columns=1),
        lambda c: c["blocks"][0].update(words="two"),
        lambda c: c.update(temperature="warm"),
        lambda c: c.update(temperature=None),
    ],
    ids=["no labels", "a label less", "no blocks", "columns", "words", "text", "null"],
)
def test_a_malformed_classifier(change, folder):
    describe(folder, lambda d: change(d["classifiers"]["category"]))
    refused(folder, "", "malformed")


def test_labels_that_are_not_those_of_the_taxonomy(folder):
    describe(folder, lambda d: d["classifiers"]["category"]["labels"].reverse())
    refused(folder, "", "labels of category are not those of its taxonomy")


def test_a_taxonomy_that_is_not_that_of_the_labels(folder):
    path = folder / "taxonomy.toml"
    path.write_text(path.read_text("utf-8").replace('"执法"', '"执纪"', 1), encoding="utf-8")
    describe(folder, lambda d: None)
    refused(folder, "", "labels of category are not those of its taxonomy")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.split("\n", 1)[1], "no sorted terms"),
        (
            lambda t: "\n".join([*reversed(t.split("\n")[:-1]), ""]),
            "no pairs and words behind them",
        ),
        (lambda t: t[:-1], "no line feed"),
        (lambda t: "#多\n" + t, "no pairs and words|not sorted"),
    ],
    ids=["one less", "turned", "cut off", "no pair"],
)
def test_terms_that_do_not_fit(change, told, folder):
    path = folder / "terms.txt"
    path.write_text(change(path.read_text("utf-8")), encoding="utf-8")
    describe(folder, lambda d: None)
    refused(folder, "", told)


def with_one(value, place=0.5):
    def change(array):
        array = array.copy()
        array.flat[int(array.size * place)] = value
        return array

    return change


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("category.weights", with_one(np.nan), "finite"),
        ("status.weights", with_one(-np.inf), "finite"),
        ("category.weights", lambda a: a.astype("<f8"), "32-bit"),
        ("category.weights", lambda a: a.astype("<i4"), "32-bit"),
        ("status.columns", lambda a: a.astype("<f4"), "32-bit"),
        ("category.weights", lambda a: a.T, "differ in length"),
        ("category.weights", lambda a: a[:-1], "differ in length"),
        ("status.weights", lambda a: a[:, 1:], "differ in length"),
        ("status.weights", lambda a: a[:, 0], "differ in length"),
        ("status.columns", lambda a: a[:-1], "differ in length"),
        ("status.columns", lambda a: a[:, None], "differ in length"),
        ("status.columns", with_one(-1, 0.0), "no sorted terms"),
        ("category.columns", with_one(1 << 30), "no sorted terms"),
        ("category.columns", lambda a: np.repeat(a[::2], 2)[: len(a)], "no sorted terms"),
    ],
    ids=["nan", "-inf", "f8", "i4", "f4", "turned", "short", "narrow", "flat", "less", "deep",
         "negative", "beyond", "twice"],
)  # fmt: skip
def test_arrays_that_cannot_be_right(name, change, told, folder):
    path = folder / f"{name}.npy"
    np.save(path, change(np.load(path)))
    describe(folder, lambda d: None)
    refused(folder, "", told)


def test_a_pickle_is_never_run(folder, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "went off"), "w"))

    path = folder / "category.weights.npy"
    np.save(path, np.array([Bomb()], dtype=object), allow_pickle=True)
    describe(folder, lambda d: None)
    refused(folder, "category.weights.npy", "not readable .*OBJECT array")
    assert not (tmp_path / "went off").exists()


@pytest.mark.parametrize("data", [b"PK\x03\x04 no array", b"\x80\x04K\x01.", b"text", b"",
                                  b"\x93NUMPY\x01\x00\x08\x00{'a': (}"])  # fmt: skip
def test_weights_that_are_no_array(data, folder):
    (folder / "status.weights.npy").write_bytes(data)
    describe(folder, lambda d: None)
    refused(folder, "status.weights.npy", "not readable")


# -- predicting ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def default():
    return Model.load()


def test_the_shipped_model_predicts_the_seeds(default, seed_paths):
    for path, count in seed_paths.items():
        report = default.predict(read(path))
        assert len(report.findings) == count
        assert report.model == default.fingerprint
        for finding in report.findings:
            for task, verdict in (("category", finding.category), ("status", finding.status)):
                labels = [name for name, _ in verdict.ranking]
                chances = [p for _, p in verdict.ranking]
                assert sorted(labels) == sorted(default.classifiers[task].labels)
                assert sum(chances) == pytest.approx(1.0)
                assert chances == sorted(chances, reverse=True)
                assert verdict.probability == chances[0]
                assert verdict.label in (labels[0], None)


def test_every_claim_stands_in_the_text(default, seed_paths):
    for path in seed_paths:
        notice = read(path)
        for finding in default.predict(notice, explain=True).findings:
            issue = finding.issue
            claims = [issue.problem, issue.measures, *issue.path, issue.number, issue.stated]
            for claim in filter(None, claims):
                assert notice.text[claim.start : claim.end] == claim.text
            for verdict in (finding.category, finding.status):
                assert verdict.evidence
                for e in verdict.evidence:
                    there = normalise(fold(notice.text[e.start : e.end]))
                    assert there == e.term or (there.isascii() and e.term in ("0", "0%", "a"))


def test_evidence_comes_only_from_the_issue_and_heaviest_first(default, linyi):
    for finding in default.predict(read(linyi), explain=True).findings:
        problem, measures = finding.issue.problem, finding.issue.measures
        hidden = finding.issue.stated.masked
        for verdict in (finding.category, finding.status):
            weights = [e.weight for e in verdict.evidence]
            assert weights == sorted(weights, reverse=True)
            for e in verdict.evidence:
                assert any(p.start <= e.start < e.end <= p.end for p in (problem, measures))
                assert not (e.start < hidden[1] and hidden[0] < e.end)


def test_explaining_changes_nothing_else(default, guangzhou):
    notice = read(guangzhou)
    plain, explained = default.predict(notice), default.predict(notice, explain=True)
    assert rows(plain) == rows(explained)
    assert all(f.category.evidence == () == f.status.evidence for f in plain.findings)


def test_a_text_without_issues(default):
    report = default.predict(notice_from_text("今天天气很好。\n", "x"))
    assert report.findings == ()
    assert any("no issues found" in warning for warning in report.warnings)
    assert default.judge([]) == []


def test_abstaining_keeps_the_ranking(model, guangzhou):
    unsure = {t: c.with_calibration(c.temperature, 1.1) for t, c in model.classifiers.items()}
    sure = {t: c.with_calibration(c.temperature, 0.0) for t, c in model.classifiers.items()}
    notice = read(guangzhou)
    for one, two in zip(
        replace(model, classifiers=unsure).predict(notice).findings,
        replace(model, classifiers=sure).predict(notice).findings,
        strict=True,
    ):
        assert one.category.label is None
        assert one.status.label is None
        assert two.category.label == two.category.ranking[0][0]
        assert one.category.ranking == two.category.ranking


def test_doubtful_where_the_text_reads_otherwise(model, linyi):
    text = linyi.read_text(encoding="utf-8").replace("整改进度:已完成", "整改进度:未完成")
    findings = model.predict(notice_from_text(text, "x")).findings
    for finding in findings:
        chance = finding.status.probability_of(finding.issue.stated.status)
        assert finding.doubtful == (chance < DOUBT_BELOW)
    assert {finding.doubtful for finding in findings} == {True, False}


def test_also_names_what_is_likely(model, linyi):
    # Half of one issue and half of another, so that two categories are likely.
    first, *others = split(read(linyi)).issues
    mixed = [segment(first.problem.text + o.problem.text, "")[1] for o in others]
    findings = model.judge(mixed)
    for finding in findings:
        second, third = finding.category.ranking[1:3]
        assert finding.also == tuple(name for name, p in (second, third) if p >= 0.2)
    assert {len(finding.also) for finding in findings} >= {0, 1}


# -- masking ---------------------------------------------------------------------------------


def test_the_verdict_does_not_depend_on_what_is_stated(default, linyi):
    text = linyi.read_text(encoding="utf-8")
    assert text.count("\n整改进度:已完成\n") >= 10
    turned = text.replace("\n整改进度:已完成\n", "\n整改进度:未完成\n")
    before = default.predict(notice_from_text(text, "x"), explain=True).findings
    after = default.predict(notice_from_text(turned, "x"), explain=True).findings
    changed = 0
    for one, two in zip(before, after, strict=True):
        assert one.status == two.status
        assert one.category == two.category
        changed += one.issue.stated.status != two.issue.stated.status
    assert changed == text.count("\n整改进度:已完成\n")


@pytest.mark.parametrize("words", ["已完成", "未完成"])
def test_a_status_inside_the_measures_is_masked(default, words):
    _, hidden = segment("学习不够深入", f"召开会议。\n整改进度:{words}")
    _, other = segment("学习不够深入", "召开会议。\n整改进度:已完成")
    assert hidden.stated is not None
    assert hidden.stated.text == words
    assert default.judge([hidden])[0].status == default.judge([other])[0].status


def test_masking_keeps_the_length_of_every_field(examples, seed_paths, taxonomy):
    issues = [issue for path in seed_paths for issue in split(read(path)).issues]
    issues += [segment(e.problem, e.measures, e.path, taxonomy=taxonomy)[1] for e in examples]
    masked = 0
    for issue in issues:
        texts = readable(issue)
        for name, given in (
            ("path", "\n".join(heading.text for heading in issue.path)),
            ("problem", issue.problem.text),
            ("measures", issue.measures.text),
        ):
            seen = normalise(texts[name])
            assert len(seen) == len(given)
            masked += MASK in seen
            plain = normalise(fold(given))
            assert all(a in (b, MASK) for a, b in zip(seen, plain, strict=True))
    assert masked > 0
