"""What the documents tell a reader to type and to set, taken out of them.

A command is looked for in fenced code, in code spans, in comments of YAML files and in the notes of the chart; a name of
a value only where it has dots and is a code span.
"""
import pathlib
import re
import shlex

# How the documents call the program: RUNBOOK.md has an alias for it.
PROGRAM = {"keyrewind", "/usr/bin/keyrewind", "kr"}
FENCE = re.compile(r"^ *```.*?\n(.*?)^ *```", re.M | re.S)
SPAN = re.compile(r"`([^`]+)`")


def text_of(path):
    """The text of a document; of a YAML file its comments, since the rest is no prose."""
    text = pathlib.Path(path).read_text()
    if path.suffix == ".yaml":
        return "\n".join(line.lstrip("# ") for line in text.splitlines() if line.lstrip().startswith("#"))
    return text


def code_of(text):
    """Every line of fenced code, and every code span, as it would be typed."""
    without = FENCE.sub("", text)
    for block in FENCE.findall(text):
        yield from re.sub(r"\\\n\s*", " ", block).splitlines()
    for span in SPAN.findall(without):
        yield re.sub(r"\s+", " ", span)


def words_of(line):
    """The words of a line as a shell sees them; none of a line that is no shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:
        return []
    comment = next((index for index, word in enumerate(words) if word.startswith("#")), len(words))
    return words[:comment]


def commands_in(line):
    """The arguments of each call of the program on a line."""
    words = words_of(line.strip().removeprefix("$ ").removeprefix("…").strip())
    for begin, word in enumerate(words):
        first = begin == 0 or words[begin - 1] in ("&&", "||", "|", ";", "--", "…") or words[0] == "sudo"
        if word not in PROGRAM or not first:
            continue
        end = next((index for index in range(begin + 1, len(words)) if re.fullmatch(r"[|&;<>()]+", words[index])),
                   len(words))
        arguments = words[begin + 1:end]
        if arguments:
            yield arguments


def commands_of(path):
    """All calls of the program that a document shows, as lists of arguments."""
    text = text_of(path)
    lines = list(code_of(text))
    if path.suffix in (".yaml", ".txt"):
        lines += text.splitlines()
    found = [arguments for line in lines for arguments in commands_in(line)]
    # The table of commands in the README, which has the program's name in its title.
    _, _, table = text.partition("| command | does |")
    for row in re.findall(r"(?m)^\| (`.+`) \|", table.partition("\n\n")[0]):
        for cell in SPAN.findall(row):
            found += calls_of_cell(cell) if cell[0] != "-" else []
    return found


def calls_of_cell(cell):
    """`schedule pause\\|run NAME [--label k=v]` as arguments, one list for each choice."""
    words = cell.replace(r"\|--", " --").translate(str.maketrans("[]…", "   ")).split()
    choices = [word.split(r"\|") for word in words]
    most = max(len(choice) for choice in choices)
    return [[choice[min(number, len(choice) - 1)] for choice in choices] for number in range(most)]


def helm_values_of(path):
    """The arguments about values of each command that installs our chart."""
    for line in {*code_of(text_of(path)), *text_of(path).splitlines()}:
        words = words_of(line)
        if words[:1] == ["helm"] and "helm/keyrewind" in words:
            yield words[words.index("helm/keyrewind") + 1:]


def containers_of_kubectl(path):
    """The containers that a document's calls of kubectl name."""
    for line in code_of(text_of(path)):
        words = words_of(line)
        if "kubectl" in line and "-c" in words[:-1]:
            yield words[words.index("-c") + 1]
        elif "alias" in words:
            yield from re.findall(r"kubectl exec \S+ -c (\S+)", line)


def variables_of(path):
    """The environment variables of the program's that a document names, as names of the configuration."""
    for name in re.findall(r"\bKEYREWIND_([A-Z0-9]+(?:_[A-Z0-9]+)*)\b", path.read_text()):
        yield name.lower().replace("__", ".")


def dotted_names_of(path):
    """Names of values, such as `restore.onStart.ordinals`, with what is behind a colon left out."""
    for span in SPAN.findall(FENCE.sub("", text_of(path))):
        name = re.split(r"[:=\s]", span.strip())[0]
        if re.fullmatch(r"[a-zA-Z][\w]*(\.[a-zA-Z_][\w]*)+", name) and not name.endswith((".yaml", ".rdb")):
            yield name


def has_name(schema, name):
    """Whether a JSON schema has the property, or lets any be there."""
    for step in name.split("."):
        if step not in schema.get("properties", {}):
            return schema.get("additionalProperties", True) is not False and not schema.get("properties")
        schema = schema["properties"][step]
    return True
