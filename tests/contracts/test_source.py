"""What the source never does, whoever writes it."""

from __future__ import annotations

import ast

import pytest
from _walk import FILES, module_name, tree_of

#: Ways to random numbers that have a state of their own.
OWN_STATE = {"Generator", "RandomState", "SeedSequence", "PCG64", "default_rng"}
#: Calls of the engine's global generator that are allowed, with the reason.
ENGINE_SEEDS = {
    "mxfair._main_job": "the command line owns its process; initializers draw from the engine's state",
    "mxfair.training.snapshot": "only where its user passes seed=: the engine cannot tell its state",
}

files = pytest.mark.parametrize("path", FILES, ids=module_name)


def dotted(node):
    """Return an attribute chain as text: np.random.seed."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([*([node.id] if isinstance(node, ast.Name) else []), *reversed(parts)])


def nodes(path, *kinds):
    """Return the nodes of some kinds in a file."""
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, kinds)]


def imported(path):
    """Return the top-level names of the modules that a file imports."""
    names = [alias.name for node in nodes(path, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes(path, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


def tells_types(node):
    """Tell whether an assertion only tells the type checker that something is not None."""
    test = node.test
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.ops[0], ast.IsNot)
        and isinstance(test.comparators[0], ast.Constant)
        and test.comparators[0].value is None
    )


@files
def test_nothing_is_asserted(path):
    """Input is checked with errors: python -O removes an assert."""
    assert [node.lineno for node in nodes(path, ast.Assert) if not tells_types(node)] == []


@files
def test_no_exception_is_swallowed_unseen(path):
    """There is no bare except, and no ``except BaseException`` that keeps it."""
    handlers = nodes(path, ast.ExceptHandler)
    bare = [h.lineno for h in handlers if h.type is None]
    kept = [
        h.lineno
        for h in handlers
        if isinstance(h.type, ast.Name)
        and h.type.id == "BaseException"
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(h))
    ]
    assert bare + kept == []


@files
def test_nothing_is_unpickled(path):
    """No module can load a pickle: files are JSON, .npz without pickling, or Gluon parameters."""
    assert imported(path).isdisjoint({"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"})
    calls = [dotted(node.func) for node in nodes(path, ast.Call)]
    assert not [name for name in calls if name.endswith((".read_pickle", ".load_states", ".to_pickle"))]
    pickling = [
        keyword.value
        for node in nodes(path, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "allow_pickle"
        and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
    ]
    assert pickling == []


@files
def test_global_random_state_is_not_used(path):
    """Random choices come from an object's own generator, not from random, numpy.random or the engine."""
    assert "random" not in imported(path)
    used = [dotted(node) for node in nodes(path, ast.Attribute)]
    legacy = [
        name
        for name in used
        if name.startswith(("np.random.", "numpy.random.")) and name.split(".")[2] not in OWN_STATE
    ]
    engine = [
        name for name in used if name.startswith(("mx.random.", "mxnet.random.", "mx.nd.random.", "mx.np.random."))
    ]
    assert legacy == []
    assert engine == [] or module_name(path) in ENGINE_SEEDS


@files
def test_nothing_is_printed(path):
    """A library returns what it has to say; the command line has click."""
    assert [node.lineno for node in nodes(path, ast.Call) if dotted(node.func) == "print"] == []


@files
def test_no_code_is_evaluated(path):
    """Text never becomes code."""
    assert [node.lineno for node in nodes(path, ast.Call) if dotted(node.func) in ("eval", "exec", "compile")] == []


def text_of(node):
    """Return the end of a message literal, or None where it is computed."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return text_of(node.values[-1]) if node.values else None
    if isinstance(node, ast.BinOp):
        return text_of(node.right)
    return None


def messages():
    """Yield the place and the text of each message literal of an error that is raised."""
    for path in FILES:
        for node in nodes(path, ast.Call):
            if dotted(node.func).rpartition(".")[2] in ("InputError", "InputTypeError") and node.args:
                text = text_of(node.args[0])
                if text is not None:
                    yield f"{module_name(path)}:{node.lineno}", text


def test_messages_are_found():
    """The check below looks at something."""
    assert len(list(messages())) > 50


def test_messages_are_sentences():
    """Each error message ends like a sentence."""
    assert [f"{place}: {text}" for place, text in messages() if not text.endswith((".", "?"))] == []
