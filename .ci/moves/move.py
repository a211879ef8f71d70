# ruff: noqa
"""Move every file to its place in the new tree and rewrite what refers to it. Run in a checkout: move.py MOVES.md"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(".")
TOPS = ("pipeline", "components", "data")
NAMESPACE = "modelmill"
# Local names that say nothing by themselves: such a module keeps the name under which it was imported.
GENERIC = {
    "modality",
    "client",
    "augment",
    "runner",
    "main",
    "app",
    "project",
    "read",
    "config",
    "run",
    "isolated_main",
}
# Modules whose experiment fields have the same dotted name.
AMBIGUOUS = {
    "data.task",
    "data.modality",
    "data.sample",
    "data.columns",
    "data.files",
    "data.tokenizer",
    "data.series",
    "data.table",
    "data.config",
    "data.texts",
    "data.records",
    "data.augment",
}


def module_of(path: str) -> str:
    name = path.removesuffix(".py").replace("/", ".")
    return name.removesuffix(".__init__")


def read_moves(text: str, existing: set[str]) -> tuple[dict[str, str], list[tuple[str, str, list[str]]]]:
    files, carves = {}, []
    for line in text.splitlines():
        if found := re.match(r"- from (\S+) to (\S+): (.+)", line):
            carves.append((found[1], found[2], [one.strip() for one in found[3].split(",")]))
        elif found := re.match(r"- (\S+) moves to (\S+)", line):
            files[found[1]] = found[2]
    return files, carves


def segment_lines(source: str, node: ast.stmt) -> tuple[int, int]:
    """First and last line (0-based, end exclusive) of a definition with its decorators and the comments above."""
    lines = source.splitlines()
    first = min([node.lineno, *[d.lineno for d in getattr(node, "decorator_list", [])]]) - 1
    while first and lines[first - 1].startswith("#"):
        first -= 1
    return first, node.end_lineno


def names_of(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return {node.target.id}
    return set()


def carve(origin: str, target: str, names: list[str], docs: dict[str, str], reexport: bool) -> None:
    """Move top-level definitions of `origin` into `target` (both old-style paths)."""
    source = Path(origin).read_text()
    tree = ast.parse(source)
    lines = source.splitlines(keepends=True)
    wanted, found, spans, imports_end = set(names), set(), [], 0
    defined: set[str] = set()
    import_text = []
    for node in tree.body:
        own = names_of(node)
        defined |= own
        if own & wanted:
            spans.append(segment_lines(source, node))
            found |= own
            moved_extra = own - wanted
            if moved_extra:
                print(f"carve: {origin}: also {moved_extra}")
        elif isinstance(node, (ast.Import, ast.ImportFrom)) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        ):
            import_text.append("".join(lines[node.lineno - 1 : node.end_lineno]))
            if not isinstance(node, ast.If):
                imports_end = node.end_lineno
    missing = wanted - found
    if missing:
        print(f"carve: {origin}: no {missing}")
    body, previous = "", None
    for a, b in spans:
        between = "".join(lines[previous:a]) if previous is not None else None
        body += (between if between is not None and not between.strip() else "\n\n") + "".join(lines[a:b])
        previous = b
    used = {n.id for n in ast.walk(ast.parse(body)) if isinstance(n, ast.Name)}
    back = sorted((used & defined) - found)
    header = "".join(import_text)
    path = Path(target)
    if back:
        at = max(i for i, text in enumerate(import_text) if not text.startswith("if "))
        import_text.insert(at + 1, f"from {module_of(origin)} import {', '.join(back)}\n")
        header = "".join(import_text)
        print(f"carve: {target} needs {back} of {origin}")
    if path.exists():
        old = path.read_text()
        t = ast.parse(old)
        last = max([n.end_lineno for n in t.body if isinstance(n, (ast.Import, ast.ImportFrom))] or [0])
        old_lines = old.splitlines(keepends=True)
        extra = header.replace("from __future__ import annotations\n", "")
        path.write_text("".join(old_lines[:last]) + extra + "".join(old_lines[last:]) + body)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'"""{docs[target]}"""\n\n{header}\n{body}')
    keep = [True] * len(lines)
    for a, b in spans:
        for i in range(a, b):
            keep[i] = False
    rest = [line for line, k in zip(lines, keep, strict=True) if k]
    rest_source = "".join(rest)
    rest_used = {n.id for n in ast.walk(ast.parse(rest_source)) if isinstance(n, ast.Name)}
    needed = sorted(found if reexport and not found <= rest_used else rest_used & found)
    if reexport:
        needed = sorted((rest_used & found) | (found & {"Config", "Policy"}))
    if needed:
        alias = [f"{n} as {n}" if reexport and n in ("Config", "Policy") else n for n in needed]
        rest.insert(imports_end, f"from {module_of(target)} import {', '.join(alias)}\n")
    Path(origin).write_text("".join(rest))
    subprocess.run(["git", "add", "-N", target], check=True)
    subprocess.run([".venv/bin/ruff", "check", "-q", "--fix", "--select", "F401,I", target, origin], check=False)
    subprocess.run([".venv/bin/ruff", "format", "-q", target, origin], check=False)


class Scope:
    def __init__(self, parent: Scope | None, is_class: bool) -> None:
        self.parent, self.is_class = parent, is_class
        self.bound: dict[str, object] = {}
        self.loads: list[ast.Name] = []


class Resolver(ast.NodeVisitor):
    """Which binding each name refers to, as far as moved imports need it."""

    def __init__(self) -> None:
        self.scope = Scope(None, False)
        self.scopes = [self.scope]
        self.global_scope = self.scope

    def bind(self, name: str, what: object) -> None:
        self.scope.bound.setdefault(name, what)

    def enter(self, is_class: bool = False) -> Scope:
        self.scope = Scope(self.scope, is_class)
        self.scopes.append(self.scope)
        return self.scope

    def leave(self) -> None:
        self.scope = self.scope.parent

    def visit_Import(self, node):
        for alias in node.names:
            self.bind(alias.asname or alias.name.split(".")[0], (node, alias))

    def visit_ImportFrom(self, node):
        for alias in node.names:
            self.bind(alias.asname or alias.name, (node, alias))

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Load):
            self.scope.loads.append(node)
        else:
            self.bind(node.id, node)
            self.scope.loads.append(node)

    def function(self, node):
        for part in [*node.args.defaults, *[d for d in node.args.kw_defaults if d]]:
            self.visit(part)
        for d in getattr(node, "decorator_list", []):
            self.visit(d)
        if getattr(node, "returns", None):
            self.visit(node.returns)
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        arguments += [a for a in (node.args.vararg, node.args.kwarg) if a]
        for a in arguments:
            if a.annotation:
                self.visit(a.annotation)
        self.enter()
        for a in arguments:
            self.bind(a.arg, a)
        for part in node.body if isinstance(node.body, list) else [node.body]:
            self.visit(part)
        self.leave()

    def visit_FunctionDef(self, node):
        self.bind(node.name, node)
        self.function(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node):
        self.function(node)

    def visit_ClassDef(self, node):
        self.bind(node.name, node)
        for part in [*node.bases, *[k.value for k in node.keywords], *node.decorator_list]:
            self.visit(part)
        self.enter(is_class=True)
        for part in node.body:
            self.visit(part)
        self.leave()

    def comprehension(self, node):
        # The first iterable belongs to the enclosing scope.
        self.visit(node.generators[0].iter)
        self.enter()
        for i, g in enumerate(node.generators):
            self.visit(g.target)
            if i:
                self.visit(g.iter)
            for c in g.ifs:
                self.visit(c)
        for part in ("elt", "key", "value"):
            if hasattr(node, part):
                self.visit(getattr(node, part))
        self.leave()

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = comprehension

    def visit_ExceptHandler(self, node):
        if node.name:
            self.bind(node.name, node)
        self.generic_visit(node)

    def visit_MatchAs(self, node):
        if node.name:
            self.bind(node.name, node)
        self.generic_visit(node)

    def binding(self, scope: Scope, name: str):
        at, first = scope, True
        while at:
            if name in at.bound and (first or not at.is_class):
                return at.bound[name], at
            at, first = at.parent, False
        return None, None


class Move:
    def __init__(self, moves: str) -> None:
        tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split()
        self.sources = [p for p in tracked if p.split("/")[0] in TOPS]
        self.files, self.carves = read_moves(moves, set(self.sources))
        self.modules = {module_of(p) for p in self.sources if p.endswith(".py")}
        self.names: dict[tuple[str, str], str] = {}  # (old module, name) -> old-style target module

    def carve_all(self) -> None:
        docs = CARVE_DOCS
        for origin, target, names in self.carves:
            # A target that only gets its name by a move is filled under its new name.
            reexport = "/modalities/" in origin
            temporary = "carved__" + target.replace("/", "__")
            carve(origin, temporary, names, {temporary: docs.get(target, "TODO")}, reexport)
            self.files[temporary] = target
            self.modules.add(module_of(temporary))
            self.sources.append(temporary)
            for name in names:
                self.names[module_of(origin), name] = module_of(temporary)

    def new_module(self, old: str) -> str:
        """New dotted name of an old module."""
        path = old.replace(".", "/")
        for candidate in (f"{path}.py", f"{path}/__init__.py"):
            if candidate in self.files:
                return f"{NAMESPACE}.{module_of(self.files[candidate])}"
        return f"{NAMESPACE}.{PACKAGES.get(old, old)}"

    def rewrite(self, path: str) -> None:
        source = Path(path).read_text()
        tree = ast.parse(source)
        resolver = Resolver()
        resolver.visit(tree)
        used_names = {n for s in resolver.scopes for n in s.bound} | {n.id for s in resolver.scopes for n in s.loads}
        renames: dict[int, tuple[str, str]] = {}  # id(alias) -> (old local, new local)
        attribute_carves: dict[int, dict[str, str]] = {}
        edits: list[tuple[int, int, int, int, str]] = []
        statements: dict[int, list[str]] = {}
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.ImportFrom)
                and not node.level
                and node.module
                and (node.module.split(".")[0] in TOPS or node.module.startswith("carved__"))
            ):
                lines: dict[str, list[str]] = defaultdict(list)
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    if full in self.modules:
                        new = self.new_module(full)
                        package, last = new.rsplit(".", 1)
                        old_local = alias.asname or alias.name
                        if alias.asname or last == alias.name:
                            local = old_local
                        elif last in GENERIC:
                            local = old_local
                        elif last in used_names:
                            local = f"{package.rsplit('.', 1)[1]}_{last}"
                            print(f"conflict: {path}:{node.lineno}: {last} -> {local}")
                            if local in used_names:
                                local = old_local
                        else:
                            local = last
                        used_names.add(local)
                        renames[id(alias)] = (old_local, local)
                        attribute_carves[id(alias)] = {
                            name: target
                            for (m, name), target in self.names.items()
                            if m == full and "modalities" not in m
                        }
                        lines[package].append(last if last == local else f"{last} as {local}")
                    else:
                        target = self.names.get((node.module, alias.name), node.module)
                        text = alias.name + (f" as {alias.asname}" if alias.asname else "")
                        lines[self.new_module(target)].append(text)
                indent = " " * node.col_offset
                out = [f"from {m} import {', '.join(n)}" for m, n in lines.items()]
                statements[id(node)] = out
                edits.append(
                    (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset, f"\n{indent}".join(out))
                )
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.split(".")[0] in TOPS:
                        print(f"by hand: {path}:{node.lineno}: {ast.unparse(node)}")
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                self.string(path, source, node, edits)
        # Uses.
        extra: dict[str, set[str]] = defaultdict(set)  # module -> names imported because of carved attributes
        parents = {id(child): parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
        for scope in resolver.scopes:
            for name in scope.loads:
                what, _ = resolver.binding(scope, name.id)
                if not isinstance(what, tuple) or id(what[1]) not in renames:
                    continue
                alias = what[1]
                old_local, local = renames[id(alias)]
                parent = parents.get(id(name))
                carved = attribute_carves[id(alias)]
                if isinstance(parent, ast.Attribute) and parent.attr in carved:
                    target = self.new_module(carved[parent.attr])
                    package, last = target.rsplit(".", 1)
                    if parent.attr not in used_names:
                        extra[target].add(parent.attr)
                        edits.append(
                            (name.lineno, name.col_offset, parent.end_lineno, parent.end_col_offset, parent.attr)
                        )
                    else:
                        use = last if last not in used_names else f"{package.rsplit('.', 1)[1]}_{last}"
                        if use != last:
                            print(f"conflict: {path}:{name.lineno}: {name.id}.{parent.attr}: {use}")
                        extra[package].add(last if use == last else f"{last} as {use}")
                        edits.append((name.lineno, name.col_offset, name.end_lineno, name.end_col_offset, use))
                elif local != old_local:
                    edits.append((name.lineno, name.col_offset, name.end_lineno, name.end_col_offset, local))
        raw = [line.encode() for line in source.splitlines(keepends=True)]
        for l1, c1, l2, c2, text in sorted(set(edits), reverse=True):
            head, tail = raw[l1 - 1][:c1], raw[l2 - 1][c2:]
            raw[l1 - 1 : l2] = [head + text.encode() + tail]
        result = b"".join(raw).decode()
        if extra:
            add = "".join(f"from {m} import {', '.join(sorted(n))}\n" for m, n in extra.items())
            marker = "from __future__ import annotations\n"
            at = result.find(marker)
            if at >= 0:
                result = result[: at + len(marker)] + add + result[at + len(marker) :]
            else:
                print(f"by hand: {path}: needs {add}")
        Path(path).write_text(result)

    def string(self, path: str, source: str, node: ast.Constant, edits: list) -> None:
        text = node.value
        if not re.fullmatch(r"(pipeline|components|data)(\.\w+)+(:\w+)?", text):
            return
        known = text.split(":")[0]
        rest = text[len(known) :]
        while known and known not in self.modules and known not in PACKAGES:
            known, _, last = known.rpartition(".")
            rest = f".{last}{rest}"
        if not known or "." not in known:
            return
        if known in AMBIGUOUS and not path.endswith(("plugins.py",)) and known not in FORCE:
            print(f"ambiguous string: {path}:{node.lineno}: {text!r}")
            return
        segment = ast.get_source_segment(source, node)
        if segment is None or text not in segment:
            print(f"by hand string: {path}:{node.lineno}: {text!r}")
            return
        edits.append(
            (
                node.lineno,
                node.col_offset,
                node.end_lineno,
                node.end_col_offset,
                segment.replace(text, self.new_module(known) + rest),
            )
        )

    def run(self) -> None:
        self.carve_all()
        everything = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split()
        for path in everything:
            if path.endswith(".py") and not path.startswith("carved__") and Path(path).exists():
                self.rewrite(path)
        for path in [p for p in self.sources if p.startswith("carved__")]:
            self.rewrite(path)
        for old, new in self.files.items():
            if not Path(old).exists():
                print(f"missing: {old}")
                continue
            Path(new).parent.mkdir(parents=True, exist_ok=True)
            if Path(new).exists():
                # Carved definitions join a file that has been moved or stands there.
                print(f"exists: {new} (from {old})")
                first = Path(new).read_text()
                Path(new).write_text(first + "\n\n# CARVED\n" + Path(old).read_text())
                subprocess.run(["git", "rm", "-qf", "--cached", old], check=True)
                Path(old).unlink()
            else:
                subprocess.run(["git", "mv", "-f", old, new], check=True)
        self.texts()

    def texts(self) -> None:
        """Paths of moved files in docs, comments and strings."""
        paths = {o: n for o, n in self.files.items() if not o.startswith("carved__")} | FOLDERS
        dotted = {module_of(o): self.new_module(module_of(o)) for o in self.files if o.endswith(".py")}
        pattern = re.compile(
            "|".join(rf"(?<![\w/.]){re.escape(o)}(?![\w])" for o in sorted(paths, key=len, reverse=True))
        )
        plain = sorted(
            (m for m in self.modules | set(PACKAGES) if "." in m and not (m.startswith("data.") and m.count(".") == 1)),
            key=len,
            reverse=True,
        )
        dots = re.compile("|".join(rf"(?<![\w./`\"' ]\.)(?<![\w./]){re.escape(m)}(?!\w)" for m in plain))
        everything = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split()
        for path in everything:
            p = Path(path)
            if path in ("CHANGELOG.md", "requirements.lock", "LICENSE") or not p.exists():
                continue
            if p.suffix not in (".py", ".md", ".toml", ".yaml", ".yml", ".html", ".sh", ""):
                continue
            try:
                text = p.read_text()
            except UnicodeDecodeError:
                continue
            new = pattern.sub(lambda m: paths[m[0]], text)
            new = re.sub(r"\bfrom ((?:pipeline|components|data)(?:\.\w+)*) import ([\w, ]+)", self.text_import, new)
            new = dots.sub(lambda m: self.new_module(m[0]), new)
            new = new.replace('"-m", "pipeline"', '"-m", "modelmill"').replace(
                "python -m pipeline", "python -m modelmill"
            )
            if new != text:
                p.write_text(new)

    def text_import(self, found: re.Match) -> str:
        """An import in a text, such as a program in a string."""
        out = defaultdict(list)
        for name in [n.strip() for n in found[2].split(",")]:
            word, _, alias = name.partition(" as ")
            full = f"{found[1]}.{word}"
            if full in self.modules:
                package, last = self.new_module(full).rsplit(".", 1)
                alias = alias or (word if last != word else "")
                out[package].append(last + (f" as {alias}" if alias else ""))
            else:
                out[self.new_module(self.names.get((found[1], word), found[1]))].append(name)
        if len(out) > 1:
            print(f"by hand: {found[0]}")
        return "; ".join(f"from {m} import {', '.join(n)}" for m, n in out.items())


CARVE_DOCS: dict[str, str] = {}
PACKAGES: dict[str, str] = {}
FOLDERS: dict[str, str] = {}
FORCE: set[str] = set()

if __name__ == "__main__":
    from tables import CARVE_DOCS, FOLDERS, FORCE, PACKAGES  # noqa: F811

    Move(Path(sys.argv[1]).read_text()).run()
