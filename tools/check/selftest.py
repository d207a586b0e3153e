"""Plants one violation of each rule in a small tree and sees that the check finds it."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent

CLEAN = {
    "include/weir/core/park.hpp": "#pragma once\n#include <cstdint>\n",
    "include/weir/core/sync/mutex.hpp": "#pragma once\n#include <mutex>\nusing lock = std::mutex;\n",
    "include/weir/context/context.hpp": "#pragma once\n#include <weir/core/park.hpp>\n",
    "include/weir/retry/retry.hpp": "#pragma once\n#include <weir/context/context.hpp>\n",
    "include/weir/pool/pool.hpp": "#pragma once\n#include <weir/context/context.hpp>\n",
    "include/weir/weir.hpp": "#pragma once\n#include <weir/pool/pool.hpp>\n#include <weir/retry/retry.hpp>\n",
    "src/pool/pool.cpp": '#include <weir/pool/pool.hpp>\n// std::mutex is only named here\nconst char* s = "std::mutex";\n',
    "apps/weir/main.cpp": "#include <weir/weir.hpp>\nint main() {}\n",
    "examples/01_first.cpp": "int main() {\n  return 0;\n}\n",
    "README.md": "See [the example](examples/01_first.cpp).\n\n```cpp\nint main() {\n  return 0;\n```\n"
                 "\n```cpp sketch\nint anything;\n```\n",
}


def run(check, **changed):
    """The verdict and output of a check on the clean tree with some files changed."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**CLEAN, **changed}.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run([sys.executable, HERE / check, "--root", folder],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout


class Planted(unittest.TestCase):
    def passes(self, check, **changed):
        self.assertEqual(run(check, **changed)[0], 0, run(check, **changed)[1])

    def finds(self, expected, check, **changed):
        code, said = run(check, **changed)
        self.assertEqual(code, 1, said)
        self.assertIn(expected, said)

    def test_a_clean_tree_passes(self):
        for check in ("layers", "text", "docs"):
            self.passes(check)

    def test_a_header_that_needs_another_one_before_it(self):
        common = "".join(f"#include <{name}>\n" for name in (
            "chrono", "string", "cstdint", "atomic", "source_location", "string_view", "optional", "utility",
            "type_traits", "expected", "concepts", "memory"))
        header = "include/weir/context/context.hpp"
        self.passes("headers", **{header: "#pragma once\n" + common + "inline std::string name;\n"})
        self.finds("deque", "headers", **{header: "#pragma once\n" + common + "inline std::deque<int> all;\n"})
        self.finds("chrono", "headers", **{
            header: "#pragma once\n" + common.replace("#include <chrono>\n", "") + "inline std::chrono::days one;\n"})

    def test_an_arrow_upwards(self):
        self.finds("core must not include pool", "layers", **{
            "src/core/park.cpp": "#include <weir/pool/pool.hpp>\n"})

    def test_an_arrow_upwards_in_quotes(self):
        self.finds("core must not include pool", "layers", **{
            "src/core/park.cpp": '#include "weir/pool/pool.hpp"\n'})

    def test_an_arrow_upwards_to_a_private_header(self):
        self.finds("context must not include pool", "layers", **{
            "src/pool/idle.hpp": "#pragma once\n", "src/context/tree.cpp": '#include "pool/idle.hpp"\n'})

    def test_an_arrow_sideways(self):
        self.finds("retry must not include pool", "layers", **{
            "src/retry/retry.cpp": "#include <weir/pool/pool.hpp>\n"})

    def test_the_umbrella_inside_the_library(self):
        self.finds("does not include the umbrella", "layers", **{
            "src/retry/retry.cpp": "#include <weir/weir.hpp>\n"})

    def test_an_include_that_leads_nowhere(self):
        self.finds("is not a file of this tree", "layers", **{
            "src/retry/retry.cpp": "#include <weir/retry/gone.hpp>\n"})

    def test_a_heavy_public_header(self):
        self.finds("too heavy", "layers", **{
            "include/weir/core/log.hpp": "#pragma once\n#include <iostream>\n"})

    def test_a_raw_primitive_outside_the_seam(self):
        for raw in ("std::atomic<int> a;", "std::mutex m;", "thread_local int t;", "std::jthread t;",
                    "auto t = std::chrono::steady_clock::now();", "std::this_thread::yield();",
                    "syscall(SYS_futex);", "std::condition_variable_any c;"):
            with self.subTest(raw):
                self.finds("outside the seam", "layers", **{"src/pool/idle.cpp": raw + "\n"})

    def test_the_seams_own_names_pass(self):
        self.passes("layers", **{"include/weir/core/sync/thread_local.hpp": "#pragma once\n", "src/core/clock.cpp":
                                 "#include <weir/core/sync/thread_local.hpp>\nint manual_clock::now() {}\n"})

    def test_a_header_that_is_too_long(self):
        self.finds("the limit is 300", "layers", **{"include/weir/pool/pool.hpp": "\n" * 301})

    def test_a_source_that_is_too_long(self):
        self.finds("the limit is 400", "layers", **{"src/pool/pool.cpp": "\n" * 401})

    def test_a_file_of_no_module(self):
        self.finds("belongs to no module", "layers", **{"include/weir/util/misc.hpp": "#pragma once\n"})

    def test_a_machine_path(self):
        self.finds("a path of somebody's machine", "text", **{"README.md": "see /hom" + "e/me/notes\n"})

    def test_a_test_that_sleeps(self):
        sleeps = "std::this_thread::sleep_fo" + "r(1ms);\n"
        self.finds("sleeps", "text", **{"tests/pool/pool_test.cpp": sleeps})
        self.passes("text", **{"tests/stress/pool_test.cpp": sleeps})

    def test_a_test_that_is_switched_off(self):
        self.finds("switched off", "text", **{"tests/pool/pool_test.cpp": "TEST(a, DISABLE" + "D_b)\n"})

    def test_documentation_that_is_not_compiled(self):
        self.finds("is in no file", "docs", **{"README.md": "```cpp\nint main() {\n  return 1;\n```\n"})

    def test_a_link_that_leads_nowhere(self):
        self.finds("leads nowhere", "docs", **{"docs/guide.md": "[gone](gone.md)\n"})


if __name__ == "__main__":
    unittest.main()
