"""What is printed: tables that end in a terminal, JSON that is whole."""

import json

from bench.cli.console import print_rows

ROWS = [{"run": f"run{i}"} for i in range(12)]


def test_a_long_table_says_how_many_rows_it_leaves_out_and_json_has_them_all(capsys):
    print_rows(ROWS, False, "runs", most=10)
    text = capsys.readouterr().out
    assert text.count("run") == 1 + 1 + 10  # the title, the heading
    assert "run9" in text
    assert "… and 2 more; --json prints all 12" in text
    print_rows(ROWS, True, "runs", most=10)
    assert json.loads(capsys.readouterr().out) == ROWS


def test_a_table_that_fits_is_whole(capsys):
    for most in (12, None):
        print_rows(ROWS, False, "runs", most=most)
        text = capsys.readouterr().out
        assert "run11" in text
        assert "more" not in text
