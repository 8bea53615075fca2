//! The measured programs: the product's deployed binary, and the same transition in other languages. All of them are
//! built here, from the pinned versions in `peers/`; without them the benchmark fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;
use crate::process::Program;
use crate::project::{ROOT, temporary};

/// The three programs.
#[derive(Debug)]
pub struct Contestants {
    /// The product.
    pub ours: Program,
    /// boto3 and Powertools on Lambda's own runtime client.
    pub python: Program,
    /// The SDK v3 in a bundle by esbuild.
    pub node: Program,
}

impl Contestants {
    /// Builds all three.
    pub fn build() -> Result<Self, Failure> {
        Ok(Self { ours: ours()?, python: python()?, node: node()? })
    }

    /// All three programs, the product first.
    pub fn all(&self) -> [&Program; 3] {
        [&self.ours, &self.python, &self.node]
    }
}

/// The product's binary as it is deployed.
fn ours() -> Result<Program, Failure> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "-p", "arcadia-functions", "--bin", "bootstrap"]);
    // Cargo sets these for a program that it runs. The TLS library's build script would see a change and rebuild
    // everything that depends on it, now and in the next build outside.
    for name in
        ["MANIFEST_DIR", "PKG_NAME", "PKG_VERSION_MAJOR", "PKG_VERSION_MINOR", "PKG_VERSION_PATCH", "PKG_VERSION_PRE"]
    {
        cargo.env_remove(format!("CARGO_{name}"));
    }
    run(cargo.current_dir(ROOT).env("CARGO_TARGET_DIR", format!("{ROOT}/target")))?;
    let folder = folder("ours")?;
    fs::copy(format!("{ROOT}/target/release/bootstrap"), folder.join("bootstrap"))?;
    let command = vec![folder.join("bootstrap").display().to_string()];
    Ok(Program { name: "ours", command, folder, handler: "transition_deployment" })
}

/// The size of a function's zip in bytes, made with the same tool as `sam package` uses.
pub fn zip_size(program: &Program) -> Result<u64, Failure> {
    let zip = program.folder.join("bootstrap.zip");
    run(Command::new("python3").args(["-m", "zipfile", "-c"]).arg(&zip).arg(program.folder.join("bootstrap")))?;
    Ok(fs::metadata(zip)?.len())
}

/// The packages are beside the handler, as `sam build` places them, and precompiled, as Lambda's own are.
fn python() -> Result<Program, Failure> {
    let sources = peer("python");
    let folder = folder("python")?;
    if !is_installed(&folder, &sources.join("requirements.txt"))? {
        let tools = temporary().join("peers/python-tools");
        run(Command::new("python3").args(["-m", "venv"]).arg(&tools))?;
        let mut pip = Command::new(tools.join("bin/pip"));
        pip.args(["install", "--quiet", "--upgrade", "--no-deps", "--compile", "--target"]).arg(&folder);
        run(pip.arg("--requirement").arg(sources.join("requirements.txt")))?;
        note_installed(&folder, &sources.join("requirements.txt"))?;
    }
    fs::copy(sources.join("handler.py"), folder.join("handler.py"))?;
    run(Command::new("python3").args(["-m", "compileall", "-q"]).arg(folder.join("handler.py")))?;
    let python = output(Command::new("python3").args(["-c", "import sys; print(sys.executable)"]))?;
    let command = [&python, "-m", "awslambdaric", "handler.handler"].map(str::to_owned).into();
    Ok(Program { name: "Python", command, folder, handler: "handler.handler" })
}

fn node() -> Result<Program, Failure> {
    let sources = peer("node");
    let folder = folder("node")?;
    for name in ["package.json", "package-lock.json", "handler.mjs", "runtime.mjs"] {
        fs::copy(sources.join(name), folder.join(name))?;
    }
    if !is_installed(&folder, &sources.join("package-lock.json"))? {
        let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        run(Command::new("npm").args(arguments).current_dir(&folder))?;
        note_installed(&folder, &sources.join("package-lock.json"))?;
    }
    run(Command::new("npm").args(["run", "--silent", "build"]).current_dir(&folder))?;
    let node = output(Command::new("node").args(["-p", "process.execPath"]))?;
    let command = [&node, "dist/index.cjs"].map(str::to_owned).into();
    Ok(Program { name: "Node", command, folder, handler: "index.handler" })
}

/// The directory of a peer's sources.
fn peer(name: &str) -> PathBuf {
    Path::new(ROOT).join("tests/bench/peers").join(name)
}

/// The directory that a contestant is built in.
fn folder(name: &str) -> Result<PathBuf, Failure> {
    let folder = temporary().join("peers").join(name);
    fs::create_dir_all(&folder)?;
    Ok(fs::canonicalize(folder)?)
}

/// Returns whether an earlier run has installed the packages of a manifest.
fn is_installed(folder: &Path, manifest: &Path) -> Result<bool, Failure> {
    Ok(fs::read(manifest)? == fs::read(folder.join("installed")).unwrap_or_default())
}

fn note_installed(folder: &Path, manifest: &Path) -> Result<(), Failure> {
    fs::copy(manifest, folder.join("installed"))?;
    Ok(())
}

fn run(command: &mut Command) -> Result<(), Failure> {
    output(command).map(drop)
}

/// The output of a command, without the final line break. A failure contains everything that it printed.
pub fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}\n{stdout}{stderr}", output.status).into());
    }
    Ok(stdout.trim().to_owned())
}
