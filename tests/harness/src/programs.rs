//! The binaries of the workspace.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use super::project::ROOT;

/// The path of the program.
pub fn program() -> &'static Path {
    built("arcadia")
}

/// The path of the binary of every function but the console.
pub fn bootstrap() -> &'static Path {
    built("bootstrap")
}

/// The path of the console's binary.
pub fn console() -> &'static Path {
    built("console")
}

/// Builds the programs, once. Packages and targets are those of the tests' own build; otherwise cargo would choose
/// other features for the same dependencies and compile them again.
fn built(name: &str) -> &'static Path {
    static PROGRAMS: OnceLock<Vec<Value>> = OnceLock::new();
    let programs = PROGRAMS.get_or_init(|| {
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--workspace", "--tests", "--bins", "--message-format", "json"]);
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        if cfg!(feature = "traces") {
            command.args(["--features", "arcadia-tests/traces"]);
        }
        // Cargo sets these for a test. The TLS library's build script would see a change and rebuild everything that
        // depends on it, now and in the next build outside.
        for name in [
            "MANIFEST_DIR",
            "PKG_NAME",
            "PKG_VERSION_MAJOR",
            "PKG_VERSION_MINOR",
            "PKG_VERSION_PATCH",
            "PKG_VERSION_PRE",
        ] {
            command.env_remove(format!("CARGO_{name}"));
        }
        let output = command.current_dir(ROOT).output().expect("cargo");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = String::from_utf8(output.stdout).expect("text");
        let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        // The program's unit tests have the same name.
        messages.filter(|m| m["executable"].is_string() && m["profile"]["test"] == false).collect()
    });
    let program = programs.iter().find(|message| message["target"]["name"] == name);
    Path::new(program.and_then(|message| message["executable"].as_str()).expect("cargo says where the program is"))
}
