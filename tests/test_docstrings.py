"""Public functions and classes say what they take, give and raise, and say it of what is there."""

import ast
import importlib
import inspect
import pkgutil
import textwrap

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc

PACKAGES = ("features", "classical", "deep", "ensemble", "reports")
# Scikit-learn's own protocol, documented there.
PROTOCOL = {"get_feature_names_out", "get_params", "set_params", "score", "fit_transform"}


def public_objects():
    """Every public function, class and method that is defined in a module of ours."""
    for package in PACKAGES:
        root = importlib.import_module(package)
        for found in pkgutil.walk_packages(root.__path__, f"{package}."):
            module = importlib.import_module(found.name)
            for name, value in vars(module).items():
                ours = getattr(value, "__module__", None) == module.__name__
                if name.startswith("_") or not ours or not callable(value):
                    continue
                yield f"{module.__name__}.{name}", value
                if inspect.isclass(value):
                    for key, method in vars(value).items():
                        function = getattr(method, "__func__", method)
                        # One that overrides a method of ours is described there.
                        again = any(key in vars(base) for base in value.__mro__[1:-1])
                        if not key.startswith("_") and inspect.isfunction(function) and not again:
                            yield f"{module.__name__}.{name}.{key}", function


OBJECTS = dict(public_objects())


def documented(names):
    """Split `a, b : int` into its names, without stars."""
    return [part.strip().lstrip("*") for entry in names for part in entry.name.split(",")]


def described(value):
    return ClassDoc(value) if inspect.isclass(value) else FunctionDoc(value)


def raises_by_itself(function):
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(tree))


@pytest.mark.parametrize("name", OBJECTS)
def test_it_has_a_summary(name):
    assert (OBJECTS[name].__doc__ or "").strip(), f"{name} has no docstring"


@pytest.mark.parametrize("name", [n for n, v in OBJECTS.items() if not inspect.isclass(v)])
def test_a_function_documents_its_parameters_results_and_errors(name):
    function = OBJECTS[name]
    short = name.rsplit(".", 1)[-1]
    if short in PROTOCOL:
        return
    signature = inspect.signature(function)
    taken = [key for key in signature.parameters if key not in ("self", "cls")]
    doc = described(function)
    assert documented(doc["Parameters"]) == taken
    gives = signature.return_annotation not in ("None", None, inspect.Signature.empty)
    assert bool(doc["Returns"] or doc["Yields"]) == gives
    if raises_by_itself(function):
        assert doc["Raises"], f"{name} raises without saying when"


@pytest.mark.parametrize("name", [n for n, v in OBJECTS.items() if inspect.isclass(v)])
def test_a_class_documents_its_parameters(name):
    cls = OBJECTS[name]
    own_init = "__init__" in vars(cls)
    if not own_init or issubclass(cls, tuple):
        return
    taken = [key for key in inspect.signature(cls.__init__).parameters if key != "self"]
    doc = described(cls)
    # A record may call its fields attributes.
    given = documented(doc["Parameters"]) or documented(doc["Attributes"])
    assert [key for key in taken if key not in given] == []
