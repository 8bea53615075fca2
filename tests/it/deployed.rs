//! The promise: the deployed code is the code that is linted, tested and measured. A build of the whole workspace turns
//! on every feature that one of its packages needs, so a feature for tests alone would be in the binary that the tests
//! run.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::harness::project::ROOT;

/// The features of the product's packages in a build of the given packages.
fn features(packages: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}|{f}"]);
    let output = command.args(packages).current_dir(ROOT).output().expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("arcadia")) {
        let (package, features) = line.trim_end_matches(" (*)").split_once('|').expect("a package and its features");
        let name = package.split(' ').next().expect("a name").to_owned();
        let features = features.split(',').filter(|feature| !feature.is_empty()).map(str::to_owned);
        found.entry(name).or_default().extend(features);
    }
    found
}

#[test]
fn tests_and_benchmark_see_the_deployed_features_and_no_others() {
    let deployed = features(&["--package", "arcadia-functions", "--package", "arcadia-console"]);
    assert!(deployed.len() >= 5, "{deployed:?}");
    // The tests need the OpenAPI document. Its feature derives schemas and changes nothing else.
    let schemas: &[&str] = &["arcadia-api", "arcadia-domain"];
    for (packages, with_schemas) in [(&["--workspace"][..], schemas), (&["--package", "arcadia-bench"], &[])] {
        let mut seen = features(packages);
        seen.retain(|name, _| deployed.contains_key(name));
        for name in with_schemas {
            assert!(seen.get_mut(*name).is_some_and(|features| features.remove("json-schema")), "{seen:?}");
        }
        let deployed = deployed.iter().filter(|(name, _)| seen.contains_key(*name));
        assert!(seen.iter().eq(deployed), "{packages:?}: {seen:?}");
    }
}
