"""The live page's files, and the same page as one file with a report."""

from __future__ import annotations

import re
from collections import Counter

from smart_router.live.page import FILES, HEADERS, MODULES, live_page, read_part, report_page

MOST_BYTES = 100_000
WRITES_HTML = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc"
)
STATE = {"router": {"version": "1"}, "figures": {"by": {}}, "recent": []}


def test_the_page_is_small() -> None:
    assert len(live_page()) + sum(len(one.read().encode()) for one in FILES.values()) < MOST_BYTES


def test_the_page_loads_only_its_own_files() -> None:
    whole = live_page() + "".join(one.read() for one in FILES.values())
    loaded = re.findall(r"(?:src|href)=\"([^\"]*)\"", live_page())
    assert [one for one in loaded if not one.startswith("data:")] == [
        "/router/page/page.css",
        "/router/page/page.js",
    ]
    assert set(re.findall(r"https?://[^\s\"'`)]+", whole)) == {"http://www.w3.org/2000/svg"}
    assert "@import" not in whole and "url(" not in read_part("page.css")


def test_nothing_is_written_as_html() -> None:
    for name in MODULES:
        assert not WRITES_HTML.search(read_part(name)), name


def test_nothing_stands_in_the_page_that_its_policy_would_have_to_allow() -> None:
    page, policy = live_page(), HEADERS["content-security-policy"]
    assert "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert re.findall(r"<script[^>]*>", page) == ['<script defer src="/router/page/page.js">']
    assert not re.search(r"\son\w+=|<style|\sstyle=|javascript:", page)


def test_each_module_imports_only_earlier_ones_that_export_the_name() -> None:
    exported: dict[str, set[str]] = {}
    for name in MODULES:
        text = read_part(name)
        for names, source in re.findall(r"import \{ (.*?) \} from \"\./(.*?)\";", text):
            assert set(names.split(", ")) <= exported[source], (name, source)
        assert text.count("import ") == len(re.findall(r"^import \{", text, re.MULTILINE)), name
        exported[name] = set(
            re.findall(r"^export (?:async )?(?:function\*?|const) ([\w$]+)", text, re.MULTILINE)
        )


def test_names_of_all_modules_differ_since_they_are_joined() -> None:
    top = re.compile(r"^(?:export )?(?:async )?(?:function\*?|const|let|class) ([\w$]+)", re.MULTILINE)
    names = Counter(name for module in MODULES for name in top.findall(read_part(module)))
    assert [name for name, number in names.items() if number > 1] == []


def test_a_report_is_one_file() -> None:
    page = report_page(STATE)
    assert not re.search(r"<link rel=\"stylesheet|src=|^import |^export |@import", page, re.MULTILINE)
    assert "unsafe" not in page and page.count("'sha256-") == 2


def test_names_cannot_end_the_data_of_a_report() -> None:
    page = report_page({**STATE, "recent": [{"asked": "</script><script>alert(1)</script><!--"}]})
    assert "alert(1)" in page
    assert page.count("</script>") == 2 and "<!--" not in page
