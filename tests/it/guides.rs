//! The promise: every command in README and the guides works as written. Blocks of `sh` are run, file by file, each in
//! a folder of its own beside a program of its own. A comment such as `# 201` is the expected status of the call before
//! it. Blocks that need more than this machine, such as an AWS account, are marked and only read.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::harness::programs::program;
use crate::harness::project::{ROOT, temporary};
use crate::harness::world::{START, STARTS};
use crate::harness::{insist_on, unique, yaml};

/// The beginning of the mark of a block that cannot be run here.
const NEEDS: &str = "<!-- needs ";

/// The shell functions that a guide's commands use: `cargo run` is the program that is already built, on a free port;
/// any other cargo target must exist; the status of every HTTP call is recorded.
const PRELUDE: &str = r#"
set -uo pipefail
trap 'kill $(jobs -p) 2>/dev/null' EXIT
start() {
    [[ "$*" == *--clock* ]] || set -- "$@" --clock "$START"
    "$PROGRAM" "$@" --port 0 >server.out 2>server.err &
    for _ in $(seq 600); do
        if grep -q '^export TENANT_TOKEN' server.out; then
            eval "$(grep '^export' server.out)"
            export ARCADIA_URL="${ARCADIA%/api/v1}" API_URL="${ARCADIA%/api/v1}" TOKEN="$TENANT_TOKEN"
            return 0
        fi
        sleep 0.1
    done
    cat server.err; return 1
}
cargo() {
    case "$*" in
        "run" | "run -- up"*) shift; if (($# > 1)); then shift; fi; start "${@:-up}" ;;
        "run -- "*) shift 2; "$PROGRAM" "$@" ;;
        "run --quiet -- "*) shift 3; "$PROGRAM" "$@" ;;
        "test --workspace") true ;;
        "test -p arcadia-tests --test it "*) (($("$TESTS" --list "${@:6:1}" | grep -c ': test$') > 0)) ;;
        "test -p "*) [[ -f $ROOT/Cargo.toml ]] && grep -rqs "^name = \"$3\"" "$ROOT"/{,shared/,infra/}*/Cargo.toml ;;
        *) echo "a cargo command that this test does not know: $*"; return 1 ;;
    esac
}
bash() { [[ -x $ROOT/$1 ]]; }
curl() {
    local answer
    answer=$(command curl -w '\n%{http_code}' "$@") || return
    printf '%s' "${answer##*$'\n'}" >status
    printf '%s\n' "${answer%$'\n'*}"
}
check() {
    local ended=$? status
    status=$(cat status 2>/dev/null); : >status
    if [[ -n $1 && $status != "$1" ]] || [[ -z $1 && ${status:-0} -ge 400 ]] || ((ended != 0)); then
        echo "FAILED (exit $ended, status ${status:-none}): $2"
        exit 1
    fi
}
"#;

/// A block of commands.
struct Block {
    line: usize,
    needs_more: bool,
    text: String,
}

/// README and every guide.
fn guides() -> Vec<PathBuf> {
    let folders = [ROOT.to_owned(), format!("{ROOT}/docs"), format!("{ROOT}/fuzz")];
    let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a folder of the project").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    files
}

/// The blocks of `sh` in a guide.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    let mut marked = false;
    for (index, line) in text.lines().enumerate() {
        match (&mut open, line.trim()) {
            (None, "```sh") => open = Some(Block { line: index + 1, needs_more: marked, text: String::new() }),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some(block), _) => writeln!(block.text, "{line}").expect("a string"),
            (None, line) if !line.is_empty() => marked = line.starts_with(NEEDS),
            (None, _) => {}
        }
    }
    blocks
}

/// A block with a check after each of its commands.
fn checked(block: &Block) -> String {
    let mut script = String::new();
    let lines = block.text.replace("\\\n", " ");
    for line in lines.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
        let comment = line.rsplit_once("# ").map_or("", |(_, comment)| comment);
        let status = comment.split(|c: char| !c.is_ascii_digit()).next().filter(|digits| digits.len() == 3);
        let status = status.unwrap_or_default();
        let quoted = line.replace('\'', "'\\''");
        writeln!(script, "{line}\ncheck '{status}' '{quoted}'").expect("a string");
    }
    script
}

/// Runs a script, in which the product's programs begin at `start`; what it printed, if it failed.
fn run(script: &str, start: &str) -> Result<(), String> {
    insist_on("curl");
    let folder = temporary().join(unique());
    fs::create_dir(&folder).expect("a folder for a guide");
    // Guides assume a clone of the project.
    symlink(format!("{ROOT}/template.yaml"), folder.join("template.yaml")).expect("a file of the project");
    let tests = std::env::current_exe().expect("the path of these tests");
    let mut command = Command::new("bash");
    command.args(["-c", script]).current_dir(&folder).stdin(Stdio::null());
    command.env("PROGRAM", program()).env("TESTS", tests).env("ROOT", ROOT).env("START", start);
    let output = command.output().expect("bash");
    fs::remove_dir_all(&folder).expect("the folder can be removed");
    let printed = [&output.stdout[..], &output.stderr[..]].concat();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&printed).into_owned()) }
}

#[test]
fn every_command_of_the_guides_works() {
    let mut run_blocks = 0;
    for guide in guides() {
        let text = fs::read_to_string(&guide).expect("a guide");
        let blocks: Vec<Block> = blocks(&text).into_iter().filter(|block| !block.needs_more).collect();
        // A guide without a start of its own assumes a running program.
        let starts = blocks.iter().any(|block| block.text.contains("cargo run"));
        let first = if starts || blocks.is_empty() { "" } else { "cargo run\n" };
        let commands: String = blocks.iter().map(checked).collect();
        run_blocks += blocks.len();
        // A guide that subscribes is also followed on unusual dates.
        let starts = if text.contains("/subscribe") { &STARTS[..] } else { &STARTS[..1] };
        for start in starts {
            if let Err(printed) = run(&format!("{PRELUDE}\n{first}{commands}"), start) {
                panic!("{}, from {start} on:\n{printed}", guide.display());
            }
        }
    }
    assert!(run_blocks >= 3, "{run_blocks} blocks were found");
}

#[test]
fn commands_that_cannot_run_here_are_well_formed_and_name_existing_things() {
    let templates = ["template.yaml", "infra/aws/cognito.yaml"].map(yaml::read);
    let settings = fs::read_to_string(format!("{ROOT}/samconfig.toml")).expect("samconfig.toml");
    for guide in guides() {
        let text = fs::read_to_string(&guide).expect("a guide");
        for block in blocks(&text).into_iter().filter(|block| block.needs_more) {
            let place = format!("{}:{}", guide.display(), block.line);
            let script = format!("set -n\n{}", block.text);
            run(&script, START).unwrap_or_else(|printed| panic!("{place}: {printed}"));
            let words: Vec<&str> = block.text.split_whitespace().collect();
            for pair in words.windows(2) {
                if pair[0] == "--config-env" {
                    assert!(settings.contains(&format!("[{}.", pair[1])), "{place}: no environment {}", pair[1]);
                }
            }
            let parameters = words.iter().filter_map(|word| word.split_once('=')).map(|(name, _)| name);
            for name in
                parameters.filter(|name| name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase))
            {
                let is_parameter = templates.iter().any(|template| !template["Parameters"][name].is_null());
                assert!(is_parameter, "{place}: no parameter {name}");
            }
        }
    }
}
