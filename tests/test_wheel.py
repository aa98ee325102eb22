"""The wheel works by itself: in a clean environment, from another folder."""

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile

import pytest


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, root],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_data_and_code(wheel, root):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder in ("labels", "models/default"):
        for path in (root / folder).rglob("*"):
            if path.is_file():
                assert f"rectify_nlp/_resources/{path.relative_to(root)}" in names
    assert {
        "rectify_nlp/cli.py",
        "rectify_nlp/templates/report.html",
        "rectify_nlp/help.toml",
    } <= names
    assert "rectify_nlp/templates/scorecard.html" in names
    assert {"rectify_nlp/static/page.js", "rectify_nlp/templates/page.html"} <= names
    top = {name.split("/")[0] for name in names}
    assert {name.partition("-")[0] for name in top} == {"rectify_nlp"}


def test_the_installed_wheel_predicts(wheel, tmp_path, guangzhou):
    venv.create(tmp_path / "venv", with_pip=False, system_site_packages=False)
    python = tmp_path / "venv/bin/python"
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-index", "--quiet", wheel],
        check=True,
        capture_output=True,
    )
    (site,) = (tmp_path / "venv/lib").glob("*/site-packages")
    # The dependencies of the running environment, behind what is installed here.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = subprocess.run(
        [python, "-c", "import rectify_nlp; print(rectify_nlp.__file__)"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert where.stdout.startswith(str(site))
    done = subprocess.run(
        [tmp_path / "venv/bin/rectify-nlp", "predict", guangzhou],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    found = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert len(found) == 17
    assert done.stderr == b""
    assert {row["source"] for row in found} == {str(guangzhou)}
