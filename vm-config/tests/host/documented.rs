//! The operator's guide and the checks name each other.

use std::collections::BTreeSet;

use crate::fixture::Host;

#[test]
fn every_check_is_explained_and_every_one_that_is_explained_exists() {
    let guide = include_str!("../../../docs/operating.md");
    let (_, section) = guide.split_once("### What `host check` looks at").unwrap();
    let rows = section.lines().skip_while(|line| !line.starts_with("| ---")).skip(1);
    let explained: BTreeSet<&str> = rows
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(check, _)| check)
        .collect();
    let checks: BTreeSet<&str> = Host::new().lines().iter().map(|line| line.check).collect();
    assert_eq!(explained, checks);
}
