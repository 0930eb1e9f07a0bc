"""Which module may import what: the direction of flow, proved in fresh interpreters."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ({names}):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    "module",
    [
        *(
            "schema",
            "writer",
            "health_writer",
            "reader",
            "rules",
            "alerts",
            "export",
            "cli",
            "demo",
        ),
        *("columns", "buffer", "scalars", "hparams", "trials", "comparison", "compare"),
    ],
)
def test_the_shared_modules_work_without_a_framework(module):
    frameworks = "'tensorflow', 'keras', 'torch', 'jax'"
    done = python(WITHOUT.format(names=frameworks) + f"import adamax_tb.{module}")
    assert done.returncode == 0, done.stderr


def test_the_plugin_works_without_a_framework():
    code = "import tb_plugin.plugin, tb_plugin.data, tb_plugin.rule_page; tb_plugin.plugin.OptimizerHealthLoader()"
    done = python(WITHOUT.format(names="'tensorflow', 'keras'") + code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("statement", ["import adamax_tb", "import tb_plugin.plugin"])
def test_an_import_brings_in_neither_framework_nor_numbers(statement):
    names = "'tensorflow', 'keras', 'sklearn'" + (", 'numpy'" if "adamax_tb" in statement else "")
    done = python(f"import sys; {statement}; print([n for n in ({names},) if n in sys.modules])")
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_every_public_name_resolves_and_no_other_does():
    import adamax_tb

    for name in adamax_tb.__all__:
        assert getattr(adamax_tb, name).__name__ == name
    with pytest.raises(AttributeError, match="nonsense"):
        _ = adamax_tb.nonsense


def test_the_plugins_name_is_the_schemas():
    from adamax_tb import schema
    from tb_plugin import plugin

    assert plugin.PLUGIN_NAME == schema.PLUGIN_NAME
