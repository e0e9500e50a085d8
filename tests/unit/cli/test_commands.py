"""The data commands: what they print, and how they end."""

import json
from pathlib import Path

import pytest

from infra.cli.embedder import embed_texts
from tests.unit.cli.conftest import Run, lines

RECORDS = [{"id": f"r{n}", "values": [n, 1, 0], "metadata": {"n": n}} for n in range(4)]


@pytest.fixture
def songs(run: Run, tmp_path: Path) -> Path:
    """A dataset with four records, and the file they came from."""
    file = tmp_path / "records.ndjson"
    file.write_text(lines(RECORDS) + "\n")
    assert run("datasets", "create", "songs", "--dimension", "3").exit_code == 0
    assert run("vectors", "upsert", "songs", str(file), "--wait", "5").exit_code == 0
    return file


def test_json_is_all_there_is_on_stdout(run: Run, songs: Path) -> None:
    for arguments in (
        ["datasets", "list"],
        ["datasets", "get", "songs"],
        ["query", "songs", "--vector", "[1, 1, 0]"],
        ["vectors", "get", "songs", "r1", "--values"],
        ["vectors", "upsert", "songs", str(songs)],
        ["vectors", "delete", "songs", "r1"],
        ["usage"],
        ["profiles", "list"],
        ["tenants", "list"],
        ["tenants", "create", "research"],
        ["cost"],
        ["datasets", "delete", "songs", "--yes"],
    ):
        result = run(*arguments, "--json")
        assert result.exit_code == 0, (arguments, result.output)
        json.loads(result.stdout)


def test_a_query_is_a_table(run: Run, songs: Path) -> None:
    result = run("query", "songs", "--vector", "[2, 1, 0]", "-k", "1", "--filter", '{"n": 2}')
    assert result.exit_code == 0
    assert "0.0000" in result.stdout
    assert "r2" in result.stdout
    assert "ms in the function" in result.stderr


def test_a_vector_may_come_from_a_file(run: Run, songs: Path, tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text("[3, 1, 0]")
    result = run("query", "songs", "--vector", f"@{tmp_path}/v.json", "--json")
    assert json.loads(result.stdout)["matches"][0]["id"] == "r3"


def test_records_may_come_from_stdin(run: Run, songs: Path) -> None:
    result = run("vectors", "upsert", "songs", "-", "--json", stdin=lines([{"id": "s", "values": [0, 0, 9]}]))
    assert json.loads(result.stdout)["accepted"] == 1


def test_rejected_records_fail_the_command_and_are_named(run: Run, songs: Path) -> None:
    bad = lines([{"id": "a", "values": [1, 2, 3]}, {"id": "b", "values": [1]}])
    result = run("vectors", "upsert", "songs", "-", stdin=bad)
    assert result.exit_code == 1
    assert "record 2: dimension mismatch" in result.stderr
    assert "1 records were rejected" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["datasets", "get", "nothing"], 4, "dataset_not_found"),
        (["datasets", "create", "songs", "--dimension", "3"], 4, "dataset_exists"),
        (["datasets", "create", "BAD", "--dimension", "3"], 4, "invalid_name"),
        (["datasets", "create", "x", "--dimension", "0"], 2, "equal to 1"),
        (["query", "songs"], 2, "--vector or --text"),
        (["query", "songs", "--vector", "1, 2"], 2, "not JSON"),
        (["query", "songs", "--vector", '["a"]'], 2, "list of numbers"),
        (["query", "songs", "--vector", "[1, 2]"], 4, "dimension_mismatch"),
        (["query", "songs", "--vector", "[1, 2, 3]", "--filter", "[]"], 2, "JSON object"),
        (["query", "songs", "--text", "rain"], 2, "256 or 128"),
        (["vectors", "upsert", "songs", "/no/such/file"], 2, "cannot read"),
        (["vectors", "get", "songs", "nobody"], 4, "not_found"),
        (["job", "job_" + "0" * 32], 4, "job_not_found"),
        (["datasets", "list", "--profile", "nowhere"], 2, "no profile"),
        (["datasets", "list", "--profile", "local"], 3, "shoal local up"),
        (["local", "status", "--json"], 3, "not up"),
    ],
)
def test_errors_are_one_line_and_a_way_on(
    run: Run, songs: Path, arguments: list[str], code: int, words: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_a_bad_line_is_named(run: Run, songs: Path) -> None:
    result = run("vectors", "upsert", "songs", "-", stdin='{"id": "a", "values": [1, 2, 3]}\nnonsense\n')
    assert result.exit_code == 2
    assert "line 2" in result.stderr


def test_a_wrong_key_is_exit_code_5(run: Run) -> None:
    result = run("datasets", "list", SHOAL_API_KEY="shl_wrong")
    assert result.exit_code == 5
    assert "unauthorized" in result.stderr


def test_deleting_asks_first(run: Run, songs: Path) -> None:
    result = run("datasets", "delete", "songs", stdin="n\n")
    assert result.exit_code == 2
    assert "with 4 records" in result.stderr
    assert run("datasets", "delete", "songs", stdin="y\n").exit_code == 0


def test_a_job_can_be_waited_for(run: Run, songs: Path) -> None:
    job = json.loads(run("vectors", "delete", "songs", "r0", "--json").stdout)["job_id"]
    assert json.loads(run("job", job, "--wait", "5", "--json").stdout)["status"] == "indexed"


def test_questions_in_words(run: Run) -> None:
    from infra.cli.embedder import embed_texts

    text = "amazon sqs: send message. delivers a message to the specified queue."
    metadata = {
        "service": "SQS",
        "operation": "SendMessage",
        "client": "sqs",
        "method": "send_message",
        "required": ["A"],
    }
    record = {"id": "sqs.send_message", "values": embed_texts([text])[0].tolist(), "metadata": metadata}
    run("datasets", "create", "aws-operations", "--dimension", "256", "--metric", "cosine")
    run("vectors", "upsert", "aws-operations", "-", stdin=lines([record]))
    asked = run("ask", "put", "a", "message", "on", "a", "queue")
    assert 'boto3.client("sqs").send_message(A=...)' in asked.stdout
    several = run("ask", stdin="send a message\nread a message\n\nnever asked\n")
    assert several.stdout.count("SendMessage") == 2
    by_text = run("query", "aws-operations", "--text", "Message", "--json")
    assert json.loads(by_text.stdout)["matches"][0]["id"] == "sqs.send_message"


def test_version_and_help(run: Run) -> None:
    assert run("--version").stdout.startswith("shoal ")
    overview = run("--help").stdout
    assert "Exit codes" in overview
    for command in (
        "local",
        "tenants",
        "keys",
        "datasets",
        "vectors",
        "query",
        "ask",
        "doctor",
        "cost",
        "demo",
    ):
        assert command in overview
        assert run(command, "--help").exit_code == 0


def test_a_dataset_with_a_model_is_asked_in_words(run: Run) -> None:
    assert run("datasets", "create", "manuals").exit_code == 2
    made = json.loads(
        run("datasets", "create", "manuals", "--embedding-model", "static-128", "--json").stdout
    )
    assert (made["dimension"], made["metric"], made["embedding_model"]) == (128, "cosine", "static-128")
    assert "static-128" in run("datasets", "list").stdout
    # The text goes as it is: no lower-casing, and no vector is made here.
    values = embed_texts(["How do I Replace the Filter?"], dimension=128)[0].tolist()
    stored = lines([{"id": "filter", "values": values}])
    assert run("vectors", "upsert", "manuals", "-", "--wait", "5", stdin=stored).exit_code == 0
    found = run("query", "manuals", "--text", "How do I Replace the Filter?", "--json")
    assert found.exit_code == 0, found.output
    answer = json.loads(found.stdout)
    assert answer["embedding_model"] == "static-128"
    assert answer["matches"][0]["score"] == pytest.approx(1.0, abs=1e-5)
