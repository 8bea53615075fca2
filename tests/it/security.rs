//! The promise: every claim of SECURITY.md about a defence names the tests that show it, and they exist.

use std::fs;
use std::path::Path;

use crate::harness::project::ROOT;

#[test]
fn every_threat_names_a_test_that_exists() {
    let text = fs::read_to_string(format!("{ROOT}/SECURITY.md")).expect("SECURITY.md");
    let (_, threats) = text.split_once("| Who | Tries | What stops it | Shown by |").expect("the table of threats");
    let rows = threats.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut count = 0;
    for row in rows {
        count += 1;
        let shown_by = row.trim_end_matches('|').rsplit('|').next().expect("the last column");
        let named: Vec<&str> = shown_by.split('`').skip(1).step_by(2).collect();
        let files: Vec<&&str> = named.iter().filter(|name| name.contains(['.', '/'])).collect();
        assert!(!files.is_empty(), "no test is named: {row}");
        for file in files {
            let path = if file.contains('/') && !file.starts_with("simulation/") {
                format!("{ROOT}/{file}")
            } else {
                format!("{ROOT}/tests/it/{file}")
            };
            let path = Path::new(&path);
            assert!(path.exists(), "there is no {file}: {row}");
            if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(path).expect("a file");
                assert!(["test]", "::test("].iter().any(|mark| text.contains(mark)), "{file} has no test: {row}");
            }
        }
    }
    assert!(count > 15, "{count} threats were found");
}
