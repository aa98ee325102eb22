"""Labelling in the browser, as the service sees it: every answer saved, none lost, none forged."""

import json
import re
import threading
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from rectify_nlp import LabelsError, OutputError, load_examples, read
from rectify_nlp.desk import Desk, opened
from rectify_nlp.errors import ServeError
from rectify_nlp.examples import load_labels
from rectify_nlp.labelling import Answer, append, seal, undo
from rectify_nlp.labelpage import CATEGORY_KEYS, STATUS_KEYS, keyed
from rectify_nlp.labelsheet import sheet
from rectify_nlp.picking import Candidate, candidates, pick
from rectify_nlp.web import Options, application, check

POOL = [
    Candidate(problem=problem, measures="已改。", notice="某局通报", unit="某局", margin=n / 10)
    for n, problem in enumerate(
        ("党费收缴不规范", "公车私用超标", "执法案卷归档迟缓", "公车私用超标。", "窗口排队时间过长")
    )
]
NEAR = POOL[3]


@pytest.fixture
def own(tmp_path):
    return tmp_path / "own.jsonl"


@pytest.fixture
def desk(own, taxonomy):
    return Desk(POOL, own, "张三", taxonomy)


def answer(candidate, category="党建", status="已完成", annotator="张三", **more):
    return Answer(
        candidate=candidate, category=category, status=status, annotator=annotator, **more
    )


def opinions(own, taxonomy):
    return load_labels([own], taxonomy).opinions


# -- the desk ----------------------------------------------------------------------------------


def test_the_most_useful_segment_comes_first_and_stays_until_it_is_answered(desk, own, taxonomy):
    assert desk.view().segment == desk.view().segment == POOL[0]
    desk.answer(answer(POOL[0]))
    view = desk.view()
    assert (view.segment, view.done, view.left) == (POOL[1], 1, 4)
    # Another start goes on where this one was.
    assert Desk(POOL, own, "张三", taxonomy).view().segment == POOL[1]


def test_it_ends_with_what_is_like_something_labelled(desk):
    seen = []
    while segment := desk.view().segment:
        seen.append(segment)
        desk.answer(answer(segment))
    assert seen == [c for c in POOL if c != NEAR]
    assert desk.view().left == 1


def test_a_skipped_segment_comes_again_at_the_end(desk):
    desk.skip(POOL[0])
    desk.skip(POOL[1])
    for segment in (POOL[2], POOL[4], POOL[0], POOL[1]):
        assert desk.view().segment == segment
        desk.answer(answer(segment))
    assert desk.view().segment is None


def test_only_skipped_ones_go_round(desk):
    for segment in (POOL[2], POOL[4]):
        desk.answer(answer(segment))
    for segment in (POOL[0], POOL[1], POOL[0], POOL[1]):
        assert desk.view().segment == segment
        desk.skip(segment)


def test_answers_are_taken_back_one_by_one(desk, own):
    for segment in POOL[:2]:
        desk.answer(answer(segment))
    assert not desk.undo(POOL[0])  # not the last one
    assert desk.undo(POOL[1])
    assert not desk.undo(POOL[1])  # a second window asks the same again
    assert desk.view().segment == POOL[1]
    assert desk.undo(POOL[0])
    assert desk.view().segment == POOL[0]
    assert (desk.view().last, own.read_bytes()) == (None, b"")


def test_only_answers_given_here_are_taken_back(own, taxonomy):
    append(own, [answer(POOL[0])], taxonomy, "ab")
    desk = Desk(POOL, own, "张三", taxonomy)
    assert desk.view().last is None
    assert not desk.undo(POOL[0])
    desk.answer(answer(POOL[1]))
    append(own, [answer(POOL[2])], taxonomy, "cd")  # meanwhile an import
    assert not desk.undo(POOL[1])
    assert len(opinions(own, taxonomy)) == 3


def test_undo_of_a_segment_leaves_other_lines_alone(own, taxonomy):
    append(own, [answer(POOL[0]), answer(POOL[1])], taxonomy)
    assert undo(own, "张三", taxonomy, key=POOL[0].key) is None
    assert undo(own, "张三", taxonomy, key=POOL[1].key)["problem"] == POOL[1].problem


def test_a_second_answer_is_a_further_row_and_the_same_one_is_none(desk, own, taxonomy):
    desk.answer(answer(POOL[0]))
    desk.answer(answer(POOL[0]))
    assert len(opinions(own, taxonomy)) == 1
    desk.answer(answer(POOL[0], "财经纪律"))
    assert [o.example.category for o in opinions(own, taxonomy)] == ["党建", "财经纪律"]
    assert load_examples([own], taxonomy)[0].category == "财经纪律"
    assert desk.view().last.before == "党建"
    assert desk.undo(POOL[0])
    assert load_examples([own], taxonomy)[0].category == "党建"


def test_answers_at_once_are_all_kept(own, taxonomy):
    pool = [replace(POOL[0], problem=f"{i}号问题{chr(0x4E00 + 61 * i) * 9}") for i in range(24)]
    desks = [Desk(pool, own, name, taxonomy) for name in ("张三", "李四")]

    def work(desk, part):
        for candidate in part:
            desk.answer(answer(candidate, annotator=desk.annotator))

    threads = [
        threading.Thread(target=work, args=(desk, pool[start::2]))
        for desk in desks
        for start in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    given = {(o.example.problem, o.annotator) for o in opinions(own, taxonomy)}
    assert given == {(c.problem, d.annotator) for c in pool for d in desks}


def test_labels_others_add_meanwhile_count(desk, own, taxonomy):
    append(own, [answer(POOL[0], annotator="李四")], taxonomy)
    assert (desk.view().segment, desk.view().done) == (POOL[1], 1)


def test_a_sheet_is_labelled_with_its_check_segments(released, linyi, own, tmp_path):
    found = pick(candidates([released.predict(read(linyi))]), 6, check=3)
    path = tmp_path / "to-label.xlsx"
    path.write_bytes(sheet(found, released.taxonomy, path))
    desk = opened([str(path)], released, own, "张三", print)
    assert desk.size == len(found)
    segment = next(c for c in found if c.check)
    desk.answer(answer(desk.find(seal(segment))))
    assert load_examples([own], released.taxonomy)[0].check


def test_what_cannot_be_labelled_is_refused(released, own, taxonomy, tmp_path, linyi):
    said = []
    with pytest.raises(LabelsError, match="no segment to label"):
        opened([str(tmp_path / "no.txt")], released, own, "张三", said.append)
    assert "no.txt" in said[0]
    with pytest.raises(LabelsError, match="jsonl"):
        Desk(POOL, tmp_path / "own.csv", "张三", taxonomy)
    own.write_text('{"problem": "a", "category": "没有"}\n', "utf-8")
    with pytest.raises(LabelsError, match="没有"):
        Desk(POOL, own, "张三", taxonomy)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        Desk(POOL, tmp_path / "file" / "own.jsonl", "张三", taxonomy)
    with pytest.raises(ServeError, match="--annotator NAME"):
        check(Options(label=("seeds",), annotator=" "))
    with pytest.raises(ServeError, match="--label SOURCE"):
        check(Options(annotator="张三"))


def test_no_key_has_two_meanings():
    keys = [*CATEGORY_KEYS, *STATUS_KEYS, *"unmb"]
    assert len(set(keys)) == len(keys)
    assert keyed("甲乙丙", "12") == [("甲", "1"), ("乙", "2"), ("丙", "")]


# -- the page ----------------------------------------------------------------------------------


@pytest.fixture
def client(released, guangzhou, own):
    options = Options(label=(str(guangzhou),), labels=own, annotator="张三")
    with TestClient(application(released, options), base_url="http://localhost") as found:
        yield found


def shown(html):
    """The seal of the segment to label."""
    return re.search(r'id="answer".*data-segment="(\w+)"', html)[1]


def test_an_answer_is_saved_at_once_with_who_when_and_whence(client, own, released, guangzhou):
    first = client.get("/label")
    assert "已标注 0 个，未标注 17 个" in first.text
    given = {
        "segment": shown(first.text), "category": "财经纪律", "also": ["党建", "财经纪律"],
        "status": "未完成", "remark": " <b>拿不准</b> ",
    }  # fmt: skip
    answer = client.post("/label/answer", data=given, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/label")
    (row,) = map(json.loads, own.read_text(encoding="utf-8").splitlines())
    assert (row["category"], row["also"], row["status"]) == ("财经纪律", ["党建"], "未完成")
    assert (row["annotator"], row["remark"]) == ("张三", "<b>拿不准</b>")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["time"])
    assert row["source_sha256"] == read(guangzhou).sha256
    after = client.get("/label").text
    assert shown(after) != shown(first.text)
    assert "已标注 1 个，未标注 16 个" in after
    undone = client.post("/label/undo", data={"segment": given["segment"]})
    assert shown(undone.text) == given["segment"]
    assert own.read_bytes() == b""


def test_the_status_may_be_left_out_and_the_category_not(client, own):
    segment = shown(client.get("/label").text)
    assert client.post("/label/answer", data={"segment": segment}).status_code == 422
    assert not own.exists()
    client.post("/label/answer", data={"segment": segment, "category": "党建", "status": ""})
    assert json.loads(own.read_text(encoding="utf-8"))["status"] is None


def test_what_goes_wrong_is_told_on_the_page(client, own):
    segment = shown(client.get("/label").text)
    skipped = client.post("/label/skip", data={"segment": segment})
    assert shown(skipped.text) != segment
    for step, data, status, word in (
        ("answer", {"segment": "0" * 16, "category": "党建"}, 409, "不在正在标注的材料中"),
        ("answer", {"segment": segment, "category": "没有"}, 503, "没有保存"),
        ("undo", {"segment": segment}, 409, "没有撤销"),
    ):
        told = client.post(f"/label/{step}", data=data)
        assert told.status_code == status
        assert word in re.search(r'role="alert"[^>]*>(.*?)</p>', told.text)[1]
        assert shown(told.text) == shown(skipped.text)
    assert not own.exists()
    own.write_text("broken", "utf-8")
    assert client.get("/label").status_code == 503
    assert client.post("/label/skip", data={"segment": segment}).status_code == 503


def test_other_sites_cannot_label(client, own):
    data = {"segment": shown(client.get("/label").text), "category": "党建"}
    for headers in ({"origin": "http://evil.com"}, {"sec-fetch-site": "cross-site"}):
        for step in ("answer", "skip", "undo"):
            answer = client.post(f"/label/{step}", data=data, headers=headers)
            assert answer.status_code == 403
    assert client.get("/label/answer").status_code == 405
    assert not own.exists()


def test_nothing_is_labelled_unless_asked(released):
    with TestClient(application(released, Options()), base_url="http://localhost") as client:
        assert client.get("/label").status_code == 404
        assert 'href="/label"' not in client.get("/").text


def test_a_notice_that_holds_a_script_is_shown_as_text(released, own, tmp_path):
    problem = "<script>alert(1)</script>{{ 7*7 }}党费收缴不规范"
    row = {"problem": problem, "measures": "</p><img src=x onerror=alert(1)>", "notice": '">x'}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row), "utf-8")
    options = Options(label=(str(tmp_path / "rows.jsonl"),), labels=own, annotator="<b>")
    with TestClient(application(released, options), base_url="http://localhost") as client:
        page = client.get("/label").text
        data = {"segment": shown(page), "category": "党建", "remark": "<i>"}
        page += client.post("/label/answer", data=data).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}党费" in page
    assert re.findall(r"<(?:script>|img|b>|i>)", page) == []
    assert json.loads(own.read_text(encoding="utf-8"))["problem"] == problem


def test_the_suggestion_waits_for_the_answer(client):
    page = client.get("/label").text
    assert re.search(r'<details id="hint">\s*<summary[^>]*>现在就看', page)
    assert "请先自己判断" in page
    answered = client.post(
        "/label/answer", data={"segment": shown(page), "category": "党建", "status": "已完成"}
    )
    assert re.search(r"模型的判断：\S+ [01]\.\d\d，\S+ [01]\.\d\d", answered.text)
