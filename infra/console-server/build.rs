//! Generates the table of files that `src/files.rs` includes: the files of `infra/console` for browsers, plain and
//! compressed. A starting function then has nothing left to compute.
//!
//! All files except the page are in a folder named after a digest of all of them. Modules import each other by relative
//! paths, so only the page contains the folder's name, and browsers can cache the files permanently.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../console");
/// Extensions of the files for browsers. Type declarations, such as `shapes.d.ts`, are not served.
const SERVED: [&str; 3] = ["css", "html", "js"];
/// The page. Its path does not change, and it contains the folder's name.
const PAGE: &str = "index.html";
/// Placeholder for the folder's name in the page.
const FOLDER: &str = "{digest}";
/// Length of a digest, in bytes.
const DIGEST_LEN: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={SOURCE}");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let mut names = Vec::new();
    collect(Path::new(SOURCE), "", &mut names)?;
    names.sort();
    let mut files = Vec::new();
    for name in names {
        files.push((fs::read(Path::new(SOURCE).join(&name))?, name));
    }
    let folder = digest_of_all(&files)?;
    let mut table = "&[\n".to_owned();
    for (index, (content, name)) in files.into_iter().enumerate() {
        let (name, content) = if name == PAGE {
            (name, String::from_utf8(content)?.replace(FOLDER, &folder).into_bytes())
        } else {
            (format!("{folder}/{name}"), content)
        };
        let (plain, compressed) = (out.join(format!("{index}.txt")), out.join(format!("{index}.gz")));
        fs::write(&plain, &content)?;
        fs::write(&compressed, gzip(&content)?)?;
        let tag = format!("W/\"{}\"", digest(Sha256::new_with_prefix(&content))?);
        writeln!(
            table,
            "File {{ name: {name:?}, tag: {tag:?}, plain: include_bytes!({plain:?}), gzip: include_bytes!({compressed:?}) }},"
        )?;
    }
    table.push(']');
    fs::write(out.join("files.rs"), table)?;
    Ok(())
}

/// Collects the names of the files to serve in a folder, each prefixed with `below`.
fn collect(folder: &Path, below: &str, names: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let file = path.file_name().and_then(|name| name.to_str()).ok_or("a file's name is text")?;
        let name = format!("{below}{file}");
        if path.is_dir() {
            collect(&path, &format!("{name}/"), names)?;
        } else if path.extension().is_some_and(|end| SERVED.iter().any(|served| end == *served)) {
            names.push(name);
        }
    }
    Ok(())
}

fn gzip(content: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}

/// Digest of the files' names and contents. It does not depend on the place or time of the build.
fn digest_of_all(files: &[(Vec<u8>, String)]) -> Result<String, Box<dyn Error>> {
    let mut hash = Sha256::new();
    for (content, name) in files {
        hash.update(format!("{name} {}\n", content.len()));
        hash.update(content);
    }
    digest(hash)
}

fn digest(hash: Sha256) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    for byte in hash.finalize().iter().take(DIGEST_LEN) {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}
