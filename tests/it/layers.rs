//! The promise: each package depends only on the packages that it may, and no modules of a package use each other in a
//! cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use regex_lite::Regex;

use crate::harness::project::ROOT;

/// A module's place in its package: the names of the modules above it and its own.
type Place = Vec<String>;

/// Modules that exist for tests only.
const TESTS: [&str; 4] = ["tests", "cases", "fixtures", "clock_tests"];

/// The modules of a package with their source, without comments and without the tests at its end.
fn modules(folder: &Path, place: &Place, found: &mut BTreeMap<Place, String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        if TESTS.contains(&name.as_str()) {
            continue;
        }
        let inner = || place.iter().cloned().chain([name.clone()]).collect::<Place>();
        if path.is_dir() {
            modules(&path, &inner(), found);
        } else if path.extension().is_some_and(|end| end == "rs") && name != "main" {
            let text = fs::read_to_string(&path).expect("a file");
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
            let place = if ["lib", "mod"].contains(&name.as_str()) { place.clone() } else { inner() };
            found.insert(place, code.join("\n"));
        }
    }
}

/// The paths of a `use`, with its braces expanded.
fn paths(tree: &str) -> Vec<String> {
    let Some((before, rest)) = tree.split_once('{') else { return vec![tree.trim().to_owned()] };
    let (mut depth, mut part, mut parts) = (0, String::new(), Vec::new());
    for c in rest.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    parts.push(part);
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| paths(part.trim())).map(|path| format!("{}{path}", before.trim())).collect()
}

struct Package {
    modules: BTreeMap<Place, String>,
    /// The items of other modules that a module re-exports under its own name.
    offered: BTreeMap<(Place, String), Vec<String>>,
}

impl Package {
    fn read(folder: &str) -> Self {
        let mut found = BTreeMap::new();
        modules(Path::new(&format!("{ROOT}/{folder}/src")), &Vec::new(), &mut found);
        let offers = Regex::new(r"pub(?:\([^)]*\))? use ([^;]*);").expect("an expression");
        let mut offered = BTreeMap::new();
        for (place, text) in &found {
            for path in offers.captures_iter(text).flat_map(|use_| paths(&use_[1])) {
                let parts: Vec<String> = path.split("::").map(|part| part.trim().to_owned()).collect();
                let name = parts.last().expect("a name").clone();
                offered.insert((place.clone(), name), parts);
            }
        }
        Self { modules: found, offered }
    }

    /// The module that a path leads to from a place.
    fn resolve(&self, from: &Place, path: &[String], depth: usize) -> Place {
        let mut place = from.clone();
        for part in path {
            let inner: Place = place.iter().cloned().chain([part.clone()]).collect();
            match part.as_str() {
                "crate" => place.clear(),
                "self" => {}
                "super" => _ = place.pop(),
                _ if self.modules.contains_key(&inner) => place = inner,
                _ => match self.offered.get(&(place.clone(), part.clone())).filter(|_| depth < 5) {
                    Some(path) => return self.resolve(&place, path, depth + 1),
                    None => return place,
                },
            }
        }
        place
    }

    /// Which modules of a folder use which of its others, from anywhere below them.
    fn uses(&self) -> BTreeMap<Place, BTreeMap<String, BTreeSet<String>>> {
        let imports = Regex::new(r"\buse ([^;]*);").expect("an expression");
        let inline = Regex::new(r"\b[a-z_]+(?:::\w+)+").expect("an expression");
        let mut uses: BTreeMap<Place, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for (place, text) in &self.modules {
            let imported = imports.captures_iter(text).flat_map(|use_| paths(&use_[1])).collect::<Vec<_>>();
            let body = imports.replace_all(text, "");
            let named = inline.find_iter(&body).map(|found| found.as_str().to_owned());
            for path in imported.into_iter().chain(named) {
                let parts: Vec<String> = path.split("::").map(|part| part.trim().to_owned()).collect();
                let inner: Place = place.iter().cloned().chain([parts[0].clone()]).collect();
                if !["crate", "super", "self"].contains(&parts[0].as_str()) && !self.modules.contains_key(&inner) {
                    continue;
                }
                let to = self.resolve(place, &parts, 0);
                let shared = place.iter().zip(&to).take_while(|(a, b)| a == b).count();
                if let (Some(a), Some(b)) = (place.get(shared), to.get(shared)) {
                    let folder = uses.entry(place[..shared].to_vec()).or_default();
                    folder.entry(a.clone()).or_default().insert(b.clone());
                }
            }
        }
        uses
    }
}

/// A cycle among modules, if there is one.
fn circle(uses: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    // A module that uses no remaining module is not part of a cycle.
    let mut left: BTreeSet<&String> = uses.keys().collect();
    loop {
        let free: Vec<&String> =
            left.iter().copied().filter(|name| uses[*name].iter().all(|used| !left.contains(used))).collect();
        if free.is_empty() {
            return (!left.is_empty()).then(|| left.into_iter().cloned().collect());
        }
        left.retain(|name| !free.contains(name));
    }
}

#[test]
fn no_modules_of_a_package_go_in_a_circle() {
    let known = BTreeMap::from([("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")]);
    let known = known.into_iter().map(|(a, b)| (a.to_owned(), BTreeSet::from([b.to_owned()]))).collect();
    assert_eq!(circle(&known).map(|names| names.contains(&"c".to_owned())), Some(true), "a cycle is found");
    let mut seen = 0;
    for folder in [
        "shared/domain",
        "shared/store",
        "shared/api",
        "functions",
        "infra/cli",
        "infra/local",
        "infra/console-server",
        "infra/openapi",
        "tests/harness",
    ] {
        for (place, uses) in Package::read(folder).uses() {
            seen += uses.values().map(BTreeSet::len).sum::<usize>();
            assert_eq!(circle(&uses), None, "modules of {folder}/src/{} that use each other", place.join("/"));
        }
    }
    assert!(seen > 300, "only {seen} uses were found");
}

/// The dependencies of a package: those of the product, and all others.
fn dependencies(folder: &str) -> (Vec<String>, Vec<String>) {
    let text = fs::read_to_string(format!("{ROOT}/{folder}/Cargo.toml")).expect("a manifest");
    let section =
        text.split("\n[dependencies]\n").nth(1).expect("dependencies").split("\n[").next().unwrap_or_default();
    let lines = section.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let names = lines.map(|line| line.split(['.', ' ']).next().unwrap_or_default().to_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.into_iter().partition(|name| name.starts_with("arcadia-"))
}

#[test]
fn every_package_depends_on_what_it_may() {
    let (own, others) = dependencies("shared/domain");
    assert_eq!(own, Vec::<String>::new(), "the domain depends on no other package of the product");
    // Only the OpenAPI document turns on the feature for schemas.
    assert_eq!(others, ["chrono", "schemars", "serde", "thiserror", "uuid"], "the domain depends on nothing else");
    for (folder, may) in [
        ("shared/store", &["arcadia-domain"][..]),
        ("shared/api", &["arcadia-domain"]),
        ("functions", &["arcadia-api", "arcadia-domain", "arcadia-store"]),
        ("infra/console-server", &[]),
        ("infra/openapi", &["arcadia-api", "arcadia-domain", "arcadia-functions", "arcadia-store"]),
    ] {
        assert_eq!(dependencies(folder).0, may, "{folder}");
    }
    for folder in ["shared/domain", "shared/api"] {
        let (_, others) = dependencies(folder);
        assert!(!others.iter().any(|name| name.starts_with("aws-") || name == "tokio"), "{folder} does no I/O");
    }
}
