"""What import rules cannot see, read from the syntax trees."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ["telecine", "encoders", "packagers", "profiles", "origin", "edge", "playback", "pipeline", "board", "dags"]
SOURCES = sorted(
    path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "node_modules" not in path.parts
)
READS_ENVIRONMENT = {"telecine/settings.py", "telecine/process.py", "telecine/tools.py"}


def relative(path):
    return path.relative_to(ROOT).as_posix()


def calls(tree):
    return [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def parse(path):
    return ast.parse(path.read_text())


def test_there_is_something_to_check():
    assert len(SOURCES) > 40


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_ffmpeg_python_only_compiles(path):
    forbidden = {"ffmpeg.run", "ffmpeg.probe", "ffmpeg.run_async"}
    assert forbidden.isdisjoint(calls(parse(path)))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_the_environment_is_read_in_settings_only(path):
    if relative(path) in READS_ENVIRONMENT or relative(path).startswith(("telecine/stack/", "dags/airflow_settings/")):
        pytest.skip("one of the doors to the environment")
    reads = [
        node for node in ast.walk(parse(path)) if isinstance(node, ast.Attribute) and ast.unparse(node) == "os.environ"
    ]
    assert reads == []
    assert "os.getenv" not in calls(parse(path))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_only_the_command_line_prints(path):
    if relative(path).startswith("telecine/cli/"):
        pytest.skip("the command line speaks to people")
    assert "print" not in calls(parse(path))


@pytest.mark.parametrize("path", [p for p in SOURCES if not relative(p).startswith("dags/")], ids=relative)
def test_only_dags_import_airflow(path):
    tree = parse(path)
    names = [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    names += [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    assert not [name for name in names if name.split(".")[0] == "airflow"]


@pytest.mark.parametrize("path", [p for p in SOURCES if relative(p).startswith("dags/")], ids=relative)
def test_dags_do_no_input_or_output_when_imported(path):
    """At module level only definitions and the DAG's own construction; never settings, stores or files."""
    touching = {"open", "load_settings", "open_workplace", "Path", "run"}
    for node in parse(path).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        assert touching.isdisjoint(calls(node)), ast.unparse(node)


def test_files_stay_within_four_hundred_lines():
    long = {relative(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in long.items() if lines > 400} == {}
