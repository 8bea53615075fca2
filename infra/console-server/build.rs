//! Makes the table of files that `src/files.rs` includes: whatever of `infra/console` a browser loads, as it is and
//! compressed, with a digest. A function that starts then has nothing left to compute.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../console");
/// What a browser loads. Declarations of types, such as `shapes.d.ts`, are not among it.
const SERVED: [&str; 3] = ["css", "html", "js"];
/// How much of a digest tells one version of a file from another, in bytes.
const TAG_LEN: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={SOURCE}");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let mut names = Vec::new();
    collect(Path::new(SOURCE), "", &mut names)?;
    names.sort();
    let mut table = "&[\n".to_owned();
    for (index, name) in names.iter().enumerate() {
        let plain = fs::canonicalize(Path::new(SOURCE).join(name))?;
        let compressed = out.join(format!("{index}.gz"));
        let content = fs::read(&plain)?;
        fs::write(&compressed, gzip(&content)?)?;
        let tag = tag(&content)?;
        writeln!(
            table,
            "File {{ name: {name:?}, tag: {tag:?}, plain: include_bytes!({plain:?}), gzip: include_bytes!({compressed:?}) }},"
        )?;
    }
    table.push(']');
    fs::write(out.join("files.rs"), table)?;
    Ok(())
}

/// The names of the files to serve in a folder, each with the path `below` in front of it.
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

/// A weak entity tag: both encodings of a file have the same.
fn tag(content: &[u8]) -> Result<String, Box<dyn Error>> {
    let digest = Sha256::digest(content);
    let mut tag = "W/\"".to_owned();
    for byte in digest.iter().take(TAG_LEN) {
        write!(tag, "{byte:02x}")?;
    }
    tag.push('"');
    Ok(tag)
}
