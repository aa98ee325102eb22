"""The service for programs: what it answers, what it refuses, and how much of it at once."""

import asyncio
import base64
import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2 as httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CHECKS
from starlette.testclient import TestClient

from rectify_nlp import manual, read, rows
from rectify_nlp.errors import MissingExtra, ReadError, ServeError
from rectify_nlp.phrases import failure
from rectify_nlp.records import report_record
from rectify_nlp.schemas import InferOut, NoticeOut, NoticesOut, SegmentsOut
from rectify_nlp.service import Busy, Capacity, Service
from rectify_nlp.types import Limits
from rectify_nlp.web import Options, application, check
from rectify_nlp.web import serve as start

TOKEN = "0123456789abcdef"
SEGMENT = {"problem": "党费收缴不规范", "measures": "已补缴党费，修订制度。"}


@pytest.fixture(scope="module")
def app(released):
    return application(released, Options(limits=Limits(input_bytes=400_000)))


@pytest.fixture(scope="module")
def client(app):
    with TestClient(app, base_url="http://localhost") as found:
        yield found


def told(answer, status):
    """The detail of a problem document."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    return problem["detail"]


# -- answers -----------------------------------------------------------------------------


def test_health_and_model(client, released):
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready"}
    about = client.get("/model").json()
    assert about["fingerprint"] == released.fingerprint
    assert about["statuses"] == list(released.taxonomy.status_names)


def test_a_notice_gives_what_the_library_gives(client, released, linyi):
    text = linyi.read_text(encoding="utf-8")
    answer = client.post("/predict", json={"text": text, "source": str(linyi), "explain": True})
    expected = report_record(released.predict(read(linyi), explain=True), explain=True)
    assert answer.json() == json.loads(json.dumps(expected))
    assert NoticeOut(**answer.json()).issues[0].evidence
    # Without the words that decided, unless they are asked for.
    plain = client.post("/predict", json={"text": text}).json()
    assert len(plain["issues"]) == 40
    assert "evidence" not in plain["issues"][0]


def test_segments_are_answered_in_order(client):
    given = [{**SEGMENT, "problem": f"{SEGMENT['problem']}{n}"} for n in range(5)]
    answer = client.post("/predict/segments", json={"segments": given})
    found = SegmentsOut(**answer.json())
    assert [row.problem for row in found.results] == [segment["problem"] for segment in given]
    assert found.results[0].category == "党建"


def test_a_bad_file_costs_only_itself(client, root, guangzhou):
    documents = root / "tests/cases/documents"
    names = ["d05_plain_a10.docx", "p05_env_a9.pdf", "h02_zoom_a5_strong_nbsp.html"]
    files = [(name, (documents / name).read_bytes()) for name in names]
    files[1:1] = [
        ("图.png", b"\x89PNG" * 9),
        ("坏.docx", b"PK\x03\x04" + b"x" * 99),
        ("空.txt", b" "),
    ]
    files.append(("行.jsonl", b"{}"))
    answer = client.post("/predict/files", files=[("files", file) for file in files])
    found = answer.json()["results"]
    assert NoticesOut(**answer.json())
    assert [row["source"] for row in found] == [name for name, _ in files]
    assert ["error" in row for row in found] == [False, True, True, True, False, False, True]
    assert found[1]["error"].startswith("UnsupportedFormat: this is a picture")


def test_uploads_are_not_written_to_disk(client, monkeypatch, guangzhou):
    written = []
    monkeypatch.setattr("starlette.formparsers.MultiPartParser.spool_max_size", 1000)
    monkeypatch.setattr("tempfile.TemporaryFile", lambda *a, **k: written.append(a))
    monkeypatch.setattr("tempfile.NamedTemporaryFile", lambda *a, **k: written.append(a))
    long = guangzhou.read_bytes() * 20
    answer = client.post("/predict/files", files=[("files", ("long.txt", long))])
    assert len(answer.json()["results"][0]["issues"]) > 17
    assert written == []


@pytest.mark.parametrize(
    ("path", "sent", "status", "word"),
    [
        ("/predict", {"json": {"text": ""}}, 422, "body.text"),
        ("/predict", {"json": {"text": "  "}}, 422, "no text"),
        ("/predict", {"json": {"txt": "a"}}, 422, "body.txt"),
        ("/predict", {"content": b"{", "headers": {"content-type": "application/json"}}, 422, "JSON"),
        ("/predict", {"content": b'{"text": "a"}', "headers": {"content-type": "text/plain"}}, 422, ""),
        ("/predict", {"json": {"text": "a" * 500_001}}, 413, "MB"),
        ("/predict/segments", {"json": {"segments": []}}, 422, "segments"),
        ("/predict/segments", {"json": {"segments": [{"problem": " "}]}}, 422, "problem"),
        ("/predict/files", {"json": {}}, 415, "multipart"),
        ("/predict/files", {"files": {"other": b"x"}}, 422, "files"),
        ("/predict/files", {"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "form"),
        ("/nothing", {"json": {}}, 404, ""),
        ("/health/live", {"json": {}}, 405, ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(client, path, sent, status, word):
    assert word in told(client.post(path, **sent), status)


def test_lone_surrogates_and_deep_nesting_do_no_harm(client):
    json_type = {"content-type": "application/json"}
    sent = b'{"text": "1.\\ud800\xe4\xb9\xb1\xe3\x80\x82\xe5\xb7\xb2\xe6\x94\xb9"}'
    answer = client.post("/predict", content=sent, headers=json_type)
    assert answer.status_code in (200, 422)
    deep = client.post("/predict", content=b"[" * 100_000, headers=json_type)
    assert told(deep, 400 if deep.status_code == 400 else 422)


# -- Open Inference Protocol ---------------------------------------------------------------


def tensor(name, data, shape=None):
    return {"name": name, "datatype": "BYTES", "shape": shape or [len(data)], "data": data}


def test_the_inference_protocol(client, released):
    assert client.get("/v2").json()["name"] == "rectify-nlp"
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/default/ready").json() == {"name": "default", "ready": True}
    about = client.get("/v2/models/default").json()
    assert [one["name"] for one in about["inputs"]] == ["problem", "measures"]
    inputs = [tensor("problem", ["党费收缴不规范", "招标不规范"]), tensor("measures", ["", "已改"])]
    answer = client.post("/v2/models/default/infer", json={"id": "7", "inputs": inputs}).json()
    found = InferOut(**answer)
    assert (found.model_name, found.id) == ("default", "7")
    assert [one["name"] for one in about["outputs"]] == [output.name for output in found.outputs]
    assert all(output.shape == [2] == [len(output.data)] for output in found.outputs)
    outputs = {output.name: output.data for output in found.outputs}
    segments = client.post(
        "/predict/segments",
        json={"segments": [{"problem": p, "measures": m} for p, m in zip(*(i["data"] for i in inputs), strict=True)]},
    ).json()["results"]  # fmt: skip
    for name, data in outputs.items():
        assert data == ["" if row[name] is None else row[name] for row in segments]
    # Nested, as some clients send it, and only what was asked for.
    nested = [tensor("problem", [["党费收缴不规范"]], [1, 1])]
    asked = {"inputs": nested, "outputs": [{"name": "category"}]}
    answer = client.post("/v2/models/default/infer", json=asked).json()
    assert answer["outputs"] == [
        {"name": "category", "shape": [1], "datatype": "BYTES", "data": ["党建"]}
    ]
    assert "id" not in answer


@pytest.mark.parametrize(
    ("inputs", "word"),
    [
        ([], "inputs"),
        ([tensor("problem", [" "])], "problem[0]"),
        ([tensor("measures", ["a"])], "missing"),
        ([tensor("problem", ["a"]), tensor("problem", ["a"])], "twice"),
        ([tensor("problem", ["a"]), tensor("measures", ["a", "b"])], "same length"),
        ([tensor("problem", ["a"], [2])], "1 texts"),
        ([tensor("problem", ["a", "b"], [1, 2])], "[n, 1]"),
        ([tensor("problem", [1])], "data"),
        ([tensor("text", ["a"])], "problem"),
    ],
)
def test_the_inference_protocol_tells_what_is_wrong(client, inputs, word):
    answer = client.post("/v2/models/default/infer", json={"inputs": inputs})
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert word in answer.json()["error"]
    answer = client.get("/v2/models/other")
    assert (answer.status_code, list(answer.json())) == (404, ["error"])


# -- what the document of the interface promises -------------------------------------------


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
def test_the_interface_keeps_its_promises(released, mode):
    """Whatever is asked, right or wrong, is answered as openapi.json says."""
    app = application(released, Options())
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers={"host": "localhost"})
    # What a tensor's shape says of its data, no schema can.
    checks = [check for check in CHECKS.get_all() if check.__name__ != "positive_data_acceptance"]
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 12
    for operation in operations:

        @settings(
            max_examples=6,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def promises_are_kept(case):
            answer = case.call(base_url="http://localhost")
            case.validate_response(answer, checks=checks)

        try:
            promises_are_kept()
        except Unsatisfiable:  # nothing can be wrong about a request without parameters
            assert mode is schemathesis.GenerationMode.NEGATIVE


# -- who may ask, and how much -------------------------------------------------------------


def test_other_hosts_are_refused(client):
    for host in ("evil.com", "localhost.evil.com", "10.0.0.1", "", "[::1", "evil.com:8000"):
        assert "host" in told(client.get("/", headers={"host": host}), 400)
    for host in ("localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST"):
        assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.com"},
        {"origin": "null"},
        {"origin": "http://[localhost"},
        {"origin": "http://evil.com/localhost"},
        {"origin": "http://localhost:81"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://localhost"},
    ],
)
def test_requests_of_other_sites_are_refused(client, headers):
    answer = client.post("/predict", json={"text": "1.乱。已改。"}, headers=headers)
    assert "other sites" in told(answer, 403)


def test_the_own_page_and_programs_are_answered(client):
    for headers in ({}, {"origin": "http://localhost", "sec-fetch-site": "same-origin"}):
        assert client.post("/predict", json={"text": "1.乱。"}, headers=headers).status_code == 200


def test_a_token_is_asked_for(released):
    options = Options(host="0.0.0.0", token=TOKEN, names=("Office.example",))
    with TestClient(application(released, options), base_url="http://192.0.2.7") as client:
        assert client.get("/health/live").status_code == 200
        assert client.get("/v2/health/ready").status_code == 200
        answer = client.get("/")
        assert "token" in told(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Basic")
        basic = base64.b64encode(f"anyone:{TOKEN}".encode()).decode()
        for given in (f"Bearer {TOKEN}", f"Basic {basic}", f"bearer {TOKEN}"):
            headers = {"authorization": given}
            assert client.get("/model", headers=headers).status_code == 200
            assert client.get("/", headers=headers | {"host": "office.example"}).status_code == 200
            assert client.get("/", headers=headers | {"host": "evil.com"}).status_code == 400
        for given in (f"Bearer {TOKEN}x", "Bearer", "Basic !", f"Digest {TOKEN}", "Basic 5Lmx"):
            assert client.get("/", headers={"authorization": given}).status_code == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "office.example"])
def test_other_addresses_need_a_token(host):
    with pytest.raises(ServeError, match="--token"):
        check(Options(host=host))
    check(Options(host=host, token=TOKEN))


def test_a_token_that_is_easily_guessed_is_refused():
    with pytest.raises(ServeError, match="at least 16"):
        check(Options(token="secret"))
    for host in ("127.0.0.1", "localhost", "::1", "127.3.2.1"):
        check(Options(host=host))


def test_bodies_are_bounded(client):
    json_type = {"content-type": "application/json"}
    long = b'{"text": "' + b"a" * 400_000 + b'"}'
    assert "0.4 MB" in told(client.post("/predict", content=long, headers=json_type), 413)
    # Without a length the bytes are counted as they come.
    pieces = client.post("/predict", content=iter([long[:9], long[9:]]), headers=json_type)
    assert "0.4 MB" in told(pieces, 413)
    answer = client.post("/v2/models/default/infer", content=long, headers=json_type)
    assert (answer.status_code, list(answer.json())) == (413, ["error"])


def test_issues_that_are_too_long_together_are_refused(released):
    long = ["长" * 450_000] * 5
    with TestClient(application(released, Options()), base_url="http://localhost") as client:
        segments = {"segments": [{"problem": text} for text in long]}
        assert "characters" in told(client.post("/predict/segments", json=segments), 413)
        inputs = {"inputs": [tensor("problem", long)]}
        assert client.post("/v2/models/default/infer", json=inputs).status_code == 413
        documents = [{"text": text, "source": "a"} for text in long]
        answer = client.post("/page/download/html", json={"documents": documents})
        assert "一次最多下载" in told(answer, 422)


def test_every_answer_tells_the_browser_to_be_careful(client):
    for path in ("/", "/docs", "/model", "/static/page.js", "/nothing", "/static/../web.py"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert client.get("/").headers["cache-control"] == "no-store"


def test_more_than_can_wait_is_refused(released):
    service = Service(released, capacity=Capacity(workers=1, waiting=2))

    async def five():
        work = [service.run(time.sleep, 0.05) for _ in range(5)]
        return await asyncio.gather(*work, return_exceptions=True)

    assert [type(one) for one in asyncio.run(five())] == [type(None)] * 3 + [Busy] * 2
    service.close()


def test_a_slow_header_and_a_slow_body_are_not_waited_for(released, monkeypatch):
    """A connection that says nothing is closed; a body that does not come is refused."""
    code = (
        "import rectify_nlp.connection as c, rectify_nlp.guard as g, rectify_nlp.web as w, sys\n"
        "from rectify_nlp import Model\n"
        "c.SECONDS = 1.0\n"
        "g.Rules.__init__.__kwdefaults__['body_seconds'] = 1.0\n"
        "w.serve(Model.load(), w.Options(port=0), lambda line: print(line, flush=True))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as served:
        port = int(re.search(r":(\d+)/", served.stdout.readline())[1])
        body = "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        sent = [b"", b"GET / HT", (body + "Content-Length: 50\r\n\r\n{").encode()]
        lines = []
        for start in sent:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(start)
                lines.append(connection.makefile("rb").readline())
        served.terminate()
    assert lines == [b"", b"", b"HTTP/1.1 408 Request Timeout\r\n"]


def memory(pid):
    """Resident memory and its highest value so far, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return tuple(int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1024 for name in ("VmRSS", "VmHWM"))  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read memory from")
def test_two_hundred_at_once_are_all_answered_in_bounded_memory(serve, released, guangzhou):
    service = serve()
    text = guangzhou.read_text(encoding="utf-8")
    expected = [
        (row["problem"], row["category_p"]) for row in rows(released.predict(read(guangzhou)))
    ]

    async def ask():
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=service.address, timeout=None, limits=limits
        ) as client:
            asked = [
                client.post("/predict", json={"text": text, "source": str(n)}) for n in range(200)
            ]
            return await asyncio.gather(*asked)

    before, _ = memory(service.pid)
    answers = asyncio.run(ask())
    _, highest = memory(service.pid)
    assert [answer.status_code for answer in answers] == [200] * 200
    found = [answer.json() for answer in answers]
    assert [one["source"] for one in found] == [str(n) for n in range(200)]
    assert all(
        [(i["problem"], i["category_p"]) for i in one["issues"]] == expected for one in found
    )
    assert highest - before < 150


# -- starting ----------------------------------------------------------------------------


def test_what_cannot_be_served_is_told_in_a_line(run, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = [
            (run("serve", "--port", port), 2, "another --port"),
            (run("serve", "--host", "0.0.0.0"), 2, "--token"),
            (run("serve", "--port", "0", "--results", tmp_path), 3, "rectify-nlp batch"),
            (run("serve", "--model", tmp_path), 4, "model"),
        ]
    for process, code, word in done:
        message = process.stderr.decode()
        assert (process.returncode, message.count("\n")) == (code, 1), message
        assert word in message
        assert process.stdout == b""


@pytest.mark.parametrize("package", ["fastapi", "fastapi_swagger", "python_multipart", "uvicorn"])
def test_without_the_extra_the_remedy_is_told(released, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    for name in [n for n in sys.modules if n.startswith(("fastapi_swagger", "rectify_nlp.conn"))]:
        if name != package:
            monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtra, match=r"rectify-nlp\[web\]"):
        start(released, Options(host="0.0.0.0"), print)


@pytest.mark.parametrize("example", [e["run"] for e in manual.texts()["serve"]["examples"]])
def test_the_examples_work(serve, batch_folder, root, monkeypatch, example):
    monkeypatch.chdir(batch_folder.parent)
    links = {"results": batch_folder, "notices": root / "seeds"}
    for name, target in links.items():
        (batch_folder.parent / name).symlink_to(target)
    try:
        service = serve(*example.split()[2:], "--port", "0")
    finally:
        for name in links:
            (batch_folder.parent / name).unlink()
    assert httpx.get(f"{service.address}/health/ready").json() == {"status": "ready"}
    page = httpx.get(service.address).text
    assert ("批量结果" in page) == ("--results" in example)
    assert ('href="/label"' in page) == ("--label" in example)


def test_reasons_are_told_in_chinese(released, root):
    service = Service(released, Limits(input_bytes=2_000_000))
    sources = {
        "a.png": b"\x89PNG" * 9,
        "a.gz": b"\x1f\x8b" * 9,
        "a.txt": b" ",
        "b.txt": "长".encode() * 700_000,
        "c.txt": "长".encode() * 600_000,
        "a.docx": b"PK\x03\x04" + b"x" * 99,
        "a.pdf": b"%PDF-1.7 nothing",
        "a.html": b"<html><body></body></html>",
        "a.csv": b"problem\nx\n",
    }
    for name, data in sources.items():
        found = service.document(data, name)
        told = failure(found.message)
        assert re.search("[一-鿿]", told), found.message
    service.close()
    assert failure("something new") == "something new"
    with pytest.raises(ReadError):
        application(released, Options(results=root / "seeds"))
