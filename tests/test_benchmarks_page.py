"""What the page of the benchmarks says of measured figures; the figures here are made up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks import command, latency, page, rounds
from benchmarks.load import Case, Sample, size_of, size_text

SAMPLE = Sample(
    messages=1000.0,
    bytes=256_000,
    reads=500,
    writes=500,
    elapsed=1.0,
    server_cpu=0.002,
    server_wait=0.0,
    load_cpu=1.0,
    p50=50e-6,
    p99=100e-6,
    p999=200e-6,
    held=0,
    delay99=1e-6,
    server_memory=40 * 2**20,
)


CASE = Case(256, 32, 8)


def sample(cpu_us: float = 2.0, p50: float = 50e-6) -> dict[str, Any]:
    return {**vars(SAMPLE), "server_cpu": cpu_us / 1e3, "p50": p50}


def document(*results: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    peers = {result["peer"]: f"{result['peer']} 1.0" for result in results}
    return {"machine": {"cpu": "one"}, "peers": peers, "loop": "uvloop", "results": results, **more}


def echo(peer: str, *costs: float, case: Case = CASE) -> dict[str, Any]:
    return {"peer": peer, **vars(case), "rounds": [sample(cost) for cost in costs]}


def lost(figures: Mapping[str, Sequence[float]]) -> list[page.Loss]:
    """The losses in one case."""
    return page.losses({("us", "case"): {peer: list(values) for peer, values in figures.items()}})


# ---- sizes ----


@pytest.mark.parametrize(
    ("text", "size", "told"),
    [
        ("0", 0, "0 B"),
        ("16", 16, "16 B"),
        ("1000", 1000, "1000 B"),
        ("1024", 1024, "1 KiB"),
        ("8K", 8192, "8 KiB"),
        ("64k", 65536, "64 KiB"),
        ("1M", 2**20, "1 MiB"),
        ("1025K", 1025 * 1024, "1025 KiB"),
    ],
)
def test_a_size_is_read_and_told(text: str, size: int, told: str) -> None:
    assert size_of(text) == size
    assert size_text(size) == told


@pytest.mark.parametrize("text", ["", "K", "8Q", "1.5K", "8 Ki"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        size_of(text)


def test_cases_are_sizes_with_or_without_a_number_in_flight() -> None:
    parser = command.new_parser("test", "", cases="16,8Kx32", connections="1,1000")
    assert command.cases(parser.parse_args([])) == [
        Case(16, 1, 1),
        Case(16, 1, 1000),
        Case(8192, 32, 1),
        Case(8192, 32, 1000),
    ]


@pytest.mark.parametrize("text", ["8Qx1", "-1", "16x0", "16,"])
def test_a_wrong_case_ends_the_program(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = command.new_parser("test", "", cases="16", connections="1")
    with pytest.raises(SystemExit):
        parser.parse_args([f"--cases={text}"])
    assert "--cases" in capsys.readouterr().err


def test_only_what_takes_long_to_drain_is_heavy() -> None:
    assert not Case(2**20, 32, 1).heavy
    assert Case(2**20, 33, 1).heavy


# ---- where others win ----


def test_a_peer_that_costs_less_is_a_loss() -> None:
    (loss,) = lost({"rawws": [3.0, 3.2, 3.1], "picows": [2.0, 2.2, 2.1], "aiohttp": [8.0]})
    assert (loss.rival, loss.theirs) == ("picows", [2.0, 2.2, 2.1])
    assert loss.ratio == pytest.approx(3.1 / 2.1)
    assert loss.cell("rawws") == "**3.10 (1.48)**"


def test_a_tie_is_no_loss() -> None:
    assert not lost({"rawws": [2.0, 3.0, 4.0], "picows": [3.0, 3.0, 3.0]})


def test_the_smallest_difference_of_the_medians_is_a_loss() -> None:
    (loss,) = lost({"rawws": [2.0, 3.001, 4.0], "picows": [3.0, 3.0, 3.0]})
    assert loss.cell("rawws") == "about 3.00 (1.00)"


def test_rounds_that_touch_overlap() -> None:
    (loss,) = lost({"rawws": [3.0, 4.0, 5.0], "picows": [1.0, 2.0, 3.0]})
    assert loss.cell("rawws").startswith("about ")


def test_each_of_ours_is_compared_but_the_interpreted_one() -> None:
    figures = {"rawws": [1.0], "rawws-layers": [3.0], "rawws-python": [9.0], "picows": [2.0]}
    (loss,) = lost(figures)
    assert list(loss.ours) == ["rawws", "rawws-layers"]
    assert (loss.cell("rawws"), loss.cell("rawws-layers")) == ("1.00 (0.50)", "**3.00 (1.50)**")
    assert not lost({"rawws": [1.0], "rawws-python": [9.0], "picows": [2.0]})


def test_without_ours_or_without_a_cost_nothing_is_compared() -> None:
    assert not lost({"picows": [1.0], "aiohttp": [2.0]})
    assert not lost({"rawws": [1.0], "tcp": [0.0]})


def test_the_section_tells_in_how_many_cases_each_peer_wins() -> None:
    figures: page.Figures = {
        ("CPU us/msg", "small"): {"rawws": [2.0], "picows": [1.0], "aiohttp": [9.0]},
        ("CPU us/msg", "big"): {"rawws": [2.0], "picows": [4.0], "aiohttp": [9.0]},
        ("peak MiB", "small"): {"rawws": [40.0], "picows": [39.0], "aiohttp": [38.0]},
    }
    text = page.losses_section({"Echo": figures})
    assert "Echo, CPU us/msg: <b>picows</b> costs less in 1 of 2" in text
    assert "Echo, peak MiB: <b>aiohttp</b> costs less in 1 of 1" in text
    assert "CPU us/msg: <b>aiohttp</b>" not in text
    assert "| small | 1.00 | **2.00 (2.00)** |" in text
    assert "| big |" not in text


def test_who_loses_nowhere_says_so() -> None:
    figures: page.Figures = {("us", "case"): {"rawws": [1.0], "picows": [1.0]}}
    assert page.losses_section({"Echo": figures}) == "Nowhere in what was measured.\n"


# ---- the tables ----


def test_the_table_is_markdown() -> None:
    assert page.table(("a", "b"), [["c", "d"]]) == "| a | b |\n| --- | ---: |\n| c | d |\n"


def test_the_headline_has_the_middle_number_of_connections() -> None:
    results = [
        echo("rawws", 1.0, case=Case(size, inflight, connections))
        for size, inflight in ((256, 1), (256, 32), (16, 1))
        for connections in (1000, 1, 32)
    ]
    assert rounds.headline_cases(rounds.from_json(document(*results))) == [
        Case(256, 32, 32),
        Case(256, 1, 32),
    ]


def test_costs_stand_beside_ours() -> None:
    found = document(echo("rawws", 1.0, 2.0, 3.0), echo("picows", 3.0, 4.0, 8.0))
    results = rounds.from_json(found)
    text = page.case_table(results, CASE, page.SHORT)
    assert "| **rawws** | 2.00 | 1.00 (1.00) | 1.00 | 100% |" in text
    assert "| picows | 4.00 | 2.00 (3.00) | 3.00 | 125% |" in text
    assert "| 50 | 100 | 200 | 40 |" in text


def test_the_overview_has_a_row_for_each_case_and_tells_what_failed() -> None:
    big = Case(2**20, 1, 8)
    found = document(
        *(echo("rawws", 2.0), echo("picows", 3.0), echo("rawws", 500.0, case=big)),
        failures=[{"peer": "picows", **vars(big), "reason": "picows: out of memory"}],
    )
    text = page.time_section(found)
    assert "| 256 B, 32 in flight on each of 8 connections | 2.00 | 3.00 (1.50) |" in text
    assert "| 1 MiB, 1 in flight on each of 8 connections | 500.00 | failed |" in text
    assert "- 1 MiB, 1 in flight on each of 8 connections: picows: out of memory\n" in text


def test_the_page_tells_machine_versions_and_rounds() -> None:
    found = document(echo("rawws", 1.0, 2.0), echo("tcp", 0.5, 0.5), seconds=0.5)
    text = page.page({"results": found}, {"in short": "![plot](cpu.svg)\n"})
    assert "| cpu | one |" in text
    assert "| tcp | tcp 1.0 |" in text
    assert (
        "Loop: uvloop, 2 rounds, 0.5 s each, at most 0% of the time spent waiting for a core."
        in text
    )
    assert text.index("## In short") < text.index("![plot](cpu.svg)") < text.index("## Method")
    assert "<b>tcp</b> costs less in 1 of 1" in text


def test_any_other_figures_get_a_table_and_are_compared() -> None:
    found = document(
        {"peer": "rawws", "connections": 10_000, "idle_bytes": 5000.0, "rounds": []},
        {"peer": "tcp", "connections": 10_000, "idle_bytes": 1000.0, "rounds": []},
    )
    text = page.page({"memory": found}, {})
    assert "## Idle memory" in text
    assert "**10,000 connections**" in text
    assert "| tcp | 1,000.00 | 0.20 |" in text
    assert "| peer | connections |" not in text
    assert "Idle memory, idle bytes: <b>tcp</b> costs less in 1 of 1" in text


# ---- latency ----

UNDER_LOAD = {**vars(Case(256, 1024, 8)), "rival": "picows", "rate": 20_000.0}


def under_load(peer: str, *p50: float) -> dict[str, Any]:
    return {"peer": peer, **UNDER_LOAD, "rounds": [sample(p50=value) for value in p50]}


def test_latency_stands_beside_that_of_the_rival_under_the_same_load() -> None:
    found = document(under_load("picows", 90e-6, 80e-6), under_load("rawws", 40e-6, 30e-6))
    (pair,) = latency.from_json(found)
    assert (pair.rival, pair.ours, pair.rate) == ("picows", "rawws", 20_000.0)
    theirs, ours = latency.figures(pair)
    assert theirs[:4] == ["picows", "20,000", "picows", "85"]
    assert theirs[6] == "2.43 (2.67)"
    assert ours[:4] == ["picows", "20,000", "rawws", "35"]
    assert "## Latency at a given load" in page.page({"latency": found}, {})


def test_latency_that_is_greater_than_the_rival_s_is_a_loss() -> None:
    found = document(under_load("picows", 20e-6), under_load("rawws", 40e-6))
    (loss,) = page.losses(page.latency_figures(found))
    assert loss.what == "p50 us"
    assert loss.case == "256 B over 8 connections, 20,000 msg/s, half of picows's top"
    assert loss.cell("rawws") == "**40.00 (2.00)**"


def test_rivals_with_the_same_load_are_told_apart() -> None:
    found = document(
        *(under_load("picows", 20e-6), under_load("rawws", 40e-6)),
        *({**under_load(peer, 30e-6), "rival": "aiohttp"} for peer in ("aiohttp", "rawws")),
    )
    assert [loss.rival for loss in page.losses(page.latency_figures(found))] == ["picows"]
    assert len(page.latency_figures(found)) == 6


# ---- files ----


def test_a_file_of_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SystemExit, match=r"other\.json: no section of that name; there are results"
    ):
        page.read(tmp_path / "other.json")


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text("{")
    with pytest.raises(SystemExit, match=r"results\.json: Expecting"):
        page.read(file)


def test_the_plots_are_drawn_and_shown(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    sizes = [
        echo(peer, cost, case=Case(size, 1, 8))
        for size, cost in ((16, 1.0), (256, 1.5), (2**20, 400.0))
        for peer in ("rawws", "picows")
    ]
    results, slow = tmp_path / "results.json", tmp_path / "latency.json"
    results.write_text(json.dumps(document(*sizes)))
    slow.write_text(json.dumps(document(under_load("picows", 9e-5), under_load("rawws", 4e-5))))
    page.write([results, slow], tmp_path / "page.md", page.drawing())
    folder = tmp_path / "images" / "page"
    names = {file.name for file in folder.iterdir()}
    assert names == {"cpu-results.svg", "sizes-8.svg", "percentiles.svg", "latency.svg"}
    text = (tmp_path / "page.md").read_text()
    assert all(f"](images/page/{name})" in text for name in names)
